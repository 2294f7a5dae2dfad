// Mentions while one writes: what stands behind an @, who is offered, and who is named in the end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { completed, named, offered, queryAt } from "../../../web/page/chat/mention.ts";

const who = (participantId, displayName, isOnline = false) => ({ participantId, displayName, isOnline, type: "human", role: "member" });
const MEMBERS = [who("a", "Ada Lovelace"), who("b", "Bob", true), who("c", "Charles Babbage"), who("me", "Bo")];

test("an @ at the beginning of a word asks for a name, up to the caret", () => {
  assert.deepEqual(queryAt("@", 1), { at: 0, name: "" });
  assert.deepEqual(queryAt("Hello @ad", 9), { at: 6, name: "ad" });
  assert.deepEqual(queryAt("Hello @ada l and", 12), { at: 6, name: "ada l" });
  assert.deepEqual(queryAt("(@ad", 4), { at: 1, name: "ad" });
  for (const text of ["", "ada", "me@example", "é@x", "@ada\nand", `@${"x".repeat(41)}`]) assert.equal(queryAt(text, text.length), null, text);
});

test("others whose name begins with it are offered, those who are here first", () => {
  const ids = (name) => offered(MEMBERS, "me", name).map((each) => each.participantId).join(" ");
  assert.equal(ids(""), "b a c");
  assert.equal(ids("b"), "b c");
  assert.equal(ids("LOVE"), "a");
  assert.equal(ids("bob"), "", "the whole name is there already");
  assert.equal(ids("x"), "");
});

test("a name takes the place of what was written of it", () => {
  assert.deepEqual(completed("Hi @ad there", 6, { at: 3, name: "ad" }, "Ada"), { text: "Hi @Ada there", caret: 8 });
  assert.deepEqual(completed("@", 1, { at: 0, name: "" }, "Bob"), { text: "@Bob ", caret: 5 });
});

test("only those whose names still stand there are named", () => {
  const picked = new Map([["a", "Ada Lovelace"], ["b", "Bob"]]);
  assert.deepEqual(named("Well, @Bob", picked), ["b"]);
  assert.deepEqual(named("@Ada Lovelace, @Bob", picked), ["a", "b"]);
  assert.deepEqual(named("nobody", picked), []);
});
