/** The connection under a conversation: made again and again, watched, and judged when it ends. */
import { isObject } from "./refusal.ts";
import { Refused } from "./refused.ts";
import type { ClientFrame, Reason, ServerFrame, State } from "./types.ts";
import { Backoff, judgeClose, judgeRefusal, type Verdict } from "./verdict.ts";

const HANDSHAKE_TIMEOUT = 20_000; // milliseconds from the first request to the first frame
const PONG_TIMEOUT = 10_000;
const DOUBT_TIMEOUT = 3_000; // likewise, where the browser says that the network has changed
const HEARTBEAT = 25_000; // until the server names its own
const UNAUTHENTICATED = 4500; // the close code of a socket whose token has ended

const UNREACHABLE: Reason = { code: "UNREACHABLE", error: "The server cannot be reached." };
const GARBLED: Reason = { code: "PROTOCOL", error: "What the server sends is not understood." };

/** Whose link it is. */
export interface Owner {
  /** Where to connect to. Throws `Refused`. */
  address(): Promise<string>;
  /** The same over HTTP, since a browser does not say why a handshake was refused. Throws `Refused`. */
  probe(): Promise<unknown>;
  frame(frame: ServerFrame): void;
  /** Whether there is a way to a new token: with it, a connection that ended with its token is made again. */
  renews(): boolean;
  /** A connection, or an attempt at one, is over. */
  down(verdict?: Verdict): void;
  state(state: State): void;
}

export class Link {
  state: State = { status: "connecting" };
  /** Which attempt this is: what belongs to an earlier one is ignored. */
  attempt = 0;
  private readonly owner: Owner;
  private readonly backoff = new Backoff();
  private readonly closing = new AbortController();
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private socket: WebSocket | undefined;
  private told = false; // the time of the next try is the server's word
  private heartbeat = HEARTBEAT;

  constructor(owner: Owner) {
    this.owner = owner;
    const { signal } = this.closing;
    globalThis.addEventListener?.("online", () => this.wake(), { signal });
    globalThis.addEventListener?.("offline", () => this.doubt(), { signal });
    globalThis.addEventListener?.("pageshow", () => this.wake(), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => document.hidden || this.wake(), { signal });
  }

  async connect(): Promise<void> {
    if (this.closing.signal.aborted) return;
    const attempt = this.hangUp();
    this.told = false;
    this.enter({ status: "connecting" });
    this.after("deadline", HANDSHAKE_TIMEOUT, () => this.lost({ comeBack: true, reason: UNREACHABLE }));
    try {
      const address = await this.owner.address();
      if (attempt === this.attempt) this.dial(address, attempt);
    } catch (error) {
      if (attempt === this.attempt) this.refused(error);
    }
  }

  /** Connect now, unless there is a connection. */
  reconnect(): void {
    if (this.socket?.readyState !== WebSocket.OPEN) void this.connect();
  }

  /** The server has said who it is; `heartbeat` in seconds, 0 for none. */
  greeted(heartbeat: number): void {
    this.stop("deadline");
    this.heartbeat = heartbeat * 1000;
    this.enter({ status: "catching-up" });
  }

  /** There is a connection, and all that was missed is there, or not yet. */
  settle(live: boolean): void {
    if (this.state.status === "live" || this.state.status === "catching-up") {
      this.enter({ status: live ? "live" : "catching-up" });
    }
  }

  /** The connection has proved itself. */
  steady(): void {
    this.backoff.reset();
  }

  write(frame: ClientFrame): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  /** Do something then, unless the connection has ended. */
  later(name: string, delay: number, act: () => void): void {
    if (this.socket !== undefined) this.after(name, delay, act);
  }

  /** What could not be had over HTTP ends the connection as well. */
  refused(error: unknown): void {
    if (error instanceof Refused) return this.lost(judgeRefusal(error.refusal, error.status));
    this.lost({ comeBack: true, reason: { code: "UNREACHABLE", error: String(error) } });
  }

  end(reason: Reason): void {
    this.hangUp({ comeBack: false, reason });
    this.enter({ status: "ended", reason });
  }

  close(): void {
    this.end({ code: "CLOSED", error: "This conversation was closed here." });
    this.closing.abort();
  }

  private dial(address: string, attempt: number): void {
    const socket = (this.socket = new WebSocket(address));
    let opened = false;
    socket.onopen = () => void (opened = true);
    socket.onmessage = ({ data }) => attempt === this.attempt && this.receive(data);
    socket.onclose = ({ code, reason }) => {
      if (attempt !== this.attempt) return;
      if (opened) this.closed(code, reason);
      else void this.ask(attempt);
    };
  }

  private closed(code: number, text: string): void {
    const verdict = judgeClose(code, text);
    this.lost(code === UNAUTHENTICATED && this.owner.renews() ? { ...verdict, comeBack: true } : verdict);
  }

  private async ask(attempt: number): Promise<void> {
    try {
      await this.owner.probe();
      if (attempt === this.attempt) this.lost({ comeBack: true, reason: UNREACHABLE });
    } catch (error) {
      if (attempt === this.attempt) this.refused(error);
    }
  }

  private lost(verdict: Verdict): void {
    if (!verdict.comeBack) return this.end(verdict.reason);
    this.hangUp(verdict);
    const delay = this.backoff.delay(verdict.retryAfter);
    this.told = verdict.retryAfter !== undefined;
    this.after("retry", delay, () => this.connect());
    this.enter({ status: "offline", retryAt: Date.now() + delay, reason: verdict.reason });
  }

  private hangUp(verdict?: Verdict): number {
    this.attempt += 1;
    for (const name of [...this.timers.keys()]) this.stop(name);
    const { socket } = this;
    this.socket = undefined;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close();
    this.owner.down(verdict);
    return this.attempt;
  }

  private receive(data: unknown): void {
    this.stop("pong");
    if (this.heartbeat > 0) this.after("ping", this.heartbeat, () => this.ping(PONG_TIMEOUT));
    let frame: unknown;
    try {
      frame = JSON.parse(String(data));
    } catch {
      frame = undefined;
    }
    if (isObject(frame) && typeof frame["type"] === "string") this.owner.frame(frame as unknown as ServerFrame);
    else this.lost({ comeBack: true, reason: GARBLED });
  }

  /** The network or the person is back: try now, but not before the server said; or see whether the connection still lives. */
  private wake(): void {
    if (this.state.status === "offline" && !this.told) void this.connect();
    else this.doubt();
  }

  private doubt(): void {
    if (this.socket?.readyState === WebSocket.OPEN && !this.timers.has("pong")) this.ping(DOUBT_TIMEOUT);
  }

  private ping(patience: number): void {
    this.write({ type: "ping" });
    this.after("pong", patience, () => this.lost({ comeBack: true, reason: UNREACHABLE }));
  }

  private enter(state: State): void {
    const { status, retryAt } = this.state;
    if (status === state.status && retryAt === state.retryAt) return;
    this.state = state;
    this.owner.state(state);
  }

  private after(name: string, delay: number, act: () => void): void {
    this.stop(name);
    const timer = setTimeout(() => {
      this.timers.delete(name);
      act();
    }, delay);
    this.timers.set(name, timer);
  }

  private stop(name: string): void {
    clearTimeout(this.timers.get(name));
    this.timers.delete(name);
  }
}
