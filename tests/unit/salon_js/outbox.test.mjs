// Which message goes out when, and what becomes of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../../../web/page/sdk/outbox.ts";

const message = (key, more = {}) => ({ key, content: key, state: "waiting", queued_at: 0, ...more });
const receipt = (client_message_id, sequence_id = 7) => ({ client_message_id, sequence_id });
const keys = (messages) => messages.map((each) => each.key).join("");
const states = (outbox) => Object.fromEntries(outbox.list().map((each) => [each.key, each.state]));
const FULL = { code: "QUEUE_FULL", error: "", temporary: true };
const FINAL = { code: "MESSAGE_TOO_LARGE", error: "", temporary: false };

function filled(text, bounds) {
  const outbox = new Outbox(bounds);
  for (const key of text) outbox.add(message(key));
  return outbox;
}

test("messages go out in the order in which they were written, so many at a time", () => {
  const outbox = filled("abcde", { messages: 9, characters: 99, window: 2 });
  assert.equal(keys(outbox.due(0)), "ab");
  assert.equal(keys(outbox.due(0)), "");
  outbox.acknowledge(receipt("a"));
  assert.equal(keys(outbox.due(0)), "c");
});

test("what is refused for load waits as long as told; then one at a time, and one more with every receipt", () => {
  const outbox = filled("abcdef");
  outbox.due(0);
  outbox.refuse("b", FULL, 0, 500);
  assert.equal(outbox.delay(0), 500);
  for (const key of "acdef") outbox.acknowledge(receipt(key));
  assert.equal(keys(outbox.due(499)), "");
  assert.equal(keys(outbox.due(500)), "b");
  assert.equal(outbox.delay(600), undefined);
});

test("after a refusal for load the others wait too, and the pace grows again", () => {
  const outbox = filled("abcdefgh", { messages: 9, characters: 99, window: 3 });
  assert.equal(keys(outbox.due(0)), "abc");
  outbox.refuse("a", FULL, 0, 100);
  outbox.refuse("b", FULL, 0, 300);
  outbox.refuse("c", FULL, 0, 200);
  assert.equal(keys(outbox.due(200)), "");
  assert.equal(keys(outbox.due(300)), "a");
  outbox.acknowledge(receipt("a"));
  assert.equal(keys(outbox.due(300)), "bc");
});

test("a message leaves when its event has been given out, not before", () => {
  const outbox = filled("a");
  outbox.due(0);
  outbox.acknowledge(receipt("a", 7));
  assert.deepEqual(states(outbox), { a: "sent" });
  assert.equal(outbox.delivered(6), false);
  assert.equal(outbox.delivered(7), true);
  assert.deepEqual(states(outbox), {});
});

test("on a new socket everything without a receipt goes out again, with the same keys", () => {
  const outbox = filled("abc");
  outbox.due(0);
  outbox.acknowledge(receipt("b"));
  outbox.rewind();
  assert.equal(keys(outbox.due(0)), "ac");
});

test("a second receipt and a receipt of nobody change nothing", () => {
  const outbox = filled("a");
  outbox.due(0);
  assert.ok(outbox.acknowledge(receipt("a")));
  assert.equal(outbox.acknowledge(receipt("a")), undefined);
  assert.equal(outbox.acknowledge(receipt("z")), undefined);
  assert.equal(outbox.acknowledge({ client_message_id: null, sequence_id: 1 }), undefined);
});

test("a final refusal keeps the message with its reason until it is tried again", () => {
  const outbox = filled("a");
  outbox.due(0);
  outbox.refuse("a", FINAL, 0, 0);
  assert.equal(outbox.get("a").refusal, FINAL);
  assert.equal(keys(outbox.due(0)), "");
  outbox.retry("a");
  assert.equal(outbox.get("a").refusal, undefined);
  assert.equal(keys(outbox.due(0)), "a");
});

test("there is room for so many messages and characters", () => {
  const many = filled("ab", { messages: 2, characters: 99, window: 9 });
  assert.throws(() => many.add(message("c")), (error) => error.refusal.code === "OUTBOX_FULL");
  const long = filled("", { messages: 9, characters: 10, window: 9 });
  long.add(message("a", { content: "x".repeat(10) }));
  assert.throws(() => long.add(message("b")), (error) => error.refusal.code === "OUTBOX_FULL");
});

test("what is sent takes no room any more", () => {
  const outbox = filled("a", { messages: 1, characters: 99, window: 9 });
  outbox.due(0);
  outbox.acknowledge(receipt("a"));
  outbox.add(message("b"));
  assert.deepEqual(states(outbox), { a: "sent", b: "waiting" });
});

test("what was kept takes its place by age", () => {
  const outbox = new Outbox();
  outbox.add(message("new", { queued_at: 20 }));
  outbox.restore([message("old", { queued_at: 10 }), message("new", { queued_at: 20, content: "other" })]);
  assert.deepEqual(outbox.list().map((each) => each.content), ["old", "new"]);
});

test("the largest on its way is found", () => {
  const outbox = new Outbox();
  for (const [key, length] of [["a", 3], ["b", 9], ["c", 5]]) outbox.add(message(key, { content: "x".repeat(length) }));
  assert.equal(outbox.largest(), undefined);
  outbox.due(0);
  assert.equal(outbox.largest().key, "b");
});
