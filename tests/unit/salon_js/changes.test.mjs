// What somebody does to messages, over sockets that do as they are told: with a connection, without one, and over a reload.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

class Socket {
  static OPEN = 1;
  static made = [];
  readyState = 0;
  sent = [];
  constructor() { Socket.made.push(this); }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 2; }
  open() { this.readyState = 1; this.onopen(); }
  hear(...frames) { for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) }); }
  end(code = 1006) { this.readyState = 3; this.onclose({ code, reason: "" }); }
}
class Storage {
  kept = new Map();
  get length() { return this.kept.size; }
  key(at) { return [...this.kept.keys()][at] ?? null; }
  getItem(name) { return this.kept.get(name) ?? null; }
  setItem(name, text) { this.kept.set(name, text); }
  removeItem(name) { this.kept.delete(name); }
}
globalThis.WebSocket = Socket;
Object.defineProperty(globalThis, "navigator", { value: {} }); // without locks, what another tab has left is there for the taking
const { Salon } = await import("../../../web/page/sdk/salon.ts");

const settle = async () => { for (let turn = 0; turn < 10; turn += 1) await null; };
const connected = (head) => ({
  type: "connected", conversation_id: "tea", participant_id: "ada", connection_id: "c", epoch: "e", mode: "single",
  head_sequence_id: head, first_sequence_id: 1, resume: "fresh", heartbeat: 0, max_message_size: 0,
});
const caughtUp = (sequence_id) => ({ type: "caught_up", sequence_id });
const said = (sequence_id, more = {}) => ({
  type: "message", sequence_id,
  message: { message_id: `m${sequence_id}`, sequence_id, conversation_id: "tea", sender_id: "ada", content: "hello", timestamp: "t", ...more },
});
const event = (sequence_id, type, more = {}) => ({ type, sequence_id, conversation_id: "tea", message_id: "m1", by: "ada", timestamp: "t", ...more });
const ack = (client_message_id, sequence_id, message_id = `m${sequence_id}`) => ({ type: "message_ack", conversation_id: "tea", message_id, sequence_id, timestamp: "t", client_message_id, durability: "committed", event_hash: "h" });
const changeAck = (client_message_id, sequence_id) => ({ type: "change_ack", conversation_id: "tea", message_id: "m1", timestamp: "t", client_message_id, revision: 2, durability: "committed", ...(sequence_id && { sequence_id }) });
const refused = (client_message_id, code, temporary = false) => ({ type: "error", error: code, code, temporary, id: "i", client_message_id, ...(temporary && { retry_after: 1 }) });
const done = (socket) => socket.sent.filter(({ type }) => type !== "read").map(({ type, content, emoji, message_id }) => [type, content ?? emoji ?? message_id]);

beforeEach((t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  Socket.made = [];
});

async function opened(t, { storage = null, up = true, events = [said(1)] } = {}) {
  const line = new Salon({ url: "http://salon.test", storage }).open("tea");
  t.after(() => line.close());
  const told = [];
  line.on("message", (message) => told.push(message));
  await settle();
  const socket = Socket.made.at(-1);
  socket.open();
  socket.hear(connected(events.length), ...events);
  if (up) socket.hear(caughtUp(events.length));
  return { line, told, socket };
}

async function again(t, socket, ...frames) {
  socket.end();
  await settle();
  t.mock.timers.tick(60_000);
  await settle();
  const next = Socket.made.at(-1);
  next.open();
  next.hear(...frames);
  return next;
}

test("a change shows at once, is sent with a key, and leaves the outbox with its event", async (t) => {
  const { line, told, socket } = await opened(t);
  const { key } = line.edit("m1", "hi", { revision: 1 });
  assert.deepEqual(socket.sent.at(-1), { type: "message_edited", content: "hi", revision: 1, message_id: "m1", client_message_id: key });
  assert.equal(line.message("m1").content, "hi");
  socket.hear(changeAck(key, 2));
  assert.equal(line.changes[0].state, "sent");
  assert.equal(line.message("m1").revision, 2);
  socket.hear(event(2, "message_edited", { content: "hi", revision: 2, client_message_id: key }));
  assert.deepEqual(line.changes, []);
  assert.deepEqual([line.message("m1").content, line.message("m1").as_of], ["hi", 2]);
  assert.equal(told.at(-1).as_of, 2);
});

test("a change that was not needed leaves with its answer, since no event follows", async (t) => {
  const { line, socket } = await opened(t);
  socket.hear(changeAck(line.react("m1", "👍").key));
  assert.deepEqual(line.changes, []);
});

