// Messages as they are now: what events make of them, whichever page they come on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { changed, foreseen, Messages } from "../../../web/page/sdk/fold.ts";

const sent = (sequence_id, more = {}) => ({
  type: "message", sequence_id,
  message: { message_id: `m${sequence_id}`, sequence_id, sender_id: "ada", content: "hello", timestamp: `t${sequence_id}`, ...more },
});
const deed = (sequence_id, type, more = {}) => ({ type, sequence_id, message_id: "m1", by: "bob", timestamp: `t${sequence_id}`, ...more });
const edited = (sequence_id, content, revision) => deed(sequence_id, "message_edited", { content, revision, by: "ada" });
const reacted = (sequence_id, emoji, by = "bob") => deed(sequence_id, "reaction_added", { emoji, by });
const unreacted = (sequence_id, emoji, by = "bob") => deed(sequence_id, "reaction_removed", { emoji, by });

function after(...events) {
  const messages = new Messages();
  messages.take(events);
  return messages.get("m1");
}

test("an edit has all that the message has from then on", () => {
  const message = after(sent(1, { mentions: ["bob"], metadata: { a: 1 } }), edited(2, "hi", 2));
  assert.deepEqual(message, { ...sent(1).message, content: "hi", revision: 2, edited_at: "t2", as_of: 2 });
});

test("what is part of a message already is not applied again", () => {
  const now = sent(1, { content: "hi", revision: 2, as_of: 5 });
  assert.equal(after(now, edited(2, "old", 2)).content, "hi");
  assert.equal(changed(now.message, reacted(5, "👍")), now.message);
  assert.equal(after(now, reacted(6, "👍")).reactions["👍"].count, 1);
});

test("reactions are counted by kind, in the order of the first of each, and a kind that nobody gives is gone", () => {
  const message = after(sent(1), reacted(2, "👍"), reacted(3, ":tada:"), reacted(4, "👍", "ada"), unreacted(5, "👍"));
  assert.deepEqual(message.reactions, { "👍": { count: 1, participants: ["ada"] }, ":tada:": { count: 1, participants: ["bob"] } });
  assert.deepEqual(Object.keys(message.reactions), ["👍", ":tada:"]);
  assert.equal("reactions" in after(sent(1), reacted(2, "👍"), unreacted(3, "👍")), false);
});

test("of a reaction the first twenty are named, and nobody is named out of turn", () => {
  const crowd = Array.from({ length: 22 }, (_, at) => reacted(at + 2, "👍", `p${at}`));
  const full = after(sent(1), ...crowd).reactions["👍"];
  assert.deepEqual([full.count, full.participants.length, full.participants.at(-1)], [22, 20, "p19"]);
  const next = after(sent(1), ...crowd, { ...unreacted(40, "👍", "p0"), next: "p20" }).reactions["👍"];
  assert.deepEqual([next.count, next.participants.length, next.participants.at(-1)], [21, 20, "p20"]);
  const less = after(sent(1), ...crowd, unreacted(40, "👍", "p0"), reacted(41, "👍", "late")).reactions["👍"];
  assert.deepEqual([less.count, less.participants.includes("late")], [22, false]);
});

test("of a deleted message its place and its thread stay, and nothing that was in it", () => {
  const whole = sent(1, { metadata: {}, mentions: ["bob"], usage: {}, results: [], files: [], pinned: true, reply_to: "m0" });
  const message = after(whole, reacted(2, "👍"), edited(3, "hi", 2), sent(4, { thread_id: "m1" }), deed(5, "message_deleted"));
  const { message_id, sequence_id, sender_id, timestamp, reply_to } = whole.message;
  const thread = { replies: 1, last_at: "t4" };
  assert.deepEqual(message, { message_id, sequence_id, sender_id, timestamp, reply_to, content: "", deleted: true, revision: 2, thread, as_of: 5 });
});

test("the root of a thread counts its replies, without the deleted ones", () => {
  const replies = [sent(2, { thread_id: "m1" }), sent(3, { thread_id: "m1" })];
  const gone = { ...deed(4, "message_deleted"), message_id: "m2", thread_id: "m1" };
  assert.deepEqual(after(sent(1), ...replies, gone).thread, { replies: 1, last_at: "t3" });
});

test("a pin comes and goes", () => {
  assert.equal(after(sent(1), deed(2, "message_pinned")).pinned, true);
  assert.equal("pinned" in after(sent(1), deed(2, "message_pinned"), deed(3, "message_unpinned")), false);
});

test("a page from further back may come after the changes of its messages", () => {
  const messages = new Messages();
  messages.take([edited(8, "second", 3), reacted(9, "👍")]);
  assert.equal(messages.get("m1"), undefined);
  assert.deepEqual([...messages.take([sent(1, { content: "first", revision: 2, as_of: 7 })])], ["m1"]);
  assert.deepEqual([messages.get("m1").content, messages.get("m1").as_of], ["second", 9]);
  messages.take([sent(1, { content: "first", revision: 2, as_of: 7 })]);
  assert.equal(messages.get("m1").content, "second", "an older page tells nothing new");
});

test("with a bound the oldest are forgotten", () => {
  const messages = new Messages(2);
  messages.take([sent(1), sent(2), sent(3)]);
  assert.deepEqual(["m1", "m2", "m3"].map((id) => messages.get(id) !== undefined), [false, true, true]);
});

const wants = (change, more = {}) => ({ key: "k", queued_at: 0, state: "waiting", message_id: "m1", change, ...more });
const EDIT = { type: "message_edited", content: "hi" };

test("what one has done oneself shows before it is stored, and not when it was refused, is of another message, or is part of it", () => {
  const { message } = sent(1, { metadata: { a: 1 } });
  const shown = foreseen(message, [wants(EDIT), wants({ type: "reaction_added", emoji: "👍" })], "ada");
  assert.deepEqual([shown.content, shown.revision, shown.metadata, shown.as_of], ["hi", 2, { a: 1 }, undefined]);
  assert.deepEqual(shown.reactions["👍"].participants, ["ada"]);
  for (const more of [{ state: "refused" }, { message_id: "m2" }, { state: "sent", receipt: { sequence_id: 1 } }]) {
    assert.deepEqual(foreseen(message, [wants(EDIT, more)], "ada"), message);
  }
  assert.equal("metadata" in foreseen(message, [wants({ ...EDIT, metadata: null })], "ada"), false);
});
