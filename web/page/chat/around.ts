/** A place so far back that the log is not paged to it: what was said there, fetched by itself, with a page either way. */

import { batch, computed, signal } from "@preact/signals";
import { Messages } from "../sdk/fold.ts";
import type { Salon } from "../sdk/salon.ts";
import type { Event } from "../sdk/types.ts";
import type { Room } from "./room.ts";
import { arrange, type Row } from "./timeline.ts";
import { said } from "./words.ts";

const BESIDE = 20; // events on each side at first
const PAGE = 50;

export class Around {
  /** The message that was asked for. */
  readonly sequence: number;
  readonly failed = signal("");
  readonly more = signal({ earlier: false, later: false });
  readonly #events = signal<readonly Event[]>([]);
  readonly #salon: Salon;
  readonly #room: Room;

  readonly rows = computed((): readonly Row[] => {
    const view = { ...this.#room.view(), readBefore: null, more: this.more.value.earlier, starts: new Set<number>() };
    const messages = new Messages();
    messages.take([...this.#events.value, ...this.#room.events.value]); // what is done to them meanwhile is in the log
    const now = this.#events.value.map((event) => (event.type === "message" ? { ...event, message: messages.get(event.message.message_id) ?? event.message } : event));
    return arrange(now, [], view);
  });

  constructor(salon: Salon, room: Room, sequence: number) {
    this.#salon = salon;
    this.#room = room;
    this.sequence = sequence;
    void this.load();
  }

  async load(): Promise<void> {
    await this.#fetch({ after: Math.max(0, this.sequence - BESIDE - 1), limit: 2 * BESIDE + 1 }, (events, more) => {
      this.#events.value = events;
      this.more.value = { earlier: (events[0]?.sequence_id ?? 1) > 1, later: more };
    });
  }

  async earlier(): Promise<void> {
    await this.#fetch({ before: this.#events.value[0]!.sequence_id, limit: PAGE }, (events, more) => {
      this.#events.value = [...events, ...this.#events.value];
      this.more.value = { ...this.more.value, earlier: more };
    });
  }

  async later(): Promise<void> {
    await this.#fetch({ after: this.#events.value.at(-1)!.sequence_id, limit: PAGE }, (events, more) => {
      this.#events.value = [...this.#events.value, ...events];
      this.more.value = { ...this.more.value, later: more };
    });
  }

  async #fetch(range: { after?: number; before?: number; limit: number }, take: (events: readonly Event[], more: boolean) => void): Promise<void> {
    try {
      const page = await this.#salon.messages(this.#room.id, range);
      batch(() => {
        take(page.events, page.has_more);
        this.failed.value = "";
      });
    } catch (error) {
      this.failed.value = said(error);
    }
  }
}
