/**
 * The messages and changes of messages without a receipt, in the order in which they were written: which go out when. Times in
 * milliseconds.
 */
import { type Entry, isChange, targetOf } from "./changes.ts";
import { Refused } from "./refused.ts";
import type { ChangeReceipt, Outgoing, OutgoingChange, Receipt, Refusal } from "./types.ts";

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
 * every receipt. Only a message that is refused for load may fall behind those already on their way. A change waits for the
 * receipt of its message, and for the one before it of the same message.
 */
export class Outbox {
  private readonly bounds: Bounds;
  private readonly entries = new Map<string, Entry>();
  /** Keys of held ones of which the server has said nothing on this connection: a moderator may have decided meanwhile. */
  private readonly unsure = new Set<string>();
  private allowance: number;
  private pausedUntil = -Infinity;

  constructor(bounds: Bounds = BOUNDS) {
    this.bounds = bounds;
    this.allowance = bounds.window;
  }

  list(): readonly Entry[] {
    return [...this.entries.values()];
  }

  messages(): readonly Outgoing[] {
    return this.list().filter((each) => !isChange(each)) as Outgoing[];
  }

  changes(): readonly OutgoingChange[] {
    return this.list().filter(isChange);
  }

  get(key: string): Entry | undefined {
    return this.entries.get(key);
  }

  /** Put another in the place of the one with its key. */
  replace(entry: Entry): void {
    this.entries.set(entry.key, entry);
  }

  /** Take a new one over. Throws `Refused` where there is no more room. */
  add(message: Entry): void {
    const unsent = this.list().filter((each) => each.state !== "sent");
    const characters = unsent.reduce((sum, each) => sum + sizeOf(each), sizeOf(message));
    if (unsent.length >= this.bounds.messages || characters > this.bounds.characters) {
      const error = "Too many messages wait to be sent: wait until there is a connection.";
      throw new Refused({ code: "OUTBOX_FULL", error, temporary: true });
    }
    this.entries.set(message.key, message);
  }

  /** Take over what was kept, in its place by age; there is always room for it. */
  restore(kept: readonly Entry[]): void {
    for (const each of kept) if (each.state === "held") this.unsure.add(each.key);
    const all = [...this.list(), ...kept.filter((each) => !this.entries.has(each.key))];
    this.entries.clear();
    for (const each of all.sort((a, b) => a.queued_at - b.queued_at)) this.entries.set(each.key, each);
  }

  /** What may be written now, oldest first; it counts as being sent. What is held is sent again, which asks what has come of it. */
  due(now: number): Entry[] {
    if (now < this.pausedUntil) return [];
    const room = Math.max(0, this.allowance - this.count("sending"));
    const changing = new Set<string>(); // messages whose next change waits for one before it
    const ready = this.list().filter((each) => {
      if (each.state === "held") return this.unsure.has(each.key);
      const open = each.state === "waiting" || each.state === "sending";
      if (!open || !isChange(each)) return each.state === "waiting";
      const target = targetOf(each);
      const next = !changing.has(target);
      changing.add(target);
      return next && each.state === "waiting" && each.message_id !== undefined;
    });
    return ready.slice(0, room).map((each) => {
      this.unsure.delete(each.key);
      return each.state === "held" ? each : this.set(each, { state: "sending", tried: true });
    });
  }

  /** Milliseconds until `due` gives more by the clock alone; undefined where it does not. */
  delay(now: number): number | undefined {
    return now < this.pausedUntil && this.count("waiting") > 0 ? this.pausedUntil - now : undefined;
  }

  /** It is stored; what it was, unless it is none of these. The changes of a message have its id from now on. */
  acknowledge(receipt: Receipt | ChangeReceipt): Entry | undefined {
    const entry = this.entries.get(receipt.client_message_id ?? "");
    if (entry === undefined || entry.state === "sent") return undefined;
    this.allowance = Math.min(this.bounds.window, this.allowance + 1);
    const sent = this.set(entry, { state: "sent", receipt } as Partial<Entry>);
    if (isChange(entry) && receipt.sequence_id === undefined) this.entries.delete(entry.key); // no event follows
    for (const each of this.waitingFor(entry.key)) this.set(each, { message_id: receipt.message_id });
    return sent;
  }

  /** The changes of a message in here that have no id of it yet. */
  waitingFor(key: string): OutgoingChange[] {
    return this.changes().filter((each) => each.message_key === key && each.message_id === undefined);
  }

  /** The events up to there are given out: whether messages leave with it. */
  delivered(sequence: number): boolean {
    if (this.entries.size === 0) return false;
    const arrived = this.list().filter((each) => (each.receipt?.sequence_id ?? Infinity) <= sequence);
    for (const each of arrived) this.entries.delete(each.key);
    return arrived.length > 0;
  }

  /** Keep it as refused, or for a temporary refusal send it again after the pause. */
  refuse(key: string, refusal: Refusal, now: number, pause: number): Entry | undefined {
    const message = this.entries.get(key);
    if (message === undefined || message.state === "sent") return undefined;
    if (!refusal.temporary) return this.set(message, { state: "refused", refusal });
    this.allowance = 1;
    this.pausedUntil = Math.max(this.pausedUntil, now + pause);
    return this.set(message, { state: "waiting" });
  }

  /** The server keeps it until a moderator has decided; undefined where it is none of these. */
  hold(key: string, held_id: number): Entry | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined || entry.state === "sent") return undefined;
    this.allowance = Math.min(this.bounds.window, this.allowance + 1);
    this.unsure.delete(key);
    return this.set(entry, { state: "held", held_id });
  }

  /** There is no connection any more: what has no receipt goes out again; whether there is any. */
  rewind(): boolean {
    const sending = this.list().filter((each) => each.state === "sending");
    for (const each of sending) this.set(each, { state: "waiting" });
    for (const each of this.list()) if (each.state === "held") this.unsure.add(each.key);
    return sending.length > 0;
  }

  /** The largest on its way: the one that a server meant which closed for size. */
  largest(): Entry | undefined {
    const sending = this.list().filter((each) => each.state === "sending");
    return sending.sort((a, b) => sizeOf(b) - sizeOf(a))[0];
  }

  /** What was refused is to be sent again; undefined where it was not. */
  retry(key: string): Entry | undefined {
    const entry = this.entries.get(key);
    if (entry?.state !== "refused") return undefined;
    const { refusal: _, ...again } = entry;
    const retried: Entry = { ...again, state: "waiting" };
    if (isChange(retried) && retried.change.type === "message_edited") {
      const { revision: __, ...change } = retried.change;
      return this.set(retried, { change });
    }
    return this.set(retried, {});
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

  private set<T extends Entry>(entry: T, change: Partial<T>): T {
    const changed = { ...entry, ...change };
    this.entries.set(entry.key, changed);
    return changed;
  }
}

/** Characters of content. */
function sizeOf(entry: Entry): number {
  if (!isChange(entry)) return entry.content.length;
  return entry.change.type === "message_edited" ? entry.change.content.length : 0;
}
