/** One thread beside the log: its root, the replies as far as they were fetched, and what comes in meanwhile. */

import { batch, computed, signal } from "@preact/signals";
import { Messages } from "../sdk/fold.ts";
import type { Salon } from "../sdk/salon.ts";
import type { Event, Message, MessageEvent } from "../sdk/types.ts";
import type { Room } from "./room.ts";
import { arrange, type Row } from "./timeline.ts";
import { Uploads } from "./uploads.ts";
import { said } from "./words.ts";

const PAGE = 50;

export class Thread {
  /** The message that it is about. */
  readonly id: string;
  /** The files that go with the next answer. */
  readonly uploads: Uploads;
  readonly more = signal(false);
  readonly failed = signal("");
  readonly loaded = signal(false);
  /** A reply that is to be brought into sight; anew for each time it is asked for. */
  readonly found = signal<{ sequence: number } | null>(null);
  #loading: Promise<void> | null = null;
  readonly #fetched = signal<readonly Message[]>([]);
  readonly #root = signal<Message | null>(null);
  readonly #salon: Salon;
  readonly #room: Room;

  /** All of it as rows: the root first. */
  readonly rows = computed((): readonly Row[] => {
    const room = this.#room;
    const events = room.events.value;
    const messages = new Messages();
    const root = this.#root.value;
    const known = [...(root ? [root] : []), ...this.#fetched.value].map(eventOf);
    messages.take([...known, ...events]);
    const ids = new Set([this.id, ...this.#fetched.value.map((each) => each.message_id)]);
    for (const event of events) if (event.type === "message" && event.message.thread_id === this.id) ids.add(event.message.message_id);
    const shown = [...ids].flatMap((id) => messages.get(id) ?? []).sort((a, b) => a.sequence_id - b.sequence_id);
    const view = { ...room.view(), thread: this.id, readBefore: null, more: false, starts: NONE };
    return room.answering.after(arrange(shown.map(eventOf), room.outbox.value, view), this.id);
  });

  constructor(salon: Salon, room: Room, id: string) {
    this.#salon = salon;
    this.#room = room;
    this.id = id;
    this.uploads = new Uploads(room.home, room.id);
    void this.load();
  }

  /** The newest replies, when it is opened and whenever the connection is back. */
  load(): Promise<void> {
    return (this.#loading ??= this.#fetch().finally(() => (this.#loading = null)));
  }

  /** Bring a reply into sight, however far back it is. */
  async reach(id: string): Promise<void> {
    const sequence = this.#room.past.sequenceOf(id);
    if (sequence === null) return;
    if (!this.loaded.value) await this.load();
    while (this.more.value && !this.failed.value && sequence < (this.#fetched.value[0]?.sequence_id ?? 0)) await this.earlier();
    this.found.value = { sequence };
  }

  async earlier(): Promise<void> {
    const first = this.#fetched.value[0]?.sequence_id;
    if (first !== undefined) await this.#fetch(first);
  }

  /** The last reply that is here. */
  get last(): number {
    const row = this.rows.value.findLast((each) => each.kind === "said" && each.sequence !== undefined);
    return row?.kind === "said" ? row.sequence! : 0;
  }

  async #fetch(before?: number): Promise<void> {
    try {
      const page = await this.#salon.thread(this.#room.id, this.id, { limit: PAGE, ...(before && { before }) });
      batch(() => {
        this.#root.value = page.root;
        this.#fetched.value = before === undefined ? page.replies : [...page.replies, ...this.#fetched.value];
        this.more.value = page.has_more;
        this.failed.value = "";
        this.loaded.value = true;
      });
    } catch (error) {
      this.failed.value = said(error);
    }
  }
}

const NONE: ReadonlySet<number> = new Set();

function eventOf(message: Message): MessageEvent & Event {
  return { type: "message", sequence_id: message.sequence_id, message };
}
