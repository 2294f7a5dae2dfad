/** What of one conversation outlives a reload: its last events, what one was writing, where one was reading. */

import type { Event, Participant } from "../sdk/types.ts";
import type { Shelf } from "./shelf.ts";
import type { Kept as KeptFile } from "./uploads.ts";

const EVENTS = 200; // kept: a screen's worth of scrolling without the network
const ANSWERS = 50; // threads of a conversation in which one has begun to write: the newest

/** Where the reader was: a row and how far it was scrolled past, in pixels; null is the end. */
export type Place = { key: string; offset: number } | null;

export interface Cached {
  /** Names the log that the events are of. */
  epoch: string;
  title: string;
  events: readonly Event[];
  members: readonly Participant[];
}

/** One person's, on their shelf. */
export class Kept {
  readonly #shelf: Shelf;
  readonly #id: string;

  constructor(shelf: Shelf, id: string) {
    this.#shelf = shelf;
    this.#id = id;
  }

  /** Null too where an earlier version of this page has kept something else. */
  get cached(): Cached | null {
    const found = this.#shelf.get<Partial<Cached>>(`room.${this.#id}`);
    const { epoch, title, events, members } = found ?? {};
    const whole = typeof epoch === "string" && typeof title === "string" && Array.isArray(events) && Array.isArray(members);
    return whole ? { epoch, title, events, members } : null;
  }

  set cached(room: Cached) {
    this.#shelf.put(`room.${this.#id}`, { ...room, events: room.events.slice(-EVENTS) });
  }

  get draft(): string {
    return this.#shelf.get<string>(`draft.${this.#id}`) ?? "";
  }

  set draft(text: string) {
    if (text) this.#shelf.put(`draft.${this.#id}`, text);
    else this.#shelf.drop(`draft.${this.#id}`);
  }

  /** What one was writing in a thread. */
  answer(thread: string): string {
    return this.#answers[thread] ?? "";
  }

  keepAnswer(thread: string, text: string): void {
    const { [thread]: _, ...others } = this.#answers;
    const all = Object.entries(text ? { ...others, [thread]: text } : others).slice(-ANSWERS);
    if (all.length) this.#shelf.put(`answers.${this.#id}`, Object.fromEntries(all));
    else this.#shelf.drop(`answers.${this.#id}`);
  }

  get #answers(): Record<string, string> {
    return this.#shelf.get<Record<string, string>>(`answers.${this.#id}`) ?? {};
  }

  /** The files that are there and have not been sent: the server keeps them for a day. */
  get files(): readonly KeptFile[] {
    const found = this.#shelf.get<KeptFile[]>(`files.${this.#id}`);
    return Array.isArray(found) ? found : [];
  }

  set files(files: readonly KeptFile[]) {
    if (files.length) this.#shelf.put(`files.${this.#id}`, files);
    else this.#shelf.drop(`files.${this.#id}`);
  }

  get place(): Place {
    return this.#shelf.get<Place>(`place.${this.#id}`);
  }

  set place(place: Place) {
    if (place) this.#shelf.put(`place.${this.#id}`, place);
    else this.#shelf.drop(`place.${this.#id}`);
  }

  /** Nothing of it stays here. */
  forget(): void {
    for (const kind of ["room", "place", "draft", "answers", "files"]) this.#shelf.drop(`${kind}.${this.#id}`);
  }
}
