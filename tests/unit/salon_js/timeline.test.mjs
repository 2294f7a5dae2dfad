// What a reader sees of events and of messages on their way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, listed } from "../../../web/page/chat/notice.ts";
import { arrange, plain, readBefore, runKey } from "../../../web/page/chat/timeline.ts";

const NOON = Date.parse("2026-03-01T12:00:00.000Z");
const VIEW = { me: "ada", readBefore: null, more: false, starts: new Set(), names: new Map([["bot", "Bot"]]) };

function said(sequence_id, sender, { minutes = 0, key } = {}) {
  const timestamp = new Date(NOON + minutes * 60_000).toISOString();
  const message = { message_id: `m${sequence_id}`, sender_id: sender, sender_name: sender, sender_type: "human", content: `${sequence_id}`, timestamp };
  return { type: "message", sequence_id, message: key ? { ...message, client_message_id: key } : message };
}
const person = (id) => ({ id, name: id.toUpperCase(), type: "human" });
const joined = (sequence_id, id, more = {}) => ({ type: "participant_joined", sequence_id, participant: person(id), timestamp: new Date(NOON).toISOString(), ...more });
const begun = { type: "conversation_created", sequence_id: 1, title: "Lunch", participants: [person("ada"), person("bob"), person("cleo")], timestamp: new Date(NOON).toISOString() };
const waiting = (key, more = {}) => ({ key, content: key, state: "waiting", queued_at: NOON, ...more });
const kinds = (rows) => rows.map((row) => row.kind).join(" ");
const words = (event) => describe(event, "ada").map((part) => part.name ?? part).join("");

test("a day has a heading, and so has the next", () => {
  const rows = arrange([said(1, "bob"), said(2, "bob", { minutes: 1 }), said(3, "bob", { minutes: 24 * 60 })], [], VIEW);
  assert.equal(kinds(rows), "day said said day said");
});

test("the first day has no heading where more is above, since it may have begun there", () => {
  assert.equal(kinds(arrange([said(7, "bob")], [], { ...VIEW, more: true })), "said");
});

test("one's own message keeps its row from the first moment to its event", () => {
  const before = arrange([], [waiting("k")], VIEW).at(-1);
  const after = arrange([said(1, "ada", { key: "k" })], [], VIEW).at(-1);
  const both = arrange([said(1, "ada", { key: "k" })], [waiting("k", { state: "sent" })], VIEW);
  assert.equal(before.key, after.key);
  assert.equal(kinds(both), "day said");
});

test("the key of somebody else hides nothing", () => {
  assert.equal(kinds(arrange([said(1, "bob", { key: "k" })], [waiting("k")], VIEW)), "day said said");
});

test("neighbours of one sender are a run, until somebody else, a notice or a pause", () => {
  const events = [said(1, "bob"), said(2, "bob", { minutes: 1 }), said(3, "cleo", { minutes: 2 }), said(4, "cleo", { minutes: 9 })];
  const shown = arrange(events, [], VIEW).filter((row) => row.kind === "said");
  assert.deepEqual(shown.map((row) => [row.first, row.last]), [[true, false], [false, true], [true, true], [true, true]]);
});

test("what was once the first on the screen goes on beginning a run, so that it does not shrink when more comes above", () => {
  const rows = arrange([said(1, "bob"), said(2, "bob")], [], { ...VIEW, starts: new Set([2]) });
  assert.equal(rows.at(-1).first, true);
});

test("the marker stands once, before the first message of another that is new", () => {
  const events = [said(1, "bob"), said(2, "ada"), said(3, "bob"), said(4, "bob")];
  assert.equal(kinds(arrange(events, [], { ...VIEW, readBefore: 1 })), "day said said unread said said");
  assert.equal(kinds(arrange(events, [], { ...VIEW, readBefore: 4 })), "day said said said said");
});

test("unread messages are counted back from the end, and other events between them are not", () => {
  const events = [said(1, "bob"), said(2, "bob"), joined(3, "cleo"), said(4, "bob")];
  assert.equal(readBefore(events, 0), null);
  assert.equal(readBefore(events, 1), 3);
  assert.equal(readBefore(events, 2), 1);
  assert.equal(readBefore(events, 99), 0);
  assert.equal(readBefore([], 2), null);
});

test("what happened is said from the reader's side", () => {
  assert.equal(words(begun), "You began this with BOB and CLEO");
  assert.equal(words(joined(2, "bob")), "BOB joined");
  assert.equal(words(joined(2, "bob", { invited_by: "ada" })), "You brought BOB in");
  assert.equal(words(joined(2, "bob", { invited_by: "cleo" })), "BOB joined, by invitation");
  assert.equal(words({ ...joined(2, "ada"), type: "participant_left" }), "You left");
});

test("names are listed as people do", () => {
  assert.equal(listed(["A"]), "A");
  assert.equal(listed(["A", "B"]), "A and B");
  assert.equal(listed(["A", "B", "C"]), "A, B and C");
  assert.equal(listed(["A", "B", "C", "D", "E"]), "A, B and 3 others");
});

test("a preview is without the marks of Markdown, and keeps what is none", () => {
  assert.equal(plain("**Hello** [there](https://a.example), `x`\n> quoted"), "Hello there, x quoted");
  assert.equal(plain("snake_case * 2 * 3"), "snake_case * 2 * 3");
  assert.equal(plain("the *mill*?"), "the mill?");
});

test("a new title and a new name are said, differently to whom they are", () => {
  const titled = { type: "conversation_updated", sequence_id: 4, title: "Supper" };
  assert.equal(words({ ...titled, by: "ada" }), "You renamed this to Supper");
  assert.equal(words({ ...titled, by: "bob" }), "This is called Supper now");
  assert.equal(words({ type: "conversation_updated", sequence_id: 4, metadata: null, by: "bob" }), "The owner changed what is kept with this conversation");
  const named = { type: "participant_updated", sequence_id: 5 };
  assert.equal(words({ ...named, participant: person("ada") }), "You are called ADA from here on");
  assert.equal(words({ ...named, participant: person("bob") }), "A member is called BOB from here on");
});

const run = (type, more = {}) => ({ type, run_id: "r", participant_id: "bot", timestamp: new Date(NOON).toISOString(), ...more });

test("the start of a run is no line, and its failure is one in words", () => {
  const failed = run("run_failed", { sequence_id: 3, reason: "timeout", temporary: true });
  const rows = arrange([said(1, "bob"), run("run_started", { sequence_id: 2 }), failed], [], VIEW);
  assert.equal(kinds(rows), "day said notice");
  assert.deepEqual(rows.at(-1).text, [{ name: "Bot" }, " could not answer: it took too long."]);
  assert.match(words({ ...failed, participant_id: "zoe" }), /^An agent could not/);
});

test("a run that ends leaves its row to its message, which says how it ended", () => {
  const event = said(4, "bot");
  Object.assign(event.message, { run_id: "r", status: "interrupted", usage: { tokens: 3 } });
  const row = arrange([event], [], VIEW).at(-1);
  assert.equal(row.key, runKey("r"));
  assert.equal(row.status, "interrupted");
  assert.equal("status" in arrange([said(4, "bot")], [], VIEW).at(-1), false);
});
