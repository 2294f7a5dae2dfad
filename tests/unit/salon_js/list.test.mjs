// The list of conversations: what happens here between two looks at the server's, and when the next look is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { changed, merged, read, told } from "../../../web/page/chat/lines.ts";
import { Pace } from "../../../web/page/chat/pace.ts";
import { Poll } from "../../../web/page/chat/poll.ts";

const at = (minute) => `2026-03-01T12:${String(minute).padStart(2, "0")}:00.000Z`;
const line = (conversation_id, minute, more = {}) => ({ conversation_id, title: conversation_id, created_at: at(0), last_message_at: minute === null ? null : at(minute), participant_count: 2, unread_count: 0, last_message_preview: "", ...more });
const message = (minute, content = "hello") => ({ content, timestamp: at(minute) });
const ids = (lines) => lines.map((each) => each.conversation_id).join(" ");
const LINES = [line("a", 9), line("b", 5), line("c", null)];

test("a message puts its conversation in front, is counted where it was not seen, and is cut as the server cuts it", () => {
  const lines = changed(LINES, "c", (each) => told(each, message(10, "x".repeat(101)), "me", true));
  assert.equal(ids(lines), "c a b");
  assert.equal(lines[0].unread_count, 1);
  assert.equal(lines[0].last_message_preview, `${"x".repeat(99)}…`);
  assert.equal(changed(lines, "c", (each) => told(each, message(11), "me", false))[0].unread_count, 1);
});

test("unread messages that name the reader are counted apart until they are read", () => {
  const named = { ...message(10), mentions: ["ada", "me"] };
  const lines = changed(LINES, "c", (each) => told(each, named, "me", true));
  assert.deepEqual([lines[0].unread_count, lines[0].mention_count], [1, 1]);
  assert.equal(changed(LINES, "c", (each) => told(each, named, "bob", true))[0].mention_count, 0);
  assert.equal(changed(lines, "c", read)[0].mention_count, 0);
});

test("what is older than the list, or of no line in it, changes nothing", () => {
  assert.equal(changed(LINES, "a", (each) => told(each, message(9), "me", true)), LINES);
  assert.equal(changed(LINES, "z", (each) => told(each, message(10), "me", true)), LINES);
  assert.equal(changed(LINES, "a", read), LINES);
});

test("reading leaves the order as it is", () => {
  const lines = [line("a", 9), line("b", 5, { unread_count: 3 })];
  const after = changed(lines, "b", read);
  assert.equal(ids(after), "a b");
  assert.equal(after[1].unread_count, 0);
});

test("the server's answer counts, but for what has happened since it was asked", () => {
  const here = [line("c", 10, { unread_count: 1, last_message_preview: "hello" }), line("a", 9), line("b", 5)];
  const answered = [line("a", 9, { unread_count: 2 }), line("b", 5, { title: "renamed", unread_count: 7 }), line("c", null, { title: "new" })];
  const lines = merged(answered, here, new Set(["c", "b"]));
  assert.equal(ids(lines), "c a b");
  assert.deepEqual(lines.map((each) => [each.title, each.unread_count]), [["new", 1], ["a", 2], ["renamed", 0]]);
});

test("an answer that knows of a newer message is the newer word", () => {
  const answered = [line("b", 12, { unread_count: 2 }), line("a", 9)];
  const lines = merged(answered, [line("b", 11, { unread_count: 1 }), line("a", 9)], new Set(["b"]));
  assert.deepEqual(lines, answered);
});

test("a conversation that the server does not name any more is gone, and one it does is there", () => {
  assert.equal(ids(merged([line("b", 5), line("d", 1)], LINES, new Set(["a"]))), "b d");
});

test("nobody looks: ever later, up to five minutes; somebody does: every twenty seconds", () => {
  const pace = new Pace();
  const hidden = Array.from({ length: 7 }, () => pace.next(true));
  assert.deepEqual(hidden, [20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
  assert.equal(pace.next(false), 20_000);
  assert.equal(pace.next(true), 40_000);
});

/** A poll whose answers are given by hand. */
function asked() {
  const open = [];
  const poll = new Poll(() => new Promise((answer) => open.push(answer)));
  return { poll, open };
}

test("one look at a time, and one more for all that want one meanwhile", async () => {
  const { poll, open } = asked();
  const first = poll.now();
  const [second, third] = [poll.now(), poll.now()];
  assert.equal(open.length, 1);
  open[0](1e6);
  await first;
  await new Promise(setImmediate);
  assert.equal(open.length, 2, "begun after they were asked for");
  open[1](1e6);
  await Promise.all([second, third]);
  assert.equal(open.length, 2);
  poll.stop();
});

test("a look that is wanted while one is under way comes after it, however long its answer says", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { poll, open } = asked();
  const first = poll.now();
  poll.later(500);
  open[0](20_000);
  await first;
  context.mock.timers.tick(500);
  assert.equal(open.length, 2);
  poll.stop();
});

test("the next look is when the answer said, and none is after the end", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { poll, open } = asked();
  const first = poll.now();
  open[0](5000);
  await first;
  context.mock.timers.tick(4999);
  assert.equal(open.length, 1);
  context.mock.timers.tick(1);
  assert.equal(open.length, 2);
  poll.stop();
  open[1](5000);
  await new Promise(setImmediate);
  context.mock.timers.tick(10_000);
  await poll.now();
  assert.equal(open.length, 2);
});