test("a refusal undoes what was shown, keeps the change, and it may be tried again without its revision", async (t) => {
  const { line, told, socket } = await opened(t);
  const { key } = line.edit("m1", "hi", { revision: 1 });
  socket.hear(refused(key, "REVISION_CONFLICT"));
  assert.equal(told.at(-1).content, "hello");
  assert.deepEqual([line.changes[0].state, line.changes[0].refusal.code], ["refused", "REVISION_CONFLICT"]);
  line.retry(key);
  assert.deepEqual(socket.sent.at(-1), { type: "message_edited", content: "hi", message_id: "m1", client_message_id: key });
});

test("without a connection they wait in order, and a message's changes follow its receipt", async (t) => {
  const { line, socket } = await opened(t, { up: false });
  line.react("m1", "👍");
  const { key } = line.send("new");
  line.edit(key, "newer");
  line.react(key, "🎉");
  line.send("last");
  assert.deepEqual(done(socket), []);
  socket.hear(caughtUp(1));
  assert.deepEqual(done(socket), [["reaction_added", "👍"], ["message", "new"], ["message", "last"]]);
  socket.hear(ack(key, 2));
  assert.deepEqual(socket.sent.at(-1).message_id, "m2");
  assert.deepEqual(done(socket).at(-1), ["message_edited", "newer"]);
  socket.hear({ ...changeAck(socket.sent.at(-1).client_message_id, 5), message_id: "m2" });
  assert.deepEqual(done(socket).at(-1), ["reaction_added", "🎉"]);
});

test("the changes of one message go one after another, so that a refusal for load does not put the last word first", async (t) => {
  const { line, socket } = await opened(t);
  const first = line.edit("m1", "one");
  line.edit("m1", "two");
  assert.deepEqual(done(socket), [["message_edited", "one"]]);
  socket.hear(refused(first.key, "QUEUE_FULL", true));
  t.mock.timers.tick(5000);
  // `due` reads the real clock: a new connection takes everything up again.
  const next = await again(t, socket, connected(1), caughtUp(1));
  assert.deepEqual(line.changes.map(({ change }) => change.content), ["one", "two"]);
  assert.equal(done(next).some(([, content]) => content === "two"), false);
});

test("edits that wait are one, and a reaction and its removal are none", async (t) => {
  const { line, socket } = await opened(t, { up: false });
  const { key } = line.edit("m1", "one", { revision: 1 });
  assert.equal(line.edit("m1", "two", { revision: 2 }).key, key);
  line.react("m1", "👍");
  assert.equal(line.unreact("m1", "👍"), undefined);
  line.pin("m1");
  line.unpin("m1");
  socket.hear(caughtUp(1));
  assert.deepEqual(socket.sent.filter(({ type }) => type !== "read"), [{ type: "message_edited", content: "two", revision: 1, message_id: "m1", client_message_id: key }]);
});

test("a message that the server was never told of goes with its changes, and one that it may have is deleted after its receipt", async (t) => {
  const { line, socket } = await opened(t);
  const { key } = line.send("may be there");
  const next = await again(t, socket);
  const unsent = line.send("only here");
  line.edit(unsent.key, "still only here");
  line.delete(unsent.key);
  line.edit(key, "not wanted any more");
  line.delete(key);
  assert.deepEqual(line.outbox.map((each) => each.key), [key]);
  next.hear(connected(1), caughtUp(1));
  assert.deepEqual(done(next), [["message", "may be there"]]);
  next.hear(ack(key, 2));
  assert.deepEqual(done(next).at(-1), ["message_deleted", "m2"]);
});

test("after a drop a change is sent again with its key, unless its event has come", async (t) => {
  const { line, socket } = await opened(t);
  const came = line.react("m1", "👍");
  const lost = line.pin("m1");
  socket.hear(changeAck(came.key, 2));
  const next = await again(t, socket, connected(3), event(2, "reaction_added", { emoji: "👍", client_message_id: came.key }), event(3, "message_pinned", { client_message_id: lost.key }), caughtUp(3));
  assert.deepEqual(done(next), []);
  assert.deepEqual(line.changes, []);
  assert.deepEqual([line.message("m1").pinned, line.message("m1").reactions["👍"].count], [true, 1]);
});

test("over a reload changes are kept with the messages that they belong to", async (t) => {
  const storage = new Storage();
  const first = await opened(t, { storage, up: false });
  const { key } = first.line.send("new");
  first.line.edit(key, "newer");
  first.line.react("m1", "👍");
  first.line.close();
  const { line, socket } = await opened(t, { storage });
  assert.deepEqual(done(socket), [["message", "new"], ["reaction_added", "👍"]]);
  assert.equal(line.message("m1").reactions["👍"].count, 1);
  socket.hear(ack(key, 2));
  assert.deepEqual(done(socket).at(-1), ["message_edited", "newer"]);
  line.close();
  // The receipt has come, the edit has not: it knows its message by now.
  const third = await opened(t, { storage });
  assert.deepEqual(third.socket.sent.filter(({ type }) => type === "message_edited").map(({ message_id }) => message_id), ["m2"]);
});

