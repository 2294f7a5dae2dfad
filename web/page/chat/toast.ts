/** Short words about what just happened, which go by themselves. */

import { signal } from "@preact/signals";

const LASTS = 6000; // milliseconds: long enough to read two lines

export const toasts = signal<readonly { id: number; text: string }[]>([]);

let next = 0;

export function toast(text: string): void {
  const id = next++;
  toasts.value = [...toasts.value.filter((each) => each.text !== text).slice(-2), { id, text }];
  setTimeout(() => (toasts.value = toasts.value.filter((each) => each.id !== id)), LASTS);
}
