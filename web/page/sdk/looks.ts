/** How the messages of a conversation look to one person: as they are, with what they have done to them and waits. */
import { targetOf } from "./changes.ts";
import { foreseen, Messages } from "./fold.ts";
import type { Event, Message, Outgoing, OutgoingChange } from "./types.ts";

const KNOWN = 5_000; // messages: some megabytes

/** Who is told. */
export interface Watcher {
  outbox(outbox: readonly Outgoing[]): void;
  changes(changes: readonly OutgoingChange[]): void;
  message(message: Message): void;
}

export class Looks {
  /** Who looks. */
  me = "";
  private readonly watcher: Watcher;
  private readonly known = new Messages(KNOWN);
  private outbox: readonly Outgoing[] = [];
  private changes: readonly OutgoingChange[] = [];

  constructor(watcher: Watcher) {
    this.watcher = watcher;
  }

  get(id: string): Message | undefined {
    const message = this.known.get(id);
    return message && foreseen(message, this.changes, this.me);
  }

  /** Take in events; the answer tells of the messages that look different. */
  take(events: readonly Event[]): () => void {
    const touched = this.known.take(events);
    return () => this.tell(touched);
  }

  /** Something in the outbox is not as it was. */
  mailed(outbox: readonly Outgoing[], changes: readonly OutgoingChange[]): void {
    const before = { outbox: this.outbox, changes: this.changes };
    Object.assign(this, { outbox, changes });
    if (!same(before.outbox, outbox)) this.watcher.outbox(outbox);
    if (same(before.changes, changes)) return;
    this.watcher.changes(changes);
    const moved = [...before.changes, ...changes].filter((each) => !(before.changes.includes(each) && changes.includes(each)));
    this.tell(new Set(moved.map(targetOf)));
  }

  forget(): void {
    this.known.clear();
  }

  private tell(ids: ReadonlySet<string>): void {
    for (const id of ids) {
      const message = this.get(id);
      if (message !== undefined) this.watcher.message(message);
    }
  }
}

function same<T>(one: readonly T[], other: readonly T[]): boolean {
  return one.length === other.length && one.every((each, at) => each === other[at]);
}
