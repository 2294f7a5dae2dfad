// What an agent of one's own writes, in virtual time: all that was said, once and in order, whatever happens to the connection.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Agent } from "../../../web/page/sdk/agent.ts";

beforeEach((t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(Math, "random", () => 1);
});

/** An agent whose connection is up, and what it has written. */
function connected() {
  const written = [];
  const agent = new Agent((frame) => (written.push(frame), true));
  agent.up();
  return { agent, take: () => written.splice(0) };
}

const ack = (status, offset, more = {}) => ({ type: "run_ack", run_id: "r", status, offset, ...more });
const refusal = (code, more = {}) => ({ type: "error", run_id: "r", code, error: code, temporary: false, id: "1", ...more });
const START = { type: "run_start", run_id: "r" };
const delta = (offset, text) => ({ type: "delta", run_id: "r", offset, text });
const end = (more = {}) => ({ type: "run_end", run_id: "r", ...more });

/** A run that the server has begun. */
function begun() {
  const all = connected();
  const run = all.agent.run("r");
  assert.deepEqual(all.take(), [START]);
  all.agent.acknowledge(ack("open", 0));
  return { ...all, run };
}

test("what is said within a moment is one delta, and the next follows it", async (t) => {
  const { run, take } = begun();
  await run.say("Fish ");
  await run.say("🐟 ");
  assert.deepEqual(take(), []);
  t.mock.timers.tick(50);
  assert.deepEqual(take(), [delta(0, "Fish 🐟 ")]);
  await run.say("and chips");
  t.mock.timers.tick(50);
  assert.deepEqual(take(), [delta(7, "and chips")]);
});

test("half of a character waits for the other", async (t) => {
  const { run, take } = begun();
  await run.say("a\ud83d");
  t.mock.timers.tick(50);
  assert.deepEqual(take(), [delta(0, "a")]);
  await run.say("\udc1f");
  t.mock.timers.tick(50);
  assert.deepEqual(take(), [delta(1, "🐟")]);
});

test("half of a character whose other never comes is shown as such, and the rest follows it", async (t) => {
  const { run, take } = begun();
  await run.say("a\udc1fb\ud83dc");
  t.mock.timers.tick(50);
  assert.deepEqual(take(), [delta(0, "a\ufffdb\ufffdc")]);
  await run.say("d\ud83d");
  void run.end();
  assert.deepEqual(take(), [delta(5, "d"), end({ offset: 6 })]);
});

test("the end is sent after all that was said, and gives the receipt", async () => {
  const { agent, run, take } = begun();
  await run.say("Fish");
  const receipt = run.end({ usage: { tokens: 3 } });
  assert.deepEqual(take(), [delta(0, "Fish"), end({ usage: { tokens: 3 }, offset: 4 })]);
  agent.acknowledge(ack("complete", 4, { message_id: "m" }));
  assert.deepEqual(await receipt, { run_id: "r", status: "complete", offset: 4, message_id: "m" });
  await assert.rejects(run.say("more"), { name: "Refused" });
});

test("what is said before there is a connection is kept for it", async () => {
  const written = [];
  const agent = new Agent((frame) => (written.push(frame), true));
  const run = agent.run("r", "m");
  await run.say("Fish");
  void run.end();
  assert.deepEqual(written, []);
  agent.up();
  assert.deepEqual(written, [{ ...START, reply_to: "m" }]);
  agent.acknowledge(ack("open", 0));
  assert.deepEqual(written.slice(1), [delta(0, "Fish"), end({ offset: 4 })]);
});

test("after a drop the run is begun again, and only what the server lacks is sent", async (t) => {
  const { agent, run, take } = begun();
  await run.say("🐟🐟🐟");
  t.mock.timers.tick(50);
  take();
  agent.down();
  await run.say("!");
  t.mock.timers.tick(1000);
  assert.deepEqual(take(), []);
  agent.up();
  assert.deepEqual(take(), [START]);
  agent.acknowledge(ack("open", 1));
  assert.deepEqual(take(), [delta(1, "🐟🐟!")]);
});

test("a run that goes on after a restart says more behind what it has", async (t) => {
  const { agent, take } = connected();
  const run = agent.run("r");
  await run.say("and chips");
  agent.acknowledge(ack("open", 5));
  assert.deepEqual(take(), [START, delta(5, "and chips")]);
  agent.refuse(refusal("OFFSET_MISMATCH", { expected_offset: 8 }));
  assert.deepEqual(take(), [delta(8, " chips")]);
  agent.refuse(refusal("OFFSET_MISMATCH", { expected_offset: 3 })); // the store has lost some of what was there before
  assert.deepEqual(take(), [delta(3, "and chips")]);
  await run.say("!");
  t.mock.timers.tick(50);
  assert.deepEqual(take(), [delta(12, "!")]);
});

