/** The files that somebody is about to send: on their way to the server, there, or refused. Each place to write has its own. */

import { computed, signal } from "@preact/signals";
import type { MessageFile } from "../sdk/types.ts";
import type { Home } from "./home.ts";
import { said } from "./words.ts";

const AT_ONCE = 3; // uploads; the others wait their turn
const MOST = 10; // files of one message, as servers are set by default

export interface Item {
  readonly key: number;
  readonly name: string;
  readonly size: number;
  readonly state: "waiting" | "going" | "there" | "failed";
  readonly sent: number;
  /** It was cut: the next try is then, in milliseconds since the epoch. */
  readonly retryAt?: number;
  readonly failure?: string;
  readonly view?: MessageFile;
  /** What it shows, in words. */
  readonly alt: string;
}

/** A file whose upload has ended: it outlives a reload. */
export type Kept = MessageFile & { alt?: string };

export class Uploads {
  readonly items = signal<readonly Item[]>([]);
  /** All are there, or there are none. */
  readonly ready = computed(() => this.items.value.every((each) => each.state === "there"));
  readonly #files = new Map<number, { file: File; cancel: AbortController }>();
  readonly home: Pick<Home, "salon" | "say" | "toast">;
  readonly #conversation: string;
  readonly #keep: (files: readonly Kept[]) => void;
  #last = 0;

  constructor(home: Uploads["home"], conversation: string, kept: readonly Kept[] = [], keep: (files: readonly Kept[]) => void = () => {}) {
    this.home = home;
    this.#conversation = conversation;
    this.#keep = keep;
    this.items.value = kept.map((view) => ({ key: ++this.#last, name: view.name, size: view.size, state: "there", sent: view.size, view, alt: view.alt ?? "" }));
  }

  /** Take these in; why not all of them, in words. */
  add(files: readonly File[]): string {
    const room = MOST - this.items.value.length;
    const taken = files.slice(0, Math.max(0, room));
    const made = taken.map((file): Item => {
      const key = ++this.#last;
      this.#files.set(key, { file, cancel: new AbortController() });
      return { key, name: file.name, size: file.size, state: "waiting", sent: 0, alt: "" };
    });
    this.items.value = [...this.items.value, ...made];
    this.#go();
    return taken.length < files.length ? `At most ${MOST} files go with one message: send these first.` : "";
  }

  describe(key: number, alt: string): void {
    this.#set(key, { alt });
    this.#save();
  }

  /** It does not go with the message. */
  remove(key: number): void {
    this.#files.get(key)?.cancel.abort();
    this.#files.delete(key);
    this.items.value = this.items.value.filter((each) => each.key !== key);
    this.#save();
    this.#go();
  }

  retry(key: number): void {
    if (this.#files.has(key)) this.#set(key, { state: "waiting" });
    this.#go();
  }

  /** All that are there, as a message names them. */
  given(): Kept[] {
    return this.items.value.flatMap(({ view, alt }) => (view ? [withAlt(view, alt)] : []));
  }

  /** A message has them now. */
  clear(): void {
    this.#files.clear();
    this.items.value = [];
    this.#save();
  }

  /** Nothing goes on. */
  stop(): void {
    for (const { cancel } of this.#files.values()) cancel.abort();
  }

  #go(): void {
    const going = this.items.value.filter((each) => each.state === "going").length;
    for (const { key } of this.items.value.filter((each) => each.state === "waiting").slice(0, AT_ONCE - going)) void this.#send(key);
  }

  async #send(key: number): Promise<void> {
    const { file, cancel } = this.#files.get(key)!;
    const { signal: end } = cancel;
    this.#set(key, { state: "going", sent: 0 });
    try {
      const view = await this.home.salon.upload(this.#conversation, file, {
        signal: end,
        onProgress: ({ sent, retryAt }) => this.#set(key, { sent, ...(retryAt !== undefined && { retryAt }) }),
      });
      this.#set(key, { state: "there", view, name: view.name, size: view.size, sent: view.size });
      this.#save();
      this.home.say(`${view.name} is uploaded`);
    } catch (error) {
      if (end.aborted) return;
      const failure = said(error);
      this.#set(key, { state: "failed", failure });
      this.home.say(`${file.name}: ${failure}`);
    } finally {
      this.#go();
    }
  }

  /** What is not said of `retryAt` and `failure` is over. */
  #set(key: number, change: Partial<Item>): void {
    this.items.value = this.items.value.map((each) => {
      if (each.key !== key) return each;
      const { retryAt, failure, ...rest } = each;
      const stays = "alt" in change && { ...(retryAt !== undefined && { retryAt }), ...(failure !== undefined && { failure }) };
      return { ...rest, ...stays, ...change };
    });
  }

  #save(): void {
    this.#keep(this.given());
  }
}

function withAlt(view: MessageFile, alt: string): Kept {
  const { alt: _, ...rest } = view;
  return alt.trim() ? { ...rest, alt: alt.trim() } : rest;
}
