/** What one person has written in one conversation and has no receipt for: kept, sent, settled. */
import { type Entry, isChange, isHere, plan, targetOf } from "./changes.ts";
import { Outbox } from "./outbox.ts";
import { randomKey, type Shelf } from "./shelf.ts";
import type { Change, ChangeReceipt, ClientFrame, HeldDecidedFrame, MessageHeldFrame, Outgoing, OutgoingChange, Reason, Receipt, Refusal, SendOptions } from "./types.ts";
import { Backoff } from "./verdict.ts";

type Write = (frame: ClientFrame) => boolean;

const NAMED = 1000; // messages that have left the outbox and can still be named by their keys
const DENIED = "A moderator does not allow it.";
const TOO_LARGE: Refusal = {
  code: "MESSAGE_TOO_LARGE",
  error: "The message is larger than the server takes.",
  temporary: false,
};

export class Mail {
  /** Who writes, as far as is known: "" before the server has ever said it. */
  person: string;
  private readonly outbox = new Outbox();
  /** The ids of messages that have left the outbox, by their keys: whoever has named one by its key may go on to. */
  private readonly ids = new Map<string, string>();
  private readonly pause = new Backoff();
  private readonly shelf: Shelf;
  private readonly conversation: string;
  private readonly write: Write;
  private readonly changed: () => void; // tells, too, of what is taken over in the making of this
  private ready = false; // there is a connection, and its replay has shown what is stored already
  private last = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopAdopting = () => {};

  constructor(shelf: Shelf, conversation: string, write: Write, changed: (mail: Mail) => void) {
    this.shelf = shelf;
    this.conversation = conversation;
    this.write = write;
    this.changed = () => changed(this);
    this.person = shelf.person;
    this.adopt();
  }

  messages(): readonly Outgoing[] {
    return this.outbox.messages();
  }

  changes(): readonly OutgoingChange[] {
    return this.outbox.changes();
  }

  send(content: string, more: SendOptions): Outgoing {
    return this.post({ ...this.anew(), content, ...more }) as Outgoing;
  }

  /** Change a message of this id or key; undefined where nothing has to be sent for it. */
  change(message: string, change: Change): OutgoingChange | undefined {
    const own = this.outbox.get(message);
    if (own !== undefined && change.type === "message_deleted" && isHere(own)) return void this.discard(message);
    const id = own === undefined ? (this.ids.get(message) ?? message) : own.receipt?.message_id;
    const target = { ...(id !== undefined && { message_id: id }), ...(own !== undefined && { message_key: message }) };
    const earlier = this.changes().filter((each) => targetOf(each) === (id ?? message) && each.state !== "sent");
    const { drop, instead, add } = plan(earlier, change);
    const entry: OutgoingChange = { ...this.anew(), ...target, change };
    if (add) this.outbox.add(entry); // first, since it may be refused
    for (const key of drop) this.drop(key);
    if (instead !== undefined) {
      this.outbox.replace(instead);
      this.keep(instead);
    }
    if (add) return this.went(entry) as OutgoingChange;
    this.changed();
    return instead;
  }

  retry(key: string): void {
    const message = this.outbox.retry(key);
    if (message === undefined) return;
    this.keep(message);
    this.flush();
    this.changed();
  }

  discard(key: string): void {
    for (const each of this.outbox.waitingFor(key)) this.drop(each.key);
    if (this.drop(key)) this.changed();
  }

  /** The connection has caught up. */
  up(): void {
    if (this.ready) return;
    this.ready = true;
    this.flush();
    this.changed();
  }

  down(): void {
    this.ready = false;
    clearTimeout(this.timer);
    if (this.outbox.rewind()) this.changed();
  }

  /** It is stored, and its event given out already where `position` says so; whether it was one of these. */
  acknowledge(receipt: Receipt | ChangeReceipt, position: number): boolean {
    this.pause.reset();
    const waiting = this.outbox.waitingFor(receipt.client_message_id ?? "");
    const entry = this.outbox.acknowledge(receipt);
    if (entry === undefined) return false;
    for (const { key } of waiting) this.keep(this.outbox.get(key)!); // they know their message now
    this.ids.set(entry.key, receipt.message_id);
    if (this.ids.size > NAMED) this.ids.delete(this.ids.keys().next().value!);
    this.shelf.drop(this.person, this.conversation, entry.key);
    this.outbox.delivered(position);
    this.flush();
    this.changed();
    return true;
  }

  /** The events up to there are given out. */
  delivered(position: number): void {
    if (this.outbox.delivered(position)) this.changed();
  }

