// What the page keeps and shows of messages to which something was done.
import assert from "node:assert/strict";
import { test } from "node:test";
import { describe } from "../../../web/page/chat/notice.ts";
import { pinnedNow } from "../../../web/page/chat/pinned.ts";
import { may, mayDelete, outranks, rolesUpTo } from "../../../web/page/chat/rank.ts";
import { changesOthers, settled } from "../../../web/page/chat/settled.ts";
import { arrange, readBefore } from "../../../web/page/chat/timeline.ts";

const AT = "2026-03-01T12:00:00.000Z";
const VIEW = { me: "ada", readBefore: null, more: true, starts: new Set(), names: new Map([["bob", "Bob"]]) };
const said = (sequence_id, more = {}) => ({
  type: "message", sequence_id,
  message: { message_id: `m${sequence_id}`, sequence_id, sender_id: "ada", sender_name: "Ada", sender_type: "human", content: `text ${sequence_id}`, timestamp: AT, ...more },
});
const deed = (sequence_id, type, message_id, more = {}) => ({ type, sequence_id, message_id, by: "bob", timestamp: AT, ...more });
const wants = (change, more) => ({ key: "c", queued_at: 0, state: "waiting", change, ...more });
const rows = (events, outbox = [], view = {}) => arrange(events, outbox, { ...VIEW, ...view }).filter((row) => row.kind !== "day");

test("events are kept with each message as it is now, and nothing that was deleted is kept at all", () => {
  const events = [said(1), deed(2, "message_edited", "m1", { content: "a secret", revision: 2 }), said(3), deed(4, "reaction_added", "m3", { emoji: "👍" }), deed(5, "message_deleted", "m1")];
  const kept = settled(events);
  assert.equal(JSON.stringify(kept).includes("secret"), false);
  assert.equal(JSON.stringify(kept).includes("text 1"), false);
  assert.equal(kept[2].message.reactions["👍"].count, 1);
  assert.equal(kept[3], events[3]);
  assert.deepEqual(settled(kept), kept);
  assert.deepEqual(events.map(changesOthers), [false, true, false, true, true]);
  assert.equal(changesOthers(said(6, { thread_id: "m1" })), true);
});

test("what is done to a message is shown on it, and only a pin has a line of its own", () => {
  const events = settled([said(1), deed(2, "reaction_added", "m1", { emoji: "👍" }), deed(3, "message_edited", "m1", { content: "better", revision: 2 }), deed(4, "message_pinned", "m1")]);
  const [message, notice, ...more] = rows(events);
  assert.deepEqual(more, []);
  assert.deepEqual([message.content, message.edited, message.revision, message.pinned, message.reactions["👍"].count], ["better", Date.parse(AT), 2, true, 1]);
  assert.deepEqual(notice.text, [{ name: "Bob" }, " pinned a message"]);
});

test("one's own edit shows while it waits, and what it was where it is refused, with the edit at hand", () => {
  const edit = wants({ type: "message_edited", content: "better" }, { message_id: "m1" });
  assert.deepEqual(rows([said(1)], [], { changes: [edit] }).map((row) => [row.content, row.edit]), [["better", edit]]);
  const refused = { ...edit, state: "refused" };
  assert.deepEqual(rows([said(1)], [], { changes: [refused] }).map((row) => [row.content, row.edit]), [["text 1", refused]]);
  const outgoing = { key: "k", content: "new", state: "waiting", queued_at: Date.parse(AT) };
  const follows = wants({ type: "message_edited", content: "newer" }, { message_key: "k" });
  assert.equal(rows([], [outgoing], { changes: [follows] })[0].content, "newer");
});

test("a deleted message keeps its row, and one that was deleted a moment ago can be had back", () => {
  const gone = settled([said(1), deed(2, "message_deleted", "m1")]);
  assert.equal(rows(gone)[0].gone, "deleted");
  assert.equal(rows([said(1)], [], { deleting: new Set(["m1"]) })[0].gone, "undo");
  const outgoing = { key: "k", content: "new", state: "waiting", queued_at: Date.parse(AT) };
  assert.equal(rows([], [outgoing], { deleting: new Set(["k"]) })[0].gone, "undo");
  assert.equal(rows([said(1, { client_message_id: "k" })], [], { deleting: new Set(["k"]) })[0].gone, "undo");
});

