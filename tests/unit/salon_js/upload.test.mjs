// How a file comes to a server that refuses, drops and is slow: a real one, over HTTP.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, test } from "node:test";
import { Refused, Salon } from "../../../web/page/sdk/salon.ts";

const servers = [];
afterEach(() => servers.splice(0).forEach((server) => server.closeAllConnections() || server.close()));

/** Answers as told, one answer for each upload that has come; the bytes and heads that came. */
async function serve(...answers) {
  const came = [];
  const server = createServer(async (request, response) => {
    const answer = answers.shift();
    if (answer === "drop") return void request.once("data", () => request.socket.destroy());
    const pieces = await Array.fromAsync(request);
    came.push({ url: request.url, token: request.headers.authorization, text: Buffer.concat(pieces).toString() });
    if (answer === undefined) return; // and never will be
    response.writeHead(answer.status, { "Content-Type": "application/json", ...answer.headers });
    response.end(JSON.stringify(answer.body));
  });
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const salon = new Salon({ url: `http://127.0.0.1:${server.address().port}`, token: "t", storage: null });
  return { salon, came };
}

const TAKEN = { status: 201, body: { file_id: "f1", name: "menu.txt", media_type: "text/plain", size: 5 } };
const file = () => new File(["soup!"], "menu of today.txt");

test("a file goes up with its name, and one is told how far it is", async () => {
  const { salon, came } = await serve(TAKEN);
  const told = [];
  const view = await salon.upload("tea", file(), { onProgress: (progress) => told.push(progress) });
  assert.deepEqual(view, TAKEN.body);
  assert.deepEqual(came, [{ url: "/chat/tea/files?name=menu+of+today.txt", token: "Bearer t", text: "soup!" }]);
  assert.deepEqual(told, [{ sent: 0, size: 5 }, { sent: 5, size: 5 }]);
});

test("after a drop, or when the server asks for it, the same file goes up again from its beginning", async () => {
  const busy = { status: 429, body: { code: "TOO_MANY_UPLOADS", error: "Later.", temporary: true, retry_after: 0 } };
  const { salon, came } = await serve("drop", busy, TAKEN);
  const told = [];
  assert.equal((await salon.upload("tea", file(), { onProgress: (progress) => told.push(progress) })).file_id, "f1");
  assert.deepEqual(came.map(({ text }) => text), ["soup!", "soup!"]);
  assert.deepEqual(told.filter(({ retryAt }) => retryAt !== undefined).map(({ sent, reason }) => [sent, reason.code]), [[0, "UNREACHABLE"], [0, "TOO_MANY_UPLOADS"]]);
});

test("what will not be taken however often it comes is thrown at once, and a drop after so many tries", async () => {
  const refused = { status: 415, body: { code: "FILE_KIND_NOT_ALLOWED", error: "Not these.", temporary: false } };
  const { salon, came } = await serve(refused, "drop", "drop");
  const is = (code) => (error) => error instanceof Refused && error.refusal.code === code;
  await assert.rejects(salon.upload("tea", file()), is("FILE_KIND_NOT_ALLOWED"));
  assert.equal(came.length, 1);
  await assert.rejects(salon.upload("tea", file(), { tries: 2 }), is("UNREACHABLE"));
});

test("an upload is cancelled while it goes up and while it waits for another try", async () => {
  const { salon, came } = await serve(undefined, "drop");
  const reason = new Error("not wanted");
  const first = new AbortController();
  const rejected = assert.rejects(salon.upload("tea", file(), { signal: first.signal, onProgress: ({ sent }) => sent && first.abort(reason) }), reason);
  await rejected;
  const second = new AbortController();
  await assert.rejects(salon.upload("tea", file(), { signal: second.signal, onProgress: ({ retryAt }) => retryAt && second.abort(reason) }), reason);
  await assert.rejects(salon.upload("tea", file(), { signal: second.signal }), reason);
  assert.ok(came.length <= 1);
});

test("a message names its files, and keeps what is known of them while it waits", async () => {
  const written = [];
  const { Mail } = await import("../../../web/page/sdk/mail.ts");
  const { Shelf } = await import("../../../web/page/sdk/shelf.ts");
  const mail = new Mail(new Shelf(null, ""), "tea", (frame) => written.push(frame), () => {});
  mail.send("", { files: [{ ...TAKEN.body, alt: "The menu" }, { file_id: "f2" }] });
  assert.equal(mail.messages()[0].files[0].size, 5);
  mail.up();
  assert.deepEqual(written[0].files, [{ file_id: "f1", alt: "The menu" }, { file_id: "f2" }]);
  mail.close();
});

test("a search asks for what is given, and can be given up", async () => {
  const { salon } = await serve({ status: 200, body: { hits: [], next: null, complete: true } });
  const asked = salon.search("noodles", { conversation_id: "tea", limit: 5 });
  assert.deepEqual(await asked, { hits: [], next: null, complete: true });
  const ended = new AbortController();
  const given = salon.search("", { has: "file", signal: ended.signal });
  ended.abort(new Error("another word"));
  await assert.rejects(given, /another word/);
});

test("addresses of files name no token", () => {
  const salon = new Salon({ url: "https://chat.example/", token: "secret", storage: null });
  assert.equal(salon.fileUrl("a b", "f/1"), "https://chat.example/chat/a%20b/files/f%2F1");
  assert.equal(salon.fileUrl("a", "f", { download: true }), "https://chat.example/chat/a/files/f?download=true");
  assert.equal(salon.previewUrl("a", "f", 320), "https://chat.example/chat/a/files/f/preview?size=320");
});
