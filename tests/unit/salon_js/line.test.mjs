// A conversation's answers in the making, over sockets that do as they are told.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

class Socket {
  static OPEN = 1;
  static made = [];
  readyState = 0;
  sent = [];
  constructor() { Socket.made.push(this); }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 2; }
  open() { this.readyState = 1; this.onopen(); }
  hear(...frames) { for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) }); }
  end(code = 1006) { this.readyState = 3; this.onclose({ code, reason: "" }); }
}
globalThis.WebSocket = Socket;
const { Salon } = await import("../../../web/page/sdk/salon.ts");

const settle = async () => { for (let turn = 0; turn < 10; turn += 1) await null; };
const connected = (head, more = {}) => ({
  type: "connected", conversation_id: "tea", participant_id: "ada", connection_id: "c", epoch: "e", mode: "single",
  head_sequence_id: head, first_sequence_id: 1, resume: "fresh", heartbeat: 0, max_message_size: 0, ...more,
});
const caughtUp = (sequence_id) => ({ type: "caught_up", sequence_id });
const started = (sequence_id, run_id = "r") => ({ type: "run_started", sequence_id, run_id, participant_id: "bot", asked_by: "ada", timestamp: "t" });
const delta = (offset, text, run_id = "r") => ({ type: "delta", run_id, participant_id: "bot", offset, text });
const ended = (sequence_id, run_id = "r") => ({ type: "message", sequence_id, message: { message_id: `m${sequence_id}`, sender_id: "bot", run_id } });

beforeEach((t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  Socket.made = [];
});

/** A conversation that is live, with all that it has told, as the texts of runs and the numbers of events. */
async function live(t, options = {}) {
  const line = new Salon({ url: "http://salon.test", storage: null }).open("tea", options);
  t.after(() => line.close());
  const told = [];
  line.on("runs", (runs) => told.push(runs.map(({ text }) => text)));
  line.on("event", ({ sequence_id }) => told.push(sequence_id));
  await settle();
  const socket = Socket.made.at(-1);
  socket.open();
  return { line, told, take: () => told.splice(0), socket };
}

async function again(t, socket) {
  socket.end();
  await settle();
  t.mock.timers.tick(30_000);
  await settle();
  const next = Socket.made.at(-1);
  next.open();
  return next;
}

test("a run is told from its start to its end, and its message before it is gone", async (t) => {
  const { line, take, socket } = await live(t);
  socket.hear(connected(0), caughtUp(0), started(1), delta(0, "Fi"), delta(2, "sh"), ended(2));
  assert.deepEqual(take(), [1, [""], ["Fi"], ["Fish"], 2, []]);
  assert.deepEqual(line.runs, []);
});

test("runs that begin and end in a replay are never shown, and an open one is there with all it has said", async (t) => {
  const { take, socket } = await live(t);
  socket.hear(connected(3), started(1), ended(2), started(3, "s"), caughtUp(3), delta(0, "So far", "s"));
  assert.deepEqual(take().filter(Array.isArray), [[], ["So far"]]);
});

test("a run that ends while the connection is away is gone with its message", async (t) => {
  const { take, socket } = await live(t);
  socket.hear(connected(0), caughtUp(0), started(1), delta(0, "Fish"));
  take();
  const next = await again(t, socket);
  next.hear(connected(2), ended(2));
  assert.deepEqual(take(), [2, []]);
  next.hear(caughtUp(2), delta(0, "late"));
  assert.deepEqual(take().flat(), []);
});

test("a run that goes on meanwhile has all of its text after the connection is back", async (t) => {
  const { line, socket } = await live(t);
  socket.hear(connected(0), caughtUp(0), started(1), delta(0, "Fish"));
  const next = await again(t, socket);
  assert.equal(line.runs[0].text, "Fish");
  next.hear(connected(1), caughtUp(1), delta(0, "Fish and"), delta(8, " chips"));
  assert.deepEqual(line.runs.map(({ text, asked_by }) => [text, asked_by]), [["Fish and chips", "ada"]]);
});

test("where a text is missing it is asked for, once", async (t) => {
  const { line, socket } = await live(t);
  socket.hear(connected(0), caughtUp(0), started(1), delta(0, "Fish"));
  socket.sent = [];
  socket.hear(delta(8, " chips"), delta(14, "."));
  assert.deepEqual(socket.sent, [{ type: "sync", last_sequence_id: 1 }]);
  assert.equal(line.runs[0].text, "Fish");
  socket.hear(caughtUp(1), delta(0, "Fish and chips."));
  assert.equal(line.runs[0].text, "Fish and chips.");
  socket.hear(delta(99, "?"));
  assert.equal(socket.sent.length, 2);
});

test("another log has other runs, and so may have a log with a hole", async (t) => {
  for (const other of [{ epoch: "f" }, { resume: "reset", first_sequence_id: 50, head_sequence_id: 60 }]) {
    const { line, take, socket } = await live(t, { resume: "newest" });
    socket.hear(connected(0), caughtUp(0), started(1), delta(0, "Fish"));
    const next = await again(t, socket);
    take();
    next.hear(connected(1, other));
    assert.deepEqual([take(), line.runs], [[[]], []]);
  }
});

test("who is no member any more has no open runs", async (t) => {
  const { take, socket } = await live(t);
  socket.hear(connected(0), caughtUp(0), started(1), delta(0, "Fish"));
  take();
  socket.end(4503);
  assert.deepEqual(take(), [[]]);
});

test("what an agent is told of its runs is no event of the sequence", async (t) => {
  const { line, take, socket } = await live(t);
  socket.hear(connected(0), caughtUp(0));
  const run = line.run({ runId: "mine" });
  socket.hear({ type: "run_ack", run_id: "mine", status: "open", offset: 0, sequence_id: 1 });
  assert.equal(line.position, 0);
  socket.hear({ ...started(1, "mine"), participant_id: "ada" }, { type: "cancel", run_id: "mine" });
  assert.deepEqual(take(), [1]);
  assert.equal(run.signal.aborted, true);
});

test("a refusal of a run is the run's, and of anything else it is told", async (t) => {
  const { line, socket } = await live(t);
  const refused = [];
  line.on("refused", ({ code }) => refused.push(code));
  socket.hear(connected(0), caughtUp(0));
  const run = line.run({ runId: "mine" });
  const error = (run_id, code) => ({ type: "error", code, error: code, temporary: false, id: "1", run_id });
  socket.hear(error("mine", "FORBIDDEN"), error("other", "RUN_NOT_FOUND"));
  assert.equal(run.signal.reason.refusal.code, "FORBIDDEN");
  assert.deepEqual(refused, ["RUN_NOT_FOUND"]);
});