test("the log shows no replies of threads but those that are in both, and a thread only its own", () => {
  const events = settled([said(1), said(2, { thread_id: "m1" }), said(3, { thread_id: "m1", also_in_channel: true }), said(4)]);
  const waiting = [{ key: "k", content: "k", state: "waiting", queued_at: Date.parse(AT), thread_id: "m1" }];
  const shown = (more) => rows(events, waiting, more).map((row) => row.id ?? row.key);
  assert.deepEqual(shown({}), ["m1", "m3", "m4"]);
  assert.deepEqual(shown({ thread: "m1" }), ["m1", "m2", "m3", "k"]);
  assert.deepEqual(rows(events)[0].thread, { replies: 2, last_at: AT });
  assert.equal(rows(settled([said(1), said(2, { thread_id: "m1", client_message_id: "k" })]), [{ ...waiting[0], state: "sent" }], { thread: "m1" }).length, 2);
});

test("deleted messages and replies of threads are not counted as unread", () => {
  const events = settled([said(1), said(2), said(3, { thread_id: "m1" }), said(4), deed(5, "message_deleted", "m4")]);
  assert.equal(readBefore(events, 1), 1);
  assert.equal(readBefore(events, 2), 0);
});

test("pinned are those that the server named, with what has happened since and what the reader does", () => {
  const facts = { pinned: ["m1", "m2"], head_sequence_id: 5 };
  const events = [deed(4, "message_unpinned", "m1"), deed(6, "message_pinned", "m3"), deed(7, "message_deleted", "m2")];
  assert.deepEqual(pinnedNow(facts, events, []), ["m1", "m3"]);
  const changes = [wants({ type: "message_unpinned" }, { message_id: "m3" }), wants({ type: "message_pinned" }, { message_id: "m9", state: "refused" })];
  assert.deepEqual(pinnedNow(facts, events, changes), ["m1"]);
});

test("what one may do is a matter of rank", () => {
  const able = (action, permissions) => ["observer", "member", "moderator", "owner", undefined].map((role) => may(action, { role, permissions }));
  assert.deepEqual(able("react"), [false, true, true, true, false]);
  assert.deepEqual(able("pin"), [false, false, true, true, false]);
  assert.deepEqual(able("pin", { pin: "member" }), [false, true, true, true, false]);
  const row = (sender) => ({ own: sender === "ada", sender });
  const members = [["mod", "moderator"], ["bob", "member"]].map(([participantId, role]) => ({ participantId, role }));
  const deletes = (sender, role) => mayDelete(row(sender), { role }, members);
  assert.deepEqual([deletes("ada", "member"), deletes("ada", "observer"), deletes("bob", "member")], [true, false, false]);
  assert.deepEqual([deletes("bob", "moderator"), deletes("mod", "moderator"), deletes("mod", "owner"), deletes("left", "moderator")], [true, false, true, true]);
});

test("what was done to people is said with who did it and why", () => {
  const words = (type, more, me = "ada") => describe({ type, sequence_id: 2, by: "bob", timestamp: AT, ...more }, me, VIEW.names).map((part) => part.name ?? part).join("");
  const cleo = { id: "cleo", name: "Cleo", type: "human" };
  assert.equal(words("participant_role_changed", { participant_id: "ada", role: "moderator", reason: "she knows all" }), "Bob made you a moderator: she knows all");
  assert.equal(words("participant_removed", { participant: cleo }, "bob"), "You removed Cleo");
  assert.equal(words("participant_banned", { participant: cleo, reason: "spam" }), "Bob banned Cleo: spam");
  assert.equal(words("participant_muted", { participant: cleo, by: "left" }, "cleo"), "Somebody muted you");
});

test("nobody acts on an equal, and gives a role above their own", () => {
  assert.deepEqual(["owner", "moderator", "member", undefined].map((role) => outranks(role, "moderator")), [true, false, false, false]);
  assert.deepEqual(rolesUpTo("moderator"), ["moderator", "member", "observer"]);
  assert.deepEqual(rolesUpTo(undefined), []);
});

test("what was done is said in words", () => {
  const words = (event, me = "ada") => describe(event, me, VIEW.names).map((part) => part.name ?? part).join("");
  assert.equal(words(deed(2, "message_edited", "m1")), "Bob edited a message");
  assert.equal(words(deed(2, "message_deleted", "m1", { reason: "rude" }), "bob"), "You deleted a message: rude");
  assert.equal(words(deed(2, "reaction_added", "m1", { emoji: "👍" })), "Bob reacted with 👍 to a message");
  assert.equal(words(deed(2, "reaction_removed", "m1", { emoji: "👍", by: "zoe" })), "Somebody took 👍 back from a message");
  assert.equal(words(deed(2, "message_unpinned", "m1")), "Bob unpinned a message");
});
