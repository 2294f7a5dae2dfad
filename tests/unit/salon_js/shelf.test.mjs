// Where messages survive a reload, and which tab sends them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Shelf } from "../../../web/page/sdk/shelf.ts";

class Storage {
  map = new Map();
  room = Infinity;
  get length() { return this.map.size; }
  key(at) { return [...this.map.keys()][at] ?? null; }
  getItem(name) { return this.map.get(name) ?? null; }
  setItem(name, text) {
    if (this.map.size >= this.room && !this.map.has(name)) throw new DOMException("full", "QuotaExceededError");
    this.map.set(name, String(text));
  }
  removeItem(name) { this.map.delete(name); }
}

const URL = "https://chat.example";
const message = (key, more = {}) => ({ key, content: key, state: "waiting", queued_at: 1, ...more });

/** Web Locks as the standard has them, for one process in which every shelf is a tab that can end. */
function locks() {
  const held = new Map();
  return {
    async request(name, options, act = options) {
      await null;
      while (held.has(name)) await Promise.race([held.get(name).promise, aborted(options.signal)]);
      if (options.signal?.aborted) throw new DOMException("aborted", "AbortError");
      const lock = Promise.withResolvers();
      held.set(name, lock);
      Promise.resolve(act({ name })).then(() => this.end(name));
      await lock.promise;
    },
    end(name) {
      held.get(name)?.resolve();
      held.delete(name);
    },
    names: () => [...held.keys()],
  };
}

function aborted(signal) {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError"))));
}

function tab(storage, manager, makeRoom) {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { locks: manager }, configurable: true });
  try {
    return new Shelf(storage, URL, makeRoom);
  } finally {
    Object.defineProperty(globalThis, "navigator", before);
  }
}

async function taken(shelf, person = "ada", conversation = "tea") {
  const messages = [];
  await new Promise(setImmediate);
  const stop = shelf.adopt(person, conversation, (some) => messages.push(...some));
  await new Promise(setImmediate);
  stop();
  return messages.map((each) => each.key).join("");
}

test("what one tab has left the next one takes over, oldest first", async () => {
  const storage = new Storage();
  const first = tab(storage);
  first.keep("ada", "tea", message("b", { queued_at: 2 }));
  first.keep("ada", "tea", message("a", { queued_at: 1 }));
  const second = tab(storage);
  assert.equal(await taken(second), "ab");
  assert.equal(await taken(second), "ab", "and once more when the conversation is opened again");
});

test("a tab that lives keeps what is its own", async () => {
  const storage = new Storage();
  const manager = locks();
  const [first, second] = [tab(storage, manager), tab(storage, manager)];
  first.keep("ada", "tea", message("a"));
  assert.equal(storage.length, 0, "not before it has its lock");
  await new Promise(setImmediate);
  assert.equal(await taken(second), "");
  const messages = [];
  second.adopt("ada", "tea", (some) => messages.push(...some));
  manager.end(manager.names()[0]);
  await new Promise(setImmediate);
  assert.deepEqual(messages.map((each) => each.key), ["a"]);
  assert.equal(await taken(tab(storage, manager)), "", "it is the second one's now");
});

test("of two tabs only the one that is gone is followed", async () => {
  const storage = new Storage();
  const manager = locks();
  const [first, second, third] = [tab(storage, manager), tab(storage, manager), tab(storage, manager)];
  first.keep("ada", "tea", message("a"));
  second.keep("ada", "tea", message("b"));
  second.keep("ada", "tea", message("c"));
  second.drop("ada", "tea", "c");
  await new Promise(setImmediate);
  assert.equal(storage.length, 2);
  manager.end(manager.names()[0]);
  assert.equal(await taken(third), "a");
});

test("other people's and other conversations' messages stay where they are", async () => {
  const storage = new Storage();
  tab(storage).keep("ada", "tea", message("a"));
  assert.equal(await taken(tab(storage), "bob"), "");
  assert.equal(await taken(tab(storage), "ada", "coffee"), "");
  assert.equal(await taken(new Shelf(storage, "https://other.example")), "");
});

