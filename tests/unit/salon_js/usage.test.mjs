// What an answer has used, in words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { arrange } from "../../../web/page/chat/timeline.ts";
import { allower, toolsOf, used } from "../../../web/page/chat/usage.ts";

test("tokens are counted where there are numbers of them", () => {
  assert.equal(used({ total_tokens: 132 }).tokens, "132 tokens");
  assert.equal(used({ input_tokens: 1000, output_tokens: 32 }).tokens, "1,032 tokens");
  assert.equal(used({ prompt_tokens: 1 }).tokens, "1 token");
  for (const usage of [undefined, {}, { tokens: "many" }, { tokens: 0 }, { tokens: NaN }]) assert.deepEqual(used(usage), {});
});

test("what it cost has as many digits as it needs", () => {
  const cost = (cost, currency) => used({ cost, currency }).cost;
  assert.deepEqual([0.00123, 0.05, 0.1, 1.5, 1234].map((each) => cost(each, "USD")), ["$0.0012", "$0.05", "$0.10", "$1.50", "$1,234.00"]);
  assert.equal(cost(0.02, "EUR"), "€0.02");
  assert.equal(cost(0.02, "XTS"), "XTS\u00a00.02");
  for (const currency of [undefined, "", "dollars", 5, "<b>"]) assert.equal(cost(0.02, currency), "cost 0.02");
  for (const none of [0, -1, "5", Infinity]) assert.equal(cost(none, "USD"), undefined);
});

test("the model has its name, as far as it can be shown", () => {
  assert.equal(used({ model: " gpt-4o " }).model, "gpt-4o");
  assert.equal(used({ model: "x".repeat(1000) }).model.length, 100);
  for (const model of ["", " ", 5, null]) assert.equal("model" in used({ model }), false);
});

test("each tool is named once for each who allowed it", () => {
  const ada = { tool: "pay", by: "ada" };
  assert.deepEqual(toolsOf({ tools: [ada, ada, { tool: "pay" }, { tool: "look", by: "configuration" }] }), [ada, { tool: "pay" }, { tool: "look", by: "configuration" }]);
  for (const tools of [undefined, "pay", {}, [null, 5, "pay", {}, { tool: 5 }, { by: "ada" }]]) assert.deepEqual(toolsOf({ tools }), []);
  assert.deepEqual(toolsOf(undefined), []);
});

test("who has allowed it is called as the reader knows them", () => {
  const names = new Map([["ada", "Ada"], ["bob", "Bob"]]);
  assert.deepEqual(["ada", "bob", "gone", "configuration"].map((by) => allower(by, "ada", names)), ["you", "Bob", "somebody", "the configuration"]);
});

test("only an answer has tools and results", () => {
  const results = [{ url: "https://example.com/", name: "Fish" }];
  const metadata = { tools: [{ tool: "pay" }] };
  const row = (more) => {
    const message = { message_id: "m", sender_id: "bot", sender_name: "Bot", sender_type: "agent", content: "Fish", timestamp: "2026-03-01T12:00:00Z", metadata, ...more };
    const view = { me: "ada", readBefore: null, more: false, starts: new Set(), names: new Map() };
    return arrange([{ type: "message", sequence_id: 1, message }], [], view).at(-1);
  };
  const { tools, results: shown } = row({ run_id: "r", results });
  assert.deepEqual([tools, shown], [[{ tool: "pay" }], results]);
  assert.deepEqual(["tools", "results"].filter((name) => name in row({ results: [] })), []);
});
