// What a reader has of the answers in the making, however their texts come.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Runs, first, points } from "../../../web/page/sdk/runs.ts";

const started = (run_id, more = {}) => ({ type: "run_started", sequence_id: 1, run_id, participant_id: "bot", timestamp: "t", ...more });
const delta = (run_id, offset, text) => ({ type: "delta", run_id, participant_id: "bot", offset, text });
const ended = (run_id) => ({ type: "message", sequence_id: 2, message: { run_id } });
const failed = (run_id) => ({ type: "run_failed", sequence_id: 2, run_id, participant_id: "bot" });
const texts = (runs) => runs.list().map(({ text }) => text);

test("a run is open from its start to its message, with all that was said", () => {
  const runs = new Runs();
  assert.equal(runs.apply(started("r", { asked_by: "ada", reply_to: "m" })), true);
  assert.deepEqual(runs.list(), [{ run_id: "r", participant_id: "bot", text: "", asked_by: "ada", reply_to: "m", timestamp: "t" }]);
  assert.equal(runs.delta(delta("r", 0, "Fish ")), true);
  assert.equal(runs.delta(delta("r", 5, "and chips")), true);
  assert.deepEqual(texts(runs), ["Fish and chips"]);
  assert.equal(runs.apply(ended("r")), true);
  assert.deepEqual(runs.list(), []);
});

test("a run may be known by its text before its start", () => {
  const runs = new Runs();
  runs.delta(delta("r", 0, "Fish"));
  runs.apply(started("r", { asked_by: "ada" }));
  assert.deepEqual(runs.list(), [{ run_id: "r", participant_id: "bot", text: "Fish", asked_by: "ada", timestamp: "t" }]);
});

test("what comes again takes the place of what is there, counted in code points", () => {
  const runs = new Runs();
  runs.delta(delta("r", 0, "🐟🐟🐟"));
  runs.delta(delta("r", 1, "🍟é"));
  assert.deepEqual(texts(runs), ["🐟🍟é"]);
  runs.delta(delta("r", 3, "!"));
  assert.deepEqual(texts(runs), ["🐟🍟é!"]);
  runs.delta(delta("r", 0, "Fish"));
  assert.deepEqual(texts(runs), ["Fish"]);
  assert.equal(points("🐟a"), 2);
  assert.equal(first("🐟a", 1), "🐟");
  assert.equal(first("🐟a", 9), "🐟a");
});

test("a text that does not follow is not taken", () => {
  const runs = new Runs();
  runs.delta(delta("r", 0, "Fish"));
  assert.equal(runs.delta(delta("r", 5, "chips")), false);
  assert.equal(runs.delta(delta("other", 1, "x")), false);
  assert.deepEqual(texts(runs), ["Fish"]);
});

test("nothing opens a run again that has ended, as its message or as a failure", () => {
  const runs = new Runs();
  for (const end of [ended("r"), failed("r")]) {
    runs.apply(end);
    assert.equal(runs.delta(delta("r", 0, "late")), true);
    assert.equal(runs.delta(delta("r", 9, "later")), true);
    runs.apply(started("r"));
    runs.clear();
    assert.deepEqual(runs.list(), []);
  }
});

test("what an agent does is shown until it says more", () => {
  const runs = new Runs();
  assert.equal(runs.status({ run_id: "r", state: "tool" }), false);
  runs.apply(started("r"));
  assert.equal(runs.status({ run_id: "r", state: "tool", label: "Reading" }), true);
  const [before] = runs.list();
  assert.deepEqual([before.state, before.label], ["tool", "Reading"]);
  runs.status({ run_id: "r", state: "thinking" });
  assert.deepEqual([runs.list()[0].state, "label" in runs.list()[0]], ["thinking", false]);
  runs.delta(delta("r", 0, "So"));
  assert.equal("state" in runs.list()[0], false);
  assert.equal(before.text, ""); // what was given out is never changed in place
});

test("what waits for a person is there until it does something else or says more", () => {
  const runs = new Runs();
  const approval = { approval_id: "a", tool: "pay", arguments: { amount: 5 } };
  const waits = { run_id: "r", state: "waiting_for_approval", label: "pay", approval };
  runs.apply(started("r"));
  for (const goes_on of [() => runs.status({ run_id: "r", state: "tool", label: "pay" }), () => runs.delta(delta("r", 0, "So"))]) {
    runs.status(waits);
    assert.deepEqual(runs.list()[0].approval, approval);
    goes_on();
    assert.equal("approval" in runs.list()[0], false);
  }
});

test("an agent is not told what it says itself", () => {
  const runs = new Runs();
  runs.me = "bot";
  assert.equal(runs.apply(started("r")), false);
  assert.deepEqual(runs.list(), []);
});
