/** What is spoken to somebody who cannot see the page: the log itself is silent, since it is drawn anew whenever somebody scrolls. */

import { signal } from "@preact/signals";
import type { Message } from "../sdk/types.ts";
import { gist } from "./filewords.ts";
import { plain } from "./timeline.ts";

export const LONGEST = 140; // characters of a message

export class Voice {
  /** The text of a live region. */
  readonly spoken = signal("");

  /** Read it out, without the marks of its Markdown. */
  readonly say = (markdown: string): void => {
    const text = plain(markdown);
    if (text === "") return;
    // The same words twice would be no change, and not be spoken.
    this.spoken.value = this.spoken.value === text ? `${text}\u00a0` : text;
  };

  /** `rest` is what was not read yet. */
  readonly speak = (message: Message, rest: string | null = null): void => {
    this.say(rest ?? `${message.sender_name}: ${gist(message).slice(0, LONGEST)}`);
  };
}
