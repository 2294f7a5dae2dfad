/** What has just happened, for those who listen to the page, and in the bar for those who look. */

import { signal } from "@preact/signals";

export const said = signal("");

let timer = 0;

export function say(text: string): void {
  said.value = text;
  clearTimeout(timer);
  timer = window.setTimeout(() => (said.value = ""), 8000);
}