  /** Whether the refusal was of one of these. */
  refuse(refusal: Refusal): boolean {
    const key = refusal.client_message_id;
    if (key === undefined || this.outbox.get(key) === undefined) return false;
    const pause = refusal.temporary ? this.pause.delay(refusal.retry_after) : 0;
    const message = this.outbox.refuse(key, refusal, performance.now(), pause);
    if (message?.state === "refused") this.keep(message);
    this.flush();
    this.changed();
    return true;
  }

  /** The server keeps it until a moderator has decided. */
  held({ client_message_id, held_id }: MessageHeldFrame): void {
    this.pause.reset();
    const entry = this.outbox.hold(client_message_id ?? "", held_id);
    if (entry === undefined) return;
    this.keep(entry);
    this.flush();
    this.changed();
  }

  /** A moderator has decided. What was approved is settled by its event. */
  decided({ outcome, reason, client_message_id }: HeldDecidedFrame): void {
    if (outcome === "approved" || client_message_id === undefined) return;
    this.refuse({ code: "MESSAGE_REFUSED", error: reason ?? DENIED, temporary: false, client_message_id });
  }

  /** The connection was closed for the size of what was sent. */
  tooLarge(): void {
    const message = this.outbox.largest();
    if (message) this.refuse({ ...TOO_LARGE, client_message_id: message.key });
  }

  /** Nothing more can be sent here. */
  refuseAll({ code, error }: Reason): void {
    for (const { key, state } of this.outbox.list()) {
      if (state !== "sent") this.refuse({ code, error, temporary: false, client_message_id: key });
    }
  }

  /** The server says who this is: what somebody else has left in this browser is not sent in their name. */
  recognise(person: string): void {
    if (person === this.person) return;
    const unnamed = this.person === "" ? this.outbox.list() : [];
    for (const { key } of unnamed) this.shelf.drop(this.person, this.conversation, key);
    this.outbox.clear();
    this.shelf.person = this.person = person;
    unnamed.forEach((each) => this.keep(each));
    this.outbox.restore(unnamed);
    this.adopt();
    this.changed();
  }

  close(): void {
    this.down();
    this.stopAdopting();
  }

  private anew(): Pick<Outgoing, "key" | "queued_at"> & { state: "waiting" } {
    // Two of the same millisecond keep their order over a reload.
    this.last = Math.max(Date.now(), this.last + 0.001);
    return { key: randomKey(), queued_at: this.last, state: "waiting" };
  }

  private post(entry: Entry): Entry {
    this.outbox.add(entry);
    return this.went(entry);
  }

  /** Keep it and send what is due. */
  private went(entry: Entry): Entry {
    this.flush();
    const now = this.outbox.get(entry.key)!;
    if (!now.tried) this.keep(now);
    this.changed();
    return now;
  }

  private keep(entry: Entry): void {
    this.shelf.keep(this.person, this.conversation, entry);
  }

  private drop(key: string): boolean {
    this.shelf.drop(this.person, this.conversation, key);
    return this.outbox.discard(key);
  }

  private adopt(): void {
    this.stopAdopting();
    this.stopAdopting = this.shelf.adopt(this.person, this.conversation, (messages) => {
      this.outbox.restore(messages);
      this.flush();
      this.changed();
    });
  }

  /** Send what is due, now and when a pause ends. */
  private flush(): void {
    if (!this.ready) return;
    const tried = new Set(this.outbox.list().flatMap((each) => (each.tried ? [each.key] : [])));
    const now = performance.now(); // once: a pause that ended between two looks would have no timer
    for (const entry of this.outbox.due(now)) {
      if (!tried.has(entry.key)) this.keep(entry); // after a reload, too, it may be one that the server has
      this.write(frameOf(entry));
    }
    const delay = this.outbox.delay(now);
    if (delay === undefined) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.flush();
      this.changed();
    }, delay + 1);
  }
}

function frameOf(entry: Entry): ClientFrame {
  const { key } = entry;
  if (isChange(entry)) {
    return { ...entry.change, ...listOf(entry.change), message_id: entry.message_id!, client_message_id: key } as ClientFrame;
  }
  const { content, reply_to, metadata, thread_id, also_in_channel, files } = entry;
  return {
    type: "message",
    content,
    client_message_id: key,
    ...(reply_to !== undefined && { reply_to }),
    ...(metadata !== undefined && { metadata }),
    ...listOf(entry),
    ...(thread_id !== undefined && { thread_id }),
    ...(also_in_channel && { also_in_channel }),
    ...(files?.length && { files: files.map(({ file_id, alt }) => ({ file_id, ...(alt && { alt }) })) }),
  };
}

function listOf(of: { mentions?: readonly string[] } | object): { mentions?: string[] } {
  return "mentions" in of && of.mentions?.length ? { mentions: [...of.mentions] } : {};
}