test("an earlier version of this file finds no message in what is kept of a change", async (t) => {
  const storage = new Storage();
  const { line } = await opened(t, { storage, up: false });
  line.edit("m1", "hi");
  const kept = [...storage.kept].filter(([name]) => name.includes("outbox")).map(([, text]) => JSON.parse(text));
  assert.equal(kept.length, 1);
  assert.equal("content" in kept[0], false);
});

test("a read position of a thread, and one that moves back, are told again on the next connection", async (t) => {
  const { line, socket } = await opened(t);
  line.read(9, "m1");
  line.read(8, "m1");
  line.read(9);
  const next = await again(t, socket);
  line.unread(4);
  const reads = ({ sent }) => sent.map(({ sequence_id, thread_id, force }) => [sequence_id, thread_id ?? force ?? ""]);
  assert.deepEqual(reads(socket), [[9, "m1"], [9, ""]]);
  next.sent.length = 0;
  next.hear(connected(1));
  assert.deepEqual(reads(next).slice(0, 2), [[4, ""], [9, "m1"]]);
});

test("an emoji goes out in the form that the server stores, however it was typed", async (t) => {
  const { line, socket } = await opened(t);
  line.react("m1", "\u2764");
  assert.equal(line.react("m1", "\u2764\uFE0F"), undefined);
  await settle();
  assert.deepEqual(done(socket), [["reaction_added", "\u2764\uFE0F"]]);
});

const held = (client_message_id, held_id = 7) => ({ type: "message_held", conversation_id: "tea", held_id, timestamp: "t", client_message_id });
const decided = (client_message_id, outcome, more = {}) => ({ type: "held_decided", held_id: 7, outcome, client_message_id, ...more });

test("a held message waits for a moderator, over a reload too, and leaves with its event", async (t) => {
  const storage = new Storage();
  const first = await opened(t, { storage });
  const { key } = first.line.send("a link");
  first.socket.hear(held(key));
  assert.deepEqual(first.line.outbox.map(({ state, held_id }) => [state, held_id]), [["held", 7]]);
  first.line.close();
  const { line, socket } = await opened(t, { storage });
  assert.deepEqual([line.outbox[0].state, done(socket)], ["held", [["message", "a link"]]], "it asks what has come of it");
  socket.hear(held(key));
  assert.equal(line.outbox[0].state, "held");
  socket.hear(decided(key, "approved", { message_id: "m2" }), said(2, { content: "a link", client_message_id: key }));
  assert.deepEqual(line.outbox, []);
});

test("a held message that is denied is refused with the moderator's reason, whether it was decided here or while one was away", async (t) => {
  const { line, socket } = await opened(t);
  const [here, away] = ["one", "two"].map((text) => line.send(text).key);
  socket.hear(held(here), held(away), decided(here, "denied", { reason: "Not here." }));
  assert.deepEqual(line.outbox.map(({ state, refusal }) => [state, refusal?.error]), [["refused", "Not here."], ["held", undefined]]);
  const next = await again(t, socket, connected(1), caughtUp(1));
  assert.deepEqual(done(next), [["message", "two"]]);
  next.hear(refused(away, "MESSAGE_REFUSED"));
  assert.deepEqual(line.outbox.map(({ state }) => state), ["refused", "refused"]);
});

test("a held message holds nothing else up, and what is done to it follows its receipt", async (t) => {
  const { line, socket } = await opened(t);
  const { key } = line.send("a link");
  socket.hear(held(key));
  for (let number = 0; number < 16; number += 1) line.send(`${number}`);
  assert.equal(done(socket).length, 17);
  line.react(key, "🎉");
  socket.hear(said(2, { content: "a link", client_message_id: key }));
  socket.hear(ack(line.outbox[0].key, 3));
  assert.deepEqual(done(socket).at(-1), ["reaction_added", "🎉"]);
});

test("a held edit leaves the message as it is until it is approved", async (t) => {
  const { line, socket } = await opened(t);
  const { key } = line.edit("m1", "a link");
  socket.hear(held(key));
  assert.deepEqual([line.message("m1").content, line.changes[0].state], ["hello", "held"]);
  line.react("m1", "🎉");
  assert.deepEqual(done(socket).at(-1), ["reaction_added", "🎉"]);
  socket.hear(event(2, "message_edited", { content: "a link", revision: 2, client_message_id: key }));
  assert.deepEqual([line.message("m1").content, line.changes.length], ["a link", 1]);
});
