/** Short words about what just happened, which go by themselves. */

import { signal } from "@preact/signals";

const LASTS = 6000; // milliseconds: long enough to read two lines

export class Toasts {
  readonly shown = signal<readonly { id: number; text: string }[]>([]);
  #next = 0;

  readonly show = (text: string): void => {
    const id = this.#next++;
    this.shown.value = [...this.shown.value.filter((each) => each.text !== text).slice(-2), { id, text }];
    setTimeout(() => (this.shown.value = this.shown.value.filter((each) => each.id !== id)), LASTS);
  };
}

/** Those of the chat page. */
export const toasts = new Toasts();
