// What the page does not offer to send: the same as the server refuses (tests/unit/test_names.py).
import assert from "node:assert/strict";
import { test } from "node:test";
import { isBlank } from "../../../web/page/shared/blank.ts";

const BLANK = [
  "",
  " ",
  "\n",
  " \n\t\r\x0b\x0c\x1c\x85",
  "\u00a0\u1680\u2003\u2028\u2029\u202f\u3000",
  "\x00\x07\x1b\x7f\x9f",
  "\u00ad\u061c\u180e\u200b\u200e\u202e\u2060\u2064\u2066\ufeff",
  "\u200d\u200c",
  "\u3164\uffa0",
  "\u2800\u115f\u1160\u17b4\u034f",
  "\ufe0f",
  "\u{e0100}",
  "\u0301 \u0301",
  "\ud800",
  "\u2065\ufff0\u{e0000}\u{e0041}\u{e0fff}",
  "\u{1d159}\u{1bca0}",
  " ".repeat(10_000) + "\u200b".repeat(10_000),
];
const SEEN = [..."a0!~.é字؟👍©\ue000\u{3fffd}\ufffd", "  a", "\n\n.\n", "\u200b\u200b字", "\n".repeat(10_000) + "é", "e\u0301"];

test("what shows nothing is blank", () => {
  for (const text of BLANK) assert.equal(isBlank(text), true, JSON.stringify(text.slice(0, 12)));
});

test("what has anything visible is not", () => {
  for (const text of SEEN) assert.equal(isBlank(text), false, JSON.stringify(text.slice(0, 12)));
});
