/** What the reader looks for, and what was found: asked for while they type, the newest question alone counts. */

import { batch, computed, signal } from "@preact/signals";
import { Refused, type Salon } from "../sdk/salon.ts";
import type { SearchHit, SearchPage } from "../sdk/types.ts";
import { said } from "./words.ts";

const PAUSE = 200; // milliseconds without a key
const LIMIT = 20; // hits of a page
const EMPTY = 5; // pages without a hit that are gone on from by itself

/** Where and what is sought besides the words. */
export interface Scope {
  /** In this conversation only. */
  conversation?: string;
  files: boolean;
  /** Only what this person has sent. */
  from?: string;
  /** Days as a date field has them, both included, as the reader's clock has them. */
  since?: string;
  until?: string;
}

export class Search {
  readonly #salon: Salon;
  readonly text = signal("");
  readonly scope = signal<Scope>({ files: false });
  readonly hits = signal<readonly SearchHit[]>([]);
  /** Where to go on; null where there is no more, or nothing was asked. */
  readonly next = signal<string | null>(null);
  readonly busy = signal(false);
  readonly failure = signal("");
  /** An answer is here; null before. `complete` as in the answer. */
  readonly answer = signal<{ complete: boolean } | null>(null);
  readonly wanted = computed(() => this.text.value.trim() !== "" || this.scope.value.files);
  #timer = 0;
  #asking: AbortController | undefined;

  constructor(salon: Salon) {
    this.#salon = salon;
  }

  type(text: string): void {
    this.text.value = text;
    this.#soon(PAUSE);
  }

  narrow(change: Partial<Scope>): void {
    this.scope.value = { ...this.scope.value, ...change };
    this.#soon(0);
  }

  now(): void {
    this.#soon(0);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  more(): void {
    if (this.next.value !== null) void this.#ask(this.next.value);
  }

  #soon(delay: number): void {
    this.close();
    if (!this.wanted.value) return this.#clear();
    this.#timer = window.setTimeout(() => void this.#ask(null), delay);
  }

  #clear(): void {
    batch(() => {
      this.hits.value = [];
      this.next.value = this.answer.value = null;
      this.busy.value = false;
      this.failure.value = "";
    });
  }

  async #ask(cursor: string | null): Promise<void> {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    this.busy.value = true;
    try {
      const page = await this.#page(cursor, asking.signal);
      batch(() => {
        this.hits.value = cursor === null ? page.hits : [...this.hits.value, ...page.hits];
        this.next.value = page.next;
        this.answer.value = { complete: page.complete };
        this.failure.value = "";
        this.busy.value = false;
      });
    } catch (error) {
      if (asking.signal.aborted) return;
      const wait = error instanceof Refused && error.status === 429 ? error.refusal.retry_after : undefined;
      if (wait !== undefined) return void (this.#timer = window.setTimeout(() => void this.#ask(cursor), wait * 1000)); // who types fast
      batch(() => {
        this.failure.value = said(error);
        this.busy.value = false;
      });
    }
  }

  /** One page, and those after it as long as they are empty. */
  async #page(cursor: string | null, signal: AbortSignal): Promise<SearchPage> {
    const { conversation, files, from: sender, since, until } = this.scope.value;
    const fields = {
      limit: LIMIT,
      signal,
      ...(conversation !== undefined && { conversation_id: conversation }),
      ...(files && { has: "file" as const }),
      ...(sender && { from: sender }),
      ...(since && { after: begins(since, 0) }),
      ...(until && { before: begins(until, 1) }),
    };
    const words = begun(this.text.value.trim());
    let from = cursor;
    for (let pages = 1; ; pages += 1) {
      const page = await this.#salon.search(words, { ...fields, ...(from !== null && { cursor: from }) });
      if (page.hits.length > 0 || page.next === null || pages >= EMPTY) return page;
      from = page.next;
    }
  }
}

/** When a day of the reader's begins, or so many days after it. */
function begins(day: string, later: number): string {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year!, month! - 1, date! + later).toISOString();
}

/** The last word may not be written to its end: what begins so is meant. An odd quotation mark is one that is not closed yet. */
export function begun(words: string): string {
  if ((words.match(/"/g) ?? []).length % 2 === 1) return `${words}"`;
  return /[\p{L}\p{N}]{2}$/u.test(words) ? `${words}*` : words;
}
