// How answers in the making look, and what is read out of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Aloud, sentencesEnd } from "../../../web/page/chat/aloud.ts";
import { endOf, toldOf, withRuns } from "../../../web/page/chat/answers.ts";
import { inWords } from "../../../web/page/chat/asking.ts";
import { runKey } from "../../../web/page/chat/timeline.ts";

const READER = { me: "ada", owner: false, names: new Map([["bot", "Bot"]]) };
const NONE = toldOf([]);
const run = (text, more = {}) => ({ run_id: "r", participant_id: "bot", text, ...more });
const row = (more, told = NONE, reader = READER) => withRuns([], [run("", more)], told, reader, 5)[0];

test("an open run is the last row, under the key that its message will have", () => {
  const before = { kind: "said", key: "#1", sender: "bot", at: 0, first: true, last: true };
  const rows = withRuns([before], [run("Fish")], NONE, READER, 5);
  assert.deepEqual(rows.map(({ key, first, last }) => [key, first, last]), [["#1", true, false], [runKey("r"), false, true]]);
  assert.equal(before.last, true); // the rows that it follows are not changed in place
  assert.deepEqual([rows[1].name, rows[1].content, rows[1].run, rows[1].making], ["Bot", "Fish", "r", { mine: false }]);
});

test("a run whose end is known is not shown, whatever is still told of it", () => {
  for (const event of [{ type: "message", message: { run_id: "r" } }, { type: "run_failed", run_id: "r" }]) {
    assert.deepEqual(withRuns([], [run("Fish")], toldOf([event]), READER, 5), []);
  }
});

test("it may be stopped by whom it answers and by an owner", () => {
  const told = toldOf([{ type: "run_started", run_id: "r", asked_by: "ada", reply_to: "m", timestamp: "1970-01-01T00:00:01Z" }]);
  assert.equal(row({}).making.mine, false);
  assert.equal(row({ asked_by: "bob" }).making.mine, false);
  assert.equal(row({ asked_by: "ada" }).making.mine, true);
  assert.equal(row({}, told).making.mine, true); // its start was kept over a reload
  assert.deepEqual([row({}, told).reply_to, row({}, told).at], ["m", 1000]);
  assert.equal(row({}, NONE, { ...READER, owner: true }).making.mine, true);
});

test("another answer is asked for by whom the last one answers and by an owner, once it has ended", () => {
  const told = toldOf([{ type: "run_started", run_id: "r", asked_by: "ada" }]);
  const answer = (more = {}) => ({ kind: "said", key: "#1", sender: "bot", at: 0, run: "r", reply_to: "m", ...more });
  const again = (rows, runs = [], reader = READER) => withRuns(rows, runs, told, reader, 5).map((row) => row.again === true);
  assert.deepEqual(again([answer({ run: "q" }), answer()]), [false, true]);
  assert.deepEqual(again([answer(), { kind: "said", key: "#2", sender: "ada", at: 1 }]), [true, false]);
  assert.deepEqual(again([answer()], [], { ...READER, me: "bob" }), [false]);
  assert.deepEqual(again([answer()], [], { ...READER, me: "bob", owner: true }), [true]);
  assert.deepEqual(again([answer({ reply_to: undefined })]), [false]); // it answered no message
  assert.deepEqual(again([answer()], [run("Fish", { run_id: "s" })]), [false, false]); // it is answering
});

test("what it does is said in its own words, or in ours", () => {
  assert.equal(row({}).making.doing, "Thinking");
  assert.equal(row({ state: "tool" }).making.doing, "Using a tool");
  assert.equal(row({ state: "tool", label: "Reading" }).making.doing, "Reading");
  assert.equal(row({ state: "dreaming" }).making.doing, "Working");
  assert.equal("doing" in row({ text: "Fish" }).making, false);
});

const CALL = { approval_id: "a", tool: "pay", arguments: { amount: 5 } };
const waits = { state: "waiting_for_approval", label: "pay", approval: CALL };