test("a refusal for load is waited for, and then what is missing is sent", async (t) => {
  const { agent, run, take } = begun();
  await run.say("Fish");
  t.mock.timers.tick(50);
  take();
  agent.refuse(refusal("QUEUE_FULL", { temporary: true, retry_after: 2 }));
  await run.say("!");
  void run.end();
  agent.refuse(refusal("OFFSET_MISMATCH", { expected_offset: 0 })); // of a delta that was under way
  t.mock.timers.tick(1999);
  assert.deepEqual(take(), []);
  t.mock.timers.tick(1);
  assert.deepEqual(take(), [START]);
  agent.acknowledge(ack("open", 0));
  assert.deepEqual(take(), [delta(0, "Fish!"), end({ offset: 5 })]);
});

test("what the agent does is shown again after a drop, unless it has said more", async (t) => {
  const { agent, run, take } = begun();
  const status = { type: "run_status", run_id: "r", state: "tool", label: "Reading" };
  run.status("tool", "Reading");
  assert.deepEqual(take(), [status]);
  agent.acknowledge(ack("open", 0));
  assert.deepEqual(take(), []);
  for (const shown of [[status], []]) {
    agent.down();
    agent.up();
    take();
    agent.acknowledge(ack("open", 0));
    assert.deepEqual(take().filter(({ type }) => type === "run_status"), shown);
    await run.say("So");
    t.mock.timers.tick(50);
  }
});

test("a run that was cancelled says no more, and its end gives the receipt of that", async () => {
  const { agent, run, take } = begun();
  await run.say("Fish");
  agent.cancel("r");
  assert.equal(run.signal.aborted, true);
  assert.equal(run.signal.reason.refusal.code, "RUN_ENDED");
  await assert.rejects(run.say(" and"), { name: "Refused" });
  const receipt = run.end();
  assert.deepEqual(take(), [end()]);
  agent.acknowledge(ack("cancelled", 4));
  assert.equal((await receipt).status, "cancelled");
});

test("a run that has ended during a drop is over, and its receipt can still be had", async () => {
  const { agent, run, take } = begun();
  agent.down();
  agent.up();
  take();
  agent.acknowledge(ack("interrupted", 0));
  assert.equal(run.signal.aborted, true);
  agent.down();
  const receipt = run.end();
  assert.deepEqual(take(), []);
  agent.up();
  assert.deepEqual(take(), [end()]);
  agent.acknowledge(ack("interrupted", 0));
  assert.equal((await receipt).status, "interrupted");
});

test("a text that is too large ends the run with what the server has taken of it", async (t) => {
  const { agent, run, take } = begun();
  await run.say("x".repeat(9000));
  t.mock.timers.tick(50);
  assert.deepEqual(take().map(({ offset, text }) => [offset, text.length]), [[0, 4000], [4000, 4000], [8000, 1000]]);
  agent.refuse(refusal("MESSAGE_TOO_LARGE"));
  await assert.rejects(run.say("y"), ({ refusal: { code } }) => code === "MESSAGE_TOO_LARGE");
  void run.end({ status: "interrupted" });
  assert.deepEqual(take(), [end({ status: "interrupted" })]);
});

test("a run that the server does not know has no receipt", async () => {
  const { agent, run } = begun();
  const receipt = run.end();
  agent.refuse(refusal("RUN_NOT_FOUND"));
  await assert.rejects(receipt, ({ refusal: { code } }) => code === "RUN_NOT_FOUND");
});

test("an end in words that are not understood may be said again", async () => {
  const { agent, run, take } = begun();
  const receipt = run.end({ usage: { deep: {} } });
  agent.refuse(refusal("INVALID_FORMAT"));
  await assert.rejects(receipt, ({ refusal: { code } }) => code === "INVALID_FORMAT");
  assert.equal(run.signal.aborted, false);
  take();
  void run.end();
  assert.deepEqual(take(), [end({ offset: 0 })]);
});

test("where the conversation is closed, nothing is waited for any more", async () => {
  const { agent, run } = begun();
  const receipt = run.end();
  agent.close({ code: "CLOSED", error: "closed" });
  await assert.rejects(receipt, ({ refusal: { code } }) => code === "CLOSED");
  assert.equal(run.signal.aborted, true);
  for await (const request of agent.requests()) assert.fail(request.run_id);
});

test("each message that wants an answer is asked for once, and answered as a reply", async () => {
  const { agent, take } = connected();
  const frame = (run_id) => ({ type: "run_requested", run_id, message_id: `m-${run_id}`, mentions: [], why: "alone" });
  agent.request(frame("r"));
  agent.request(frame("r"));
  agent.request(frame("s"));
  const asked = [];
  for await (const request of agent.requests()) {
    asked.push(request.run_id);
    if (request.run_id === "r") request.run();
    else agent.close({ code: "CLOSED", error: "closed" });
  }
  assert.deepEqual(asked, ["r", "s"]);
  assert.deepEqual(take(), [{ ...START, reply_to: "m-r" }]);
});

