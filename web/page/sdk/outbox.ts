/** The messages without a receipt, in the order in which they were written: which go out when. Times in milliseconds. */
import { Refused } from "./refused.ts";
import type { Outgoing, Receipt, Refusal } from "./types.ts";

export interface Bounds {
  messages: number;
  /** Of content, over all of them: localStorage has five million. */
  characters: number;
  /** At most so many on their way at once. */
  window: number;
}

export const BOUNDS: Bounds = { messages: 200, characters: 1_000_000, window: 16 };

/**
 * After a temporary refusal everything waits as long as the server said, then goes out one at a time, and one more with
 * every receipt. Only a message that is refused for load may fall behind those already on their way.
 */
export class Outbox {
  private readonly bounds: Bounds;
  private readonly entries = new Map<string, Outgoing>();
  private allowance: number;
  private pausedUntil = -Infinity;

  constructor(bounds: Bounds = BOUNDS) {
    this.bounds = bounds;
    this.allowance = bounds.window;
  }

  list(): readonly Outgoing[] {
    return [...this.entries.values()];
  }

  get(key: string): Outgoing | undefined {
    return this.entries.get(key);
  }

  /** Take a new message over. Throws `Refused` where there is no more room. */
  add(message: Outgoing): void {
    const unsent = this.list().filter((each) => each.state !== "sent");
    const characters = unsent.reduce((sum, each) => sum + each.content.length, message.content.length);
    if (unsent.length >= this.bounds.messages || characters > this.bounds.characters) {
      const error = "Too many messages wait to be sent: wait until there is a connection.";
      throw new Refused({ code: "OUTBOX_FULL", error, temporary: true });
    }
    this.entries.set(message.key, message);
  }

  /** Take over what was kept, in its place by age; there is always room for it. */
  restore(kept: readonly Outgoing[]): void {
    const all = [...this.list(), ...kept.filter((each) => !this.entries.has(each.key))];
    this.entries.clear();
    for (const each of all.sort((a, b) => a.queued_at - b.queued_at)) this.entries.set(each.key, each);
  }

  /** What may be written now, oldest first; it counts as being sent. */
  due(now: number): Outgoing[] {
    if (now < this.pausedUntil) return [];
    const sending = this.count("sending");
    const waiting = this.list().filter((each) => each.state === "waiting");
    return waiting.slice(0, Math.max(0, this.allowance - sending)).map((each) => this.set(each, { state: "sending" }));
  }

  /** Milliseconds until `due` gives more by the clock alone; undefined where it does not. */
  delay(now: number): number | undefined {
    return now < this.pausedUntil && this.count("waiting") > 0 ? this.pausedUntil - now : undefined;
  }

  /** A message is stored; the message, unless it is none of these. */
  acknowledge(receipt: Receipt): Outgoing | undefined {
    const message = this.entries.get(receipt.client_message_id ?? "");
    if (message === undefined || message.state === "sent") return undefined;
    this.allowance = Math.min(this.bounds.window, this.allowance + 1);
    return this.set(message, { state: "sent", receipt });
  }

  /** The events up to there are given out: whether messages leave with it. */
  delivered(sequence: number): boolean {
    if (this.entries.size === 0) return false;
    const arrived = this.list().filter((each) => each.receipt !== undefined && each.receipt.sequence_id <= sequence);
    for (const each of arrived) this.entries.delete(each.key);
    return arrived.length > 0;
  }

  /** Keep a message as refused, or for a temporary refusal send it again after the pause. */
  refuse(key: string, refusal: Refusal, now: number, pause: number): Outgoing | undefined {
    const message = this.entries.get(key);
    if (message === undefined || message.state === "sent") return undefined;
    if (!refusal.temporary) return this.set(message, { state: "refused", refusal });
    this.allowance = 1;
    this.pausedUntil = Math.max(this.pausedUntil, now + pause);
    return this.set(message, { state: "waiting" });
  }

  /** There is no connection any more: what has no receipt goes out again; whether there is any. */
  rewind(): boolean {
    const sending = this.list().filter((each) => each.state === "sending");
    for (const each of sending) this.set(each, { state: "waiting" });
    return sending.length > 0;
  }

  /** The largest on its way: the one that a server meant which closed for size. */
  largest(): Outgoing | undefined {
    const sending = this.list().filter((each) => each.state === "sending");
    return sending.sort((a, b) => b.content.length - a.content.length)[0];
  }

  /** Whether a refused message is to be sent again. */
  retry(key: string): Outgoing | undefined {
    const message = this.entries.get(key);
    if (message?.state !== "refused") return undefined;
    const { refusal: _, ...again } = message;
    this.entries.set(key, { ...again, state: "waiting" });
    return this.entries.get(key);
  }

  discard(key: string): boolean {
    return this.entries.delete(key);
  }

  /** Forget all of them here. */
  clear(): void {
    this.entries.clear();
  }

  private count(state: Outgoing["state"]): number {
    return this.list().filter((each) => each.state === state).length;
  }

  private set(message: Outgoing, change: Partial<Outgoing>): Outgoing {
    const changed = { ...message, ...change };
    this.entries.set(message.key, changed);
    return changed;
  }
}
