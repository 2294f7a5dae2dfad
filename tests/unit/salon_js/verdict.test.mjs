// Whether to come back, and when.
import assert from "node:assert/strict";
import { test } from "node:test";
import { refusalOf, seconds } from "../../../web/page/sdk/refusal.ts";
import { Backoff, judgeClose, judgeRefusal } from "../../../web/page/sdk/verdict.ts";

test("a close code carries its verdict", () => {
  for (const code of [1001, 1006, 1009, 1011, 1012, 4000, 4001, 4002, 4003, 4321, 4499]) {
    assert.equal(judgeClose(code, "").comeBack, true, String(code));
  }
  for (const code of [1002, 1003, 1007, 4500, 4501, 4502, 4503, 4777, 4999]) {
    assert.equal(judgeClose(code, "").comeBack, false, String(code));
  }
  assert.equal(judgeClose(1000, "Left conversation").comeBack, false);
  assert.equal(judgeClose(1000, "").comeBack, true);
  assert.equal(judgeClose(4503, "the conversation was deleted").reason.code, "DELETED");
});

test("a reason may name the time", () => {
  assert.equal(judgeClose(4000, '{"retry_after": 3.2}').retryAfter, 3.2);
  for (const text of ["", "soon", "null", "[]", '{"retry_after": -1}', '{"retry_after": "x"}', "{"]) {
    assert.equal(judgeClose(4000, text).retryAfter, undefined, text);
  }
});

test("a refusal that will not change is final", () => {
  const refusal = (temporary, retry_after) => ({ code: "X", error: "", temporary, ...(retry_after && { retry_after }) });
  assert.equal(judgeRefusal(refusal(true), 503).comeBack, true);
  assert.equal(judgeRefusal(refusal(true, 4), 429).retryAfter, 4);
  assert.equal(judgeRefusal(refusal(false), 400).comeBack, false);
  for (const status of [401, 403, 404]) assert.equal(judgeRefusal(refusal(true), status).comeBack, false);
});

test("delays double from one to thirty seconds, with full jitter, and begin again", () => {
  const longest = new Backoff(() => 1);
  assert.deepEqual(Array.from({ length: 7 }, () => longest.delay()), [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  longest.reset();
  assert.equal(longest.delay(), 1000);
  assert.equal(new Backoff(() => 0).delay(), 0);
  assert.equal(new Backoff(() => 0.5).delay(), 500);
});

test("a delay that the server told is kept to", () => {
  assert.equal(new Backoff(() => 1).delay(12.5), 12500);
});

test("a body that says nothing is read by its status", () => {
  assert.deepEqual(refusalOf("<html>", 502).temporary, true);
  assert.deepEqual(refusalOf(undefined, 404).code, "HTTP_404");
  assert.deepEqual(refusalOf({ code: "A", error: "b", temporary: false, retry_after: "2", scope: "server", id: "i" }, 429), {
    code: "A", error: "b", temporary: false, retry_after: 2, scope: "server", id: "i",
  });
});

test("a delay is a number of seconds, or none", () => {
  assert.deepEqual(["2", 0, 1.5].map(seconds), [2, 0, 1.5]);
  for (const value of [undefined, null, "", " ", "Wed, 21 Oct", -1, NaN, Infinity, {}, true]) assert.equal(seconds(value), undefined);
});
