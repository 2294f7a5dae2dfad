// What the console makes of lists that it was told page by page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { money } from "../../../web/page/admin/format.ts";
import { added, merged } from "../../../web/page/admin/runs.ts";
import { nextOrder, sorted } from "../../../web/page/admin/sorted.ts";

const run = (run_id, state = "complete") => ({ conversation_id: "c", run_id: `${run_id}`, state, started_at: `2026-03-01T12:00:0${run_id}Z` });
const shown = (runs) => runs.map(({ run_id, state }) => `${run_id} ${state}`);

test("the newest page takes the place of what it has, and what is older stays", () => {
  const before = added(merged([], { runs: [run(5, "open"), run(4)], next_cursor: 4 }), { runs: [run(4), run(3)] });
  assert.deepEqual(shown(before), ["5 open", "4 complete", "3 complete"]);
  const after = merged(before, { runs: [run(6, "open"), run(5, "failed")], next_cursor: 5 });
  assert.deepEqual(shown(after), ["6 open", "5 failed", "4 complete", "3 complete"]);
  assert.deepEqual(merged(after, { runs: [run(6, "open"), run(5, "failed")], next_cursor: 5 }), after);
});

test("an open run that is not told of any more is over, for the newest page has all of them", () => {
  const known = [run(1, "open")];
  assert.deepEqual(shown(merged(known, { runs: [run(3, "open"), run(2)], next_cursor: 2 })), ["3 open", "2 complete"]);
  assert.deepEqual(shown(merged(known, { runs: [] })), []);
  assert.deepEqual(shown(merged(known, { runs: [run(1)] })), ["1 complete"]);
});

test("the same run id in another conversation is another run", () => {
  const other = { ...run(1), conversation_id: "d" };
  assert.equal(merged([run(1)], { runs: [other] }).length, 2);
});

test("no more than five hundred are kept", () => {
  const many = Array.from({ length: 600 }, (_, at) => ({ ...run(0), run_id: `${at}` }));
  assert.equal(merged(many, { runs: [run(9)] }).length, 500);
});

test("rows without a value are last, whichever way they are sorted", () => {
  const rows = [{ a: 10 }, {}, { a: 9 }, { a: null }, { a: 100 }];
  assert.deepEqual(sorted(rows, ({ a }) => a, false).map(({ a }) => a), [9, 10, 100, undefined, null]);
  assert.deepEqual(sorted(rows, ({ a }) => a, true).map(({ a }) => a), [100, 10, 9, undefined, null]);
  assert.deepEqual(sorted(["b", "a"], (each) => each, false), ["a", "b"]);
});

test("a heading sorts by its column, and a second press turns it round", () => {
  assert.deepEqual([nextOrder("", "cost", true), nextOrder("-cost", "cost", true), nextOrder("cost", "cost", true)], ["-cost", "cost", "-cost"]);
  assert.equal(nextOrder("-cost", "agent"), "agent");
});

test("money has its currency, where there is one", () => {
  assert.deepEqual([money(0, "USD"), money(0.00123, "USD"), money(12.5, "EUR")], ["$0.00", "$0.0012", "€12.50"]);
  assert.deepEqual([money(0.5, null), money(0.5, "gold"), money(null, "USD")], ["0.5", "0.5", "–"]);
});
