/** The reader's marker in a conversation: what follows it is new to them. */

import { signal } from "@preact/signals";
import type { Event } from "../sdk/types.ts";
import { readBefore } from "./timeline.ts";

export class Marker {
  /** The last sequence that is not new; null shows no marker. */
  readonly after = signal<number | null>(null);
  #counted: number | null = null;
  #opening = false;
  #lastVisit: number | null; // the last event that was here before the page was opened

  constructor(lastVisit: number | null) {
    this.#lastVisit = lastVisit;
  }

  /** The reader opens the conversation, with that many unread messages; null where nobody has counted yet. */
  open(unread: number | null): void {
    this.after.value = null;
    this.#counted = unread;
    this.#opening = true;
  }

  /** From now on what arrives is new: the reader looks elsewhere. */
  begin(sequence: number): void {
    this.after.value ??= sequence;
  }

  /** Once after the opening: it stands before what the server counts as unread, or what came since the last visit. */
  caughtUp(events: readonly Event[], me: string): void {
    if (!this.#opening) return;
    this.#opening = false;
    const since = this.#lastVisit;
    const came = (event: Event): boolean =>
      event.type === "message" && event.message.sender_id !== me && event.sequence_id > (since ?? Infinity);
    if (this.#counted) this.after.value = readBefore(events, this.#counted);
    else if (since !== null && events.some(came)) this.after.value = since;
    this.#counted = this.#lastVisit = null;
  }

  /** The reader has spoken: they have read all before. */
  clear(): void {
    this.after.value = null;
  }
}
