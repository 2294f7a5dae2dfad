/** What one person has written in one conversation and has no receipt for: kept, sent, settled. */
import { Outbox } from "./outbox.ts";
import { randomKey, type Shelf } from "./shelf.ts";
import type { ClientFrame, MessageFrame, Outgoing, Reason, Receipt, Refusal } from "./types.ts";
import { Backoff } from "./verdict.ts";

type Write = (frame: ClientFrame) => boolean;
type More = { reply_to?: string; metadata?: Record<string, unknown>; mentions?: readonly string[] };

const TOO_LARGE: Refusal = {
  code: "MESSAGE_TOO_LARGE",
  error: "The message is larger than the server takes.",
  temporary: false,
};

export class Mail {
  /** Who writes, as far as is known: "" before the server has ever said it. */
  person: string;
  private readonly outbox = new Outbox();
  private readonly pause = new Backoff();
  private readonly shelf: Shelf;
  private readonly conversation: string;
  private readonly write: Write;
  private readonly changed: () => void;
  private ready = false; // there is a connection, and its replay has shown what is stored already
  private last = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopAdopting = () => {};

  constructor(shelf: Shelf, conversation: string, write: Write, changed: () => void) {
    this.shelf = shelf;
    this.conversation = conversation;
    this.write = write;
    this.changed = changed;
    this.person = shelf.person;
    this.adopt();
  }

  list(): readonly Outgoing[] {
    return this.outbox.list();
  }

  send(content: string, more: More): Outgoing {
    // Two of the same millisecond keep their order over a reload.
    this.last = Math.max(Date.now(), this.last + 0.001);
    const message: Outgoing = { key: randomKey(), content, ...more, state: "waiting", queued_at: this.last };
    this.outbox.add(message);
    this.keep(message);
    this.flush();
    this.changed();
    return this.outbox.get(message.key)!;
  }

  retry(key: string): void {
    const message = this.outbox.retry(key);
    if (message === undefined) return;
    this.keep(message);
    this.flush();
    this.changed();
  }

  discard(key: string): void {
    this.shelf.drop(this.person, this.conversation, key);
    if (this.outbox.discard(key)) this.changed();
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

  /** A message is stored, and its event given out already where `position` says so; whether it was one of these. */
  acknowledge(receipt: Receipt, position: number): boolean {
    this.pause.reset();
    const message = this.outbox.acknowledge(receipt);
    if (message === undefined) return false;
    this.shelf.drop(this.person, this.conversation, message.key);
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

  /** The connection was closed for the size of what was sent. */
  tooLarge(): void {
    const message = this.outbox.largest();
    if (message) this.refuse({ ...TOO_LARGE, client_message_id: message.key });
  }

  /** Nothing more can be sent here. */
  refuseAll({ code, error }: Reason): void {
    for (const { key, state } of this.list()) {
      if (state !== "sent") this.refuse({ code, error, temporary: false, client_message_id: key });
    }
  }

  /** The server says who this is: what somebody else has left in this browser is not sent in their name. */
  recognise(person: string): void {
    if (person === this.person) return;
    const unnamed = this.person === "" ? this.list() : [];
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

  private keep(message: Outgoing): void {
    this.shelf.keep(this.person, this.conversation, message);
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
    for (const { key, content, reply_to, metadata, mentions } of this.outbox.due(performance.now())) {
      const frame: MessageFrame = { type: "message", content, client_message_id: key };
      if (reply_to !== undefined) frame.reply_to = reply_to;
      if (metadata !== undefined) frame.metadata = metadata;
      if (mentions?.length) frame.mentions = [...mentions];
      this.write(frame);
    }
    const delay = this.outbox.delay(performance.now());
    if (delay === undefined) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.flush();
      this.changed();
    }, delay + 1);
  }
}