test("who signs out leaves nothing behind, and takes nothing of others along", async () => {
  const storage = new Storage();
  const shelf = tab(storage);
  shelf.person = "ada";
  shelf.keep("ada", "tea", message("a"));
  shelf.keep("bob", "tea", message("b"));
  storage.setItem("theirs", "x");
  shelf.forget();
  assert.equal(shelf.person, "");
  assert.equal(await taken(tab(storage)), "");
  assert.equal(await taken(tab(storage), "bob"), "b");
  assert.equal(storage.getItem("theirs"), "x");
});

test("a receipt takes the message away", async () => {
  const storage = new Storage();
  const shelf = tab(storage);
  shelf.keep("ada", "tea", message("a"));
  shelf.drop("ada", "tea", "a");
  assert.equal(await taken(tab(storage)), "");
});

test("a refused message stays refused, one that was being sent waits again", async () => {
  const storage = new Storage();
  const shelf = tab(storage);
  shelf.keep("ada", "tea", message("a", { state: "refused", refusal: { code: "X" } }));
  shelf.keep("ada", "tea", message("b", { state: "sending", queued_at: 2 }));
  const states = [];
  tab(storage).adopt("ada", "tea", (some) => states.push(...some.map((each) => each.state)));
  assert.deepEqual(states, ["refused", "waiting"]);
});

test("where the storage is full, room is made; where there is none to make, it is said", () => {
  const storage = new Storage();
  storage.map.set("cache", "x");
  storage.room = 1;
  const roomy = new Shelf(storage, URL, () => storage.map.delete("cache"));
  assert.equal(roomy.keep("ada", "tea", message("a")), true);
  assert.equal(roomy.keep("ada", "tea", message("b")), false);
});

test("rubbish in the storage, and storage that is blocked, hurt nobody", async () => {
  const storage = new Storage();
  const shelf = tab(storage);
  shelf.keep("ada", "tea", message("a"));
  const [name] = [...storage.map.keys()].filter((each) => each.includes("outbox"));
  for (const [at, text] of ["", "{", "null", "[]", '{"key": 1}', '{"key": "k", "content": "c"}'].entries()) {
    storage.map.set(`${name}${at}`, text);
  }
  assert.equal(await taken(tab(storage)), "a");

  const blocked = { get length() { throw new Error("blocked"); }, getItem() { throw new Error("blocked"); }, setItem() { throw new Error("blocked"); }, removeItem() { throw new Error("blocked"); } };
  const shut = tab(blocked);
  assert.equal(shut.keep("ada", "tea", message("a")), false);
  assert.equal(shut.person, "");
  shut.drop("ada", "tea", "a");
  assert.equal(await taken(shut), "");
  assert.equal(new Shelf(null, URL).keep("ada", "tea", message("a")), false);
});

test("messages that nobody sends are found, and those of a tab that lives are not", async () => {
  const storage = new Storage();
  const manager = locks();
  manager.query = async () => ({ held: manager.names().map((name) => ({ name })) });
  const gone = tab(storage, manager);
  const alive = tab(storage, manager);
  const next = tab(storage, manager);
  gone.keep("ada", "tea: for two", message("a"));
  gone.keep("ada", "supper", message("b", { state: "refused" }));
  gone.keep("bob", "breakfast", message("c"));
  alive.keep("ada", "lunch", message("d"));
  storage.setItem(`salon:${URL}:outbox:ada:%:e`, JSON.stringify({ ...message("e"), owner: "nobody" }));
  await new Promise(setImmediate);
  const ended = manager.names().filter((name) => !name.includes("lunch"));
  assert.deepEqual(await next.orphaned("ada"), []);
  ended.forEach((name) => manager.end(name));
  assert.deepEqual(await next.orphaned("ada"), ["tea: for two"]);
  assert.deepEqual(await next.orphaned("bob"), ["breakfast"]);
  assert.deepEqual(await tab(storage, undefined).orphaned("ada"), ["tea: for two", "lunch"]);
});
