/** Who is writing just now; each for a few seconds, unless they go on. */

import { signal } from "@preact/signals";

const LASTS = 6000; // milliseconds: the server ends it after 5 s, this is for lost frames

export class Typists {
  /** Their ids, in the order in which they began. */
  readonly ids = signal<readonly string[]>([]);
  readonly #timers = new Map<string, number>();

  set(id: string, is: boolean): void {
    clearTimeout(this.#timers.get(id));
    if (is) this.#timers.set(id, window.setTimeout(() => this.set(id, false), LASTS));
    else if (!this.#timers.delete(id)) return;
    this.ids.value = [...this.#timers.keys()];
  }

  /** Nobody can tell any more. */
  clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.ids.value = [];
  }
}
