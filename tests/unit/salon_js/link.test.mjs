// One connection after the other, in virtual time and over sockets that do as they are told.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

class Socket {
  static OPEN = 1;
  static made = [];
  readyState = 0;
  sent = [];
  constructor(address) { this.address = address; Socket.made.push(this); }
  send(text) { this.sent.push(JSON.parse(text).type); }
  close() { this.readyState = 2; }
  open() { this.readyState = 1; this.onopen(); }
  hear(frame) { this.onmessage({ data: JSON.stringify(frame) }); }
  end(code = 1006, reason = "") { this.readyState = 3; this.onclose({ code, reason }); }
}
const page = new EventTarget();
globalThis.WebSocket = Socket;
globalThis.addEventListener = page.addEventListener.bind(page);
const { Link } = await import("../../../web/page/sdk/link.ts");
const { Refused } = await import("../../../web/page/sdk/refused.ts");

const settle = async () => { for (let turn = 0; turn < 10; turn += 1) await null; };
const refused = (status, more) => new Refused({ code: "NO", error: "no", temporary: true, ...more }, status);

beforeEach((t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  t.mock.method(Math, "random", () => 1);
  Socket.made = [];
});

const links = [];
afterEach(() => links.splice(0).forEach((link) => link.close()));

/** A link with all that it has told. */
function made(more = {}) {
  const told = { states: [], frames: [], downs: 0 };
  const link = new Link({
    address: async () => "ws://salon.test",
    probe: async () => {},
    frame: (frame) => told.frames.push(frame.type),
    down: () => (told.downs += 1),
    state: (state) => told.states.push(state.status),
    ...more,
  });
  links.push(link);
  return { link, told, last: () => Socket.made.at(-1) };
}

async function live(more) {
  const all = made(more);
  all.link.connect();
  await settle();
  all.last().open();
  all.last().hear({ type: "connected" });
  all.link.greeted(25);
  all.link.settle(true);
  all.link.steady();
  return all;
}

test("a connection that is cut is made again, later and later, and from the start once it has held", async (t) => {
  const { link, last } = await live();
  for (const wait of [1, 2, 4, 8, 16, 30, 30]) {
    last().end();
    await settle();
    assert.equal(link.state.status, "offline");
    assert.equal(link.state.retryAt - Date.now(), wait * 1000);
    t.mock.timers.tick(wait * 1000);
    await settle();
    assert.equal(link.state.status, "connecting");
  }
  last().open();
  link.greeted(25);
  link.steady();
  last().end();
  assert.equal(link.state.retryAt - Date.now(), 1000);
});

test("silence for a heartbeat is answered by a ping, and no answer to that is the end", async (t) => {
  const { link, last } = await live();
  last().hear({ type: "message" });
  t.mock.timers.tick(25_000);
  assert.deepEqual(last().sent, ["ping"]);
  last().hear({ type: "pong" });
  t.mock.timers.tick(24_999);
  assert.equal(link.state.status, "live");
  t.mock.timers.tick(1);
  assert.deepEqual(last().sent, ["ping", "ping"]);
  t.mock.timers.tick(9_999);
  assert.equal(link.state.status, "live");
  t.mock.timers.tick(1);
  assert.equal(link.state.status, "offline");
});

test("a handshake that takes too long is given up, and its late answer is nobody's", async (t) => {
  const { link, told, last } = made();
  link.connect();
  await settle();
  const first = last();
  t.mock.timers.tick(20_000);
  assert.equal(link.state.status, "offline");
  first.open();
  first.hear({ type: "connected" });
  first.end();
  await settle();
  assert.deepEqual(told.frames, []);
  assert.equal(link.state.status, "offline");
});

test("a time that the server told is kept to, whoever comes back meanwhile", async (t) => {
  const { link, last } = await live();
  last().end(4000, '{"retry_after": 7}');
  assert.equal(link.state.retryAt - Date.now(), 7000);
  page.dispatchEvent(new Event("online"));
  assert.equal(link.state.status, "offline");
  t.mock.timers.tick(7000);
  assert.equal(link.state.status, "connecting");
});

test("a delay of its own is cut short by the network's return, and by the person", async () => {
  for (const wake of [() => page.dispatchEvent(new Event("online")), (link) => link.reconnect()]) {
    const { link, last } = await live();
    last().end();
    wake(link);
    assert.equal(link.state.status, "connecting");
    link.close();
  }
});

test("the network's return asks a connection whether it lives", async (t) => {
  const { link, last } = await live();
  page.dispatchEvent(new Event("online"));
  assert.deepEqual(last().sent, ["ping"]);
  t.mock.timers.tick(3_000);
  assert.equal(link.state.status, "offline");
});

test("a handshake that was refused is asked about over HTTP", async () => {
  for (const [error, status, code] of [
    [refused(404, { code: "NOT_FOUND" }), "ended", "NOT_FOUND"],
    [refused(503, { retry_after: 4 }), "offline", "NO"],
    [undefined, "offline", "UNREACHABLE"],
  ]) {
    const { link, last } = made({ probe: async () => { if (error) throw error; } });
    link.connect();
    await settle();
    last().end();
    await settle();
    assert.equal(link.state.status, status);
    assert.equal(link.state.reason.code, code);
    if (error?.refusal.retry_after) assert.equal(link.state.retryAt - Date.now(), 4000);
    link.close();
  }
});

test("an identity that is no more ends it, until somebody says otherwise", async () => {
  let error = refused(401, { code: "UNAUTHENTICATED", temporary: false });
  const { link, last } = made({ address: async () => { if (error) throw error; return "ws://salon.test"; } });
  link.connect();
  await settle();
  assert.equal(link.state.status, "ended");
  error = undefined;
  link.reconnect();
  await settle();
  last().open();
  link.greeted(25);
  assert.equal(link.state.status, "catching-up");
});

test("closed is closed", async (t) => {
  const { link, told, last } = await live();
  const socket = last();
  link.close();
  assert.equal(socket.readyState, 2);
  page.dispatchEvent(new Event("online"));
  link.reconnect();
  t.mock.timers.tick(100_000);
  await settle();
  assert.equal(Socket.made.length, 1);
  assert.equal(told.states.at(-1), "ended");
});

test("what is no frame ends the connection, which is made again", async () => {
  for (const data of ["", "{", "[]", "null", '{"sequence_id": 4}']) {
    const { link, last, told } = await live();
    last().onmessage({ data });
    assert.equal(link.state.status, "offline", data);
    assert.equal(link.state.reason.code, "PROTOCOL");
    assert.deepEqual(told.frames, ["connected"]);
    link.close();
  }
});