const decision = (approval_id, approved) => ({ type: "approval", run_id: "r", approval_id, approved, participant_id: "ada" });

/** The frame that asks people, of all that was written. */
function asked(frames) {
  const [frame, ...more] = frames.filter(({ approval }) => approval);
  assert.deepEqual(more, []);
  const { approval: { approval_id, ...call }, ...rest } = frame;
  assert.deepEqual(rest, { type: "run_status", run_id: "r", state: "waiting_for_approval", label: call.tool });
  return { id: approval_id, call };
}

test("a tool call waits until somebody has decided about it", async () => {
  for (const approved of [true, false]) {
    const { agent, run, take } = begun();
    const answer = run.ask("pay", { amount: 5 });
    const { id, call } = asked(take());
    assert.deepEqual(call, { tool: "pay", arguments: { amount: 5 } });
    agent.decided(decision("another", !approved));
    agent.decided(decision(id, approved));
    agent.decided(decision(id, !approved)); // once more, by a server that was asked twice
    assert.equal(await answer, approved);
    assert.deepEqual(take(), []);
  }
});

test("it is asked again after a drop, as the same call", async () => {
  const { agent, run, take } = begun();
  const answer = run.ask("pay");
  const { id, call } = asked(take());
  assert.deepEqual(call, { tool: "pay", arguments: {} });
  agent.down();
  agent.up();
  assert.deepEqual(take(), [START]);
  agent.acknowledge(ack("open", 0));
  assert.equal(asked(take()).id, id);
  agent.decided(decision(id, true));
  assert.equal(await answer, true);
  agent.down();
  agent.up();
  agent.acknowledge(ack("open", 0));
  assert.deepEqual(take(), [START]);
});

test("two calls are asked for one after the other, and what is said meanwhile takes none back", async (t) => {
  const { agent, run, take } = begun();
  const answers = Promise.all([run.ask("pay"), run.ask("send")]);
  const first = asked(take().slice(0, 1));
  assert.equal(first.call.tool, "pay");
  await run.say("A moment.");
  t.mock.timers.tick(50);
  const [text, again] = take();
  assert.deepEqual([text, asked([again]).id], [delta(0, "A moment."), first.id]); // a text ends what waits on the server
  run.status("thinking");
  assert.equal(asked(take()).id, first.id);
  agent.decided(decision(first.id, true));
  const second = asked(take());
  assert.equal(second.call.tool, "send");
  agent.decided(decision(second.id, false));
  assert.deepEqual(await answers, [true, false]);
  assert.deepEqual(take(), [{ type: "run_status", run_id: "r", state: "thinking" }]);
});

test("nobody is waited for once the run is over", async () => {
  const over = {
    RUN_ENDED: [({ agent }) => agent.cancel("r"), ({ run }) => void run.end(), ({ agent }) => agent.acknowledge(ack("interrupted", 0))],
    FORBIDDEN: [({ agent }) => agent.refuse(refusal("FORBIDDEN"))],
    CLOSED: [({ agent }) => agent.close({ code: "CLOSED", error: "closed" })],
  };
  for (const [code, ends] of Object.entries(over)) {
    for (const end of ends) {
      const all = begun();
      const answers = [all.run.ask("pay"), all.run.ask("send")];
      end(all);
      for (const answer of [...answers, all.run.ask("late")]) await assert.rejects(answer, ({ refusal }) => refusal.code === code);
      all.agent.acknowledge(ack("cancelled", 0));
    }
  }
});

test("a call that is not understood is refused, and the run goes on", async () => {
  const { agent, run, take } = begun();
  const answers = [run.ask("pay", { deep: {} }), run.ask("send")];
  take();
  agent.refuse(refusal("INVALID_FORMAT"));
  await assert.rejects(answers[0], ({ refusal: { code } }) => code === "INVALID_FORMAT");
  assert.equal(run.signal.aborted, false);
  const { id, call } = asked(take());
  assert.equal(call.tool, "send");
  agent.decided(decision(id, true));
  assert.equal(await answers[1], true);
});

test("a call that is taken back is asked for no more, and the next one is", async () => {
  const { agent, run, take } = begun();
  const [first, second] = [new AbortController(), new AbortController()];
  const answers = [run.ask("pay", {}, first.signal), run.ask("send", {}, second.signal)];
  const { id } = asked(take().slice(0, 1));
  first.abort("too late");
  await assert.rejects(answers[0], (why) => why === "too late");
  assert.equal(asked(take()).call.tool, "send");
  agent.decided(decision(id, true)); // of somebody who was quick
  second.abort("too late");
  await assert.rejects(answers[1], (why) => why === "too late");
  assert.deepEqual(take(), [{ type: "run_status", run_id: "r", state: "thinking" }]);
  await assert.rejects(run.ask("pay", {}, first.signal), (why) => why === "too late");
  assert.deepEqual(take(), []);
});
