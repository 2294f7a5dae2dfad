// Every event once and in order, whatever the sockets do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Window } from "../../../web/page/sdk/window.ts";

const event = (sequence_id) => ({ type: "message", sequence_id });
const numbers = (events) => events.map((each) => each.sequence_id);
const connected = (first, head, more = {}) => ({
  epoch: "one", head_sequence_id: head, first_sequence_id: first, resume: "complete", ...more,
});

/** A generator of numbers below a bound, the same for the same seed. */
function chance(seed) {
  let state = seed + 1;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

test("a window that knows nothing begins with what comes first", () => {
  const window = new Window();
  window.open(connected(41, 43, { resume: "fresh" }));
  assert.equal(window.position, 40);
  assert.deepEqual(numbers(window.put(event(41)).events), [41]);
});

test("what came before is dropped and counted", () => {
  const window = new Window(5, "one");
  window.open(connected(6, 7));
  assert.deepEqual(window.put(event(5)).events, []);
  assert.deepEqual(numbers(window.put(event(6)).events), [6]);
  assert.deepEqual(window.put(event(6)).events, []);
  assert.equal(window.duplicates, 2);
});

test("a gap in live events is asked for once, and closed by the answer", () => {
  const window = new Window(1, "one");
  window.open(connected(2, 1));
  assert.equal(window.caughtUp(1), undefined);
  assert.deepEqual(window.put(event(4)), { events: [], sync: 1 });
  assert.deepEqual(window.put(event(5)), { events: [] });
  assert.equal(window.whole, false);
  for (const [number, given] of [[2, [2]], [3, [3, 4, 5]]]) assert.deepEqual(numbers(window.put(event(number)).events), given);
  assert.equal(window.caughtUp(5), undefined);
  assert.equal(window.whole, true);
  assert.equal(window.gaps, 1);
});

test("what a sync does not bring comes from the log", () => {
  const window = new Window(1, "one");
  window.open(connected(2, 1));
  window.caughtUp(1);
  window.put(event(3));
  assert.equal(window.caughtUp(3), undefined);
  assert.equal(window.pageDue, true);
  assert.deepEqual(numbers(window.fill([event(1), event(2), event(3)])), [2, 3]);
  assert.equal(window.pageDue, false);
});

test("a reset is paged, and live events wait for it", () => {
  const window = new Window(10, "one");
  assert.deepEqual(window.open(connected(91, 100, { resume: "reset" })), { is: "continued" });
  assert.equal(window.pageDue, true);
  assert.deepEqual(window.put(event(91)).events, []);
  const page = Array.from({ length: 80 }, (_, at) => event(11 + at));
  assert.deepEqual(numbers(window.fill(page)).slice(-2), [90, 91]);
});

test("a reset is jumped over by who wants the newest", () => {
  const window = new Window(10, "one", false);
  assert.deepEqual(window.open(connected(91, 100, { resume: "reset" })), { is: "begun anew", first: 91 });
  assert.deepEqual(numbers(window.put(event(91)).events), [91]);
});

for (const [name, frame] of [
  ["another epoch", connected(11, 20, { epoch: "two" })],
  ["a log that ends before what was seen", connected(8, 7)],
]) {
  test(`${name} is another log, and everything is forgotten`, () => {
    const window = new Window(10, "one");
    assert.deepEqual(window.open(frame), { is: "another log" });
    assert.equal(window.position, -1);
    assert.deepEqual(window.open(connected(3, 4, { epoch: frame.epoch })), { is: "continued" });
    assert.deepEqual(numbers(window.put(event(3)).events), [3]);
  });
}

test("a hole in the log itself is skipped, and said where", () => {
  const window = new Window(1, "one");
  window.open(connected(2, 5));
  window.put(event(4));
  window.put(event(5));
  window.caughtUp(5); // asks
  window.caughtUp(5); // gives up on the socket
  assert.equal(window.pageDue, true);
  assert.deepEqual(window.fill([]), []);
  assert.equal(window.skip(), 4);
  assert.deepEqual(numbers(window.release()), [4, 5]);
  assert.equal(window.whole, true);
});

test("over drops, repeats, losses and resets every event is given once and in order", () => {
  for (let seed = 0; seed < 400; seed += 1) {
    const random = chance(seed);
    const window = new Window();
    const given = [];
    let head = 1 + random(30);
    const give = (events) => given.push(...numbers(events));
    let queue = [];
    const replay = (after, reset) => {
      const from = reset ? Math.max(after, head - 3) : after;
      queue = [{ connected: connected(from + 1, head, { resume: reset ? "reset" : "complete" }) }];
      for (let number = from + 1; number <= head; number += 1) queue.push({ event: event(number) });
      queue.push({ caughtUp: head });
    };
    const page = () => {
      while (window.pageDue) give(window.fill(Array.from({ length: 4 }, (_, at) => event(window.position + 1 + at)).filter((each) => each.sequence_id <= head)));
    };
    const act = (sync) => {
      if (sync !== undefined) for (let number = sync + 1; number <= head; number += 1) queue.push({ event: event(number) });
      if (sync !== undefined) queue.push({ caughtUp: head });
      if (random(3)) page();
    };
    const take = (item) => {
      if (item.connected) window.open(item.connected);
      else if (item.event) {
        const { events, sync } = window.put(item.event);
        give(events);
        act(sync);
      } else act(window.caughtUp(item.caughtUp));
    };
    replay(0, false);
    for (let step = 0; step < 60; step += 1) {
      const roll = random(12);
      if (roll === 0) replay(Math.max(0, window.position), random(2) === 1); // dropped, and back
      else if (roll < 4) queue.push({ event: event((head += 1)) });
      else if (queue.length) {
        const item = queue.shift();
        if (item.event && random(6) === 0) continue; // lost
        take(item);
        if (item.event && random(6) === 0) take(item); // repeated
      }
    }
    replay(Math.max(0, window.position), false);
    while (queue.length) take(queue.shift());
    page();
    assert.deepEqual(given, Array.from({ length: head - given[0] + 1 }, (_, at) => given[0] + at), `seed ${seed}`);
    assert.equal(window.whole, true, `seed ${seed}`);
  }
});