test("what waits for a person is shown with its arguments, and whom it waits for", () => {
  const names = new Map([["bot", "Bot"], ["cleo", "Cleo"]]);
  const { doing, asking } = row({ ...waits, asked_by: "cleo" }, NONE, { ...READER, names }).making;
  assert.equal(doing, "Waiting for approval");
  assert.deepEqual(asking, { id: "a", tool: "pay", arguments: '{\n  "amount": 5\n}', of: "Cleo" });
  assert.equal("of" in row({ ...waits, asked_by: "gone" }).making.asking, false);
  assert.equal(row({ ...waits, approval: { ...CALL, arguments: {} } }).making.asking.arguments, "");
  assert.equal("asking" in row({ state: "tool", label: "pay" }).making, false);
});

test("nothing in what is asked is hidden from who decides", () => {
  const approval = { approval_id: "a", tool: "p\u202eay", arguments: { to: "ann\u200b\ue000\u{e0041}", heart: "\u2764\ufe0f مرحبا" } };
  const { asking } = row({ state: "waiting_for_approval", approval }).making;
  assert.equal(asking.tool, "p\\u202eay");
  assert.equal(asking.arguments, '{\n  "to": "ann\\u200b\ue000\\udb40\\udc41",\n  "heart": "\u2764\ufe0f مرحبا"\n}');
});

test("who is told of it hears whom it waits for", () => {
  const asking = { id: "a", tool: "pay", arguments: "" };
  assert.equal(inWords("Bot", asking, true), "Bot wants to use pay. Allow it or refuse it.");
  assert.equal(inWords("Bot", asking, false), "Bot wants to use pay. It waits for an owner.");
  assert.equal(inWords("Bot", { ...asking, of: "Cleo" }, false), "Bot wants to use pay. It waits for Cleo or an owner.");
});

test("an end that is not complete has a word", () => {
  assert.deepEqual(["complete", undefined, "cancelled", "interrupted"].map(endOf), ["", "", "Stopped", "Interrupted"]);
});

test("a text can be read up to its last whole sentence", () => {
  const whole = (text) => text.slice(0, sentencesEnd(text));
  assert.equal(whole("It costs 3.50"), "");
  assert.equal(whole("Yes. It costs 3.50"), "Yes.");
  assert.equal(whole('He said "no!" And'), 'He said "no!"');
  assert.equal(whole("はい。いいえ"), "はい。");
  assert.equal(whole("- one\n- tw"), "- one\n");
});

test("a run is read out sentence by sentence, each once, and its message brings the rest", () => {
  const aloud = new Aloud();
  assert.equal(aloud.grown(run(""), "Bot"), "Bot is answering.");
  assert.equal(aloud.grown(run("Fish and"), "Bot"), "");
  assert.equal(aloud.grown(run("Fish and chips. With"), "Bot"), "Fish and chips.");
  assert.equal(aloud.grown(run("Fish and chips. With"), "Bot"), "");
  assert.equal(aloud.rest({ run_id: "r", content: "Fish and chips. With", status: "cancelled" }), "With Stopped");
  assert.equal(aloud.rest({ run_id: "r", content: "Fish" }), null);
  assert.equal(aloud.rest({ content: "Fish" }), null);
});

test("what was said before somebody came is not read to them", () => {
  const aloud = new Aloud();
  assert.equal(aloud.grown(run("One. Two. Thr"), "Bot"), "Bot is answering.");
  assert.equal(aloud.grown(run("One. Two. Three. Four"), "Bot"), " Three.");
});

test("that a run waits for a person is told once, and the next call too", () => {
  const aloud = new Aloud();
  assert.equal(aloud.waits(run("")), false);
  assert.deepEqual([run("", waits), run("", waits)].map((each) => aloud.waits(each)), [true, false]);
  assert.equal(aloud.waits(run("", { state: "tool" })), false);
  assert.equal(aloud.waits(run("", waits)), false); // asked again after a drop
  assert.equal(aloud.waits(run("", { approval: { ...CALL, approval_id: "b" } })), true);
});

test("how many results there are is told with the rest", () => {
  const aloud = new Aloud();
  const rest = (results) => {
    aloud.grown(run(""), "Bot");
    return aloud.rest({ run_id: "r", content: "Fish", results });
  };
  assert.deepEqual([[], [{}], [{}, {}]].map(rest), ["Fish", "Fish 1 result.", "Fish 2 results."]);
});
