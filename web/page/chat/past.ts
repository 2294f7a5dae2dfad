/** What lies above what is on the screen: paged in from the server, and found again where a reply names it. */

import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { changed } from "../sdk/fold.ts";
import type { Salon } from "../sdk/salon.ts";
import type { Event, Message } from "../sdk/types.ts";
import { settled as withChanges } from "./settled.ts";
import { said } from "./words.ts";

const PAGE = 100; // events that one look back asks for: the most the server gives
const REACH = 10_000; // events that are paged in to show one of them: a hundred requests, some seconds
const FAR = 1_500; // events: fifteen requests, about a second
const QUOTED = 500; // messages held that only replies show

/** The past of one conversation, as far as this page has it. */
export class Past {
  /** Whether there is more above, which `older` fetches. */
  readonly more: ReadonlySignal<boolean>;
  readonly paging = signal(false);
  /** Why the last page did not come; empty where it did. */
  readonly failed = signal("");
  /** Sequences that were once the first on the screen. */
  readonly starts = new Set<number>();
  readonly #quoted = signal<ReadonlyMap<string, Message>>(new Map());
  readonly #fetching = new Set<string>();
  #search = 0;
  #searching = 0;

  readonly #salon: Salon;
  readonly #id: string;
  readonly #events: Signal<readonly Event[]>;

  constructor(salon: Salon, id: string, events: Signal<readonly Event[]>) {
    this.#salon = salon;
    this.#id = id;
    this.#events = events;
    this.more = computed(() => (events.value[0]?.sequence_id ?? 1) > 1);
  }

  /** Whether something is being looked for: what was paged in for it may not go. */
  get searching(): boolean {
    return this.#searching > 0;
  }

  /** One page further back; whether it came. */
  async older(): Promise<boolean> {
    const first = this.#first;
    if (first === undefined || first <= 1 || this.paging.value) return false;
    this.paging.value = true;
    try {
      const page = await this.#salon.messages(this.#id, { before: first, limit: PAGE });
      return batch(() => {
        this.failed.value = "";
        // What was dropped meanwhile, by a reset, is not to be glued to what is here now.
        if (this.#first !== first || !page.events.length) return false;
        this.starts.add(first);
        this.#events.value = withChanges([...page.events, ...this.#events.value]);
        return true;
      });
    } catch (error) {
      this.failed.value = said(error);
      return false;
    } finally {
      this.paging.value = false;
    }
  }

  /** Whether it is quicker to look at it by itself than to page there. */
  isFar(sequence: number): boolean {
    return this.#first !== undefined && this.#first - sequence > FAR;
  }

  /** Page in all from the event of this id on; its sequence, unless that is too far, fails, or is abandoned. */
  async reach(id: string): Promise<number | "too far" | null> {
    const sequence = this.sequenceOf(id);
    if (sequence === null || this.#first === undefined) return null;
    if (this.#first - sequence > REACH) return "too far";
    const search = ++this.#search;
    this.#searching++;
    try {
      while (sequence < (this.#first ?? 0)) {
        // A page that is on its way already, since the reader is near the top, comes first.
        const came = this.paging.value ? await settled(this.paging) : await this.older();
        if (!came || search !== this.#search) return null;
      }
    } finally {
      this.#searching--;
    }
    return this.#first === undefined ? null : sequence;
  }

  /** The reader does something else: what is being looked for is not wanted any more. */
  abandon(): void {
    this.#search++;
  }

  /** Something was done to messages, perhaps to some that only replies show. */
  changed(events: readonly Event[]): void {
    const now = [...this.#quoted.value].map(([id, message]) => [id, events.reduce(changed, message)] as const);
    if (now.some(([id, message]) => message !== this.#quoted.value.get(id))) this.#quoted.value = new Map(now);
  }

  /** The event of this sequence, if it is here: they have no gap, so that the place of each is known. */
  at(sequence: number): Event | undefined {
    return this.#events.value[sequence - (this.#first ?? 1)];
  }

  /** The message that a reply names, as far as it is here. */
  named(id: string): Message | null {
    const event = this.at(this.sequenceOf(id) ?? 0);
    if (event?.type === "message" && event.message.message_id === id) return event.message;
    return this.#quoted.value.get(id) ?? null;
  }

  /** Fetch it by itself, to be `named`; without an answer it stays unknown. */
  async fetch(id: string): Promise<void> {
    const sequence = this.sequenceOf(id);
    if (sequence === null || this.#fetching.has(id)) return;
    this.#fetching.add(id);
    try {
      const { events } = await this.#salon.messages(this.#id, { after: sequence - 1, limit: 1 });
      const event = events[0];
      if (event?.type === "message") this.#quoted.value = new Map([...this.#quoted.value, [id, event.message] as const].slice(-QUOTED));
    } catch {
      // It is only quoted; asked for again when the connection is back.
    } finally {
      this.#fetching.delete(id);
    }
  }

  get #first(): number | undefined {
    return this.#events.value[0]?.sequence_id;
  }

  /** The server names a message by conversation and sequence. */
  sequenceOf(id: string): number | null {
    const [conversation, sequence] = [id.slice(0, this.#id.length + 1), id.slice(this.#id.length + 1)];
    return conversation === `${this.#id}-` && /^[1-9]\d{0,14}$/.test(sequence) ? Number(sequence) : null;
  }
}

/** Until it is false. */
function settled(busy: Signal<boolean>): Promise<true> {
  return new Promise((resolve) => {
    const stop = busy.subscribe((is) => {
      if (is) return;
      queueMicrotask(() => stop());
      resolve(true);
    });
  });
}
