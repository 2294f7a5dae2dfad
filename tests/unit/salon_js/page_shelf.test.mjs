// What the chat page keeps where room is short: the oldest cache goes, what is written never does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Shelf } from "../../../web/page/chat/shelf.ts";

class Storage {
  map = new Map();
  room = Infinity;
  get length() { return this.map.size; }
  key(at) { return [...this.map.keys()][at] ?? null; }
  getItem(name) { return this.map.get(name) ?? null; }
  removeItem(name) { this.map.delete(name); }
  setItem(name, text) {
    const others = [...this.map].filter(([key]) => key !== name).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    if (others + name.length + text.length > this.room) throw new DOMException("full", "QuotaExceededError");
    this.map.set(name, text);
  }
}

test("one person finds nothing of another", () => {
  const shelf = new Shelf(new Storage());
  shelf.of("ada").put("draft.x", "secret");
  assert.equal(shelf.of("bob").get("draft.x"), null);
  assert.equal(shelf.of("ada").get("draft.x"), "secret");
});

test("an id with a dot is no other's beginning", () => {
  const shelf = new Shelf(new Storage());
  shelf.of("a.b").put("room.x", 1);
  shelf.of("a").clear();
  assert.equal(shelf.of("a.b").get("room.x"), 1);
});

test("where room is short the oldest room goes first, whoever's it is, and drafts and the SDK's messages stay", (context) => {
  context.mock.timers.enable({ apis: ["Date"] });
  const storage = new Storage();
  const shelf = new Shelf(storage);
  storage.setItem("salon:outbox:k", "x".repeat(100));
  shelf.of("ada").put("draft.x", "y".repeat(100));
  for (const [at, owner] of [[3, "ada"], [1, "b.ob"], [2, "ada"]]) {
    context.mock.timers.setTime(at);
    shelf.of(owner).put(`room.${at}`, "z".repeat(100));
  }
  storage.room = [...storage.map].reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  context.mock.timers.setTime(4);
  assert.equal(shelf.of("ada").put("room.4", "z".repeat(100)), true);
  assert.equal(shelf.of("b.ob").get("room.1"), null);
  assert.equal(shelf.of("ada").get("room.2").length, 100);
  assert.equal(shelf.of("ada").put("draft.y", "y".repeat(300)), true);
  assert.equal(shelf.of("ada").get("draft.x").length, 100);
  assert.equal(storage.getItem("salon:outbox:k").length, 100);
  assert.equal(shelf.of("ada").put("draft.z", "y".repeat(10_000)), false);
});

test("what cannot be read is as if it were not there", () => {
  const storage = new Storage();
  const shelf = new Shelf(storage).of("ada");
  storage.setItem("salon.page.ada.list", "{");
  assert.equal(shelf.get("list"), null);
  assert.equal(storage.length, 0);
});
