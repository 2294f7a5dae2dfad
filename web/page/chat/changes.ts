/** Hears that a line of the list has changed, in whichever conversation: server-sent events about all of this person's. */

import type { StreamEvent } from "../sdk/types.ts";

const AGAIN = 30_000; // milliseconds after a refusal, which a browser does not try again by itself

/**
 * Only a tab that somebody looks at listens: a browser has six connections to a server over HTTP/1.1, for all its tabs.
 * What is missed meanwhile the list itself tells, which is asked for when the tab is looked at again.
 */
export class Changes {
  readonly #url: string;
  readonly #heard: () => void;
  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;
  readonly #look = (): void => (document.hidden ? this.#close() : this.#open());

  /** `heard` is called for each change, and when the stream at `url` begins or begins again. */
  constructor(url: string, heard: () => void) {
    this.#url = url;
    this.#heard = heard;
    document.addEventListener("visibilitychange", this.#look);
    this.#look();
  }

  stop(): void {
    this.#stopped = true;
    document.removeEventListener("visibilitychange", this.#look);
    this.#close();
  }

  #open(): void {
    if (this.#source !== null || this.#stopped || typeof EventSource === "undefined") return;
    const source = (this.#source = new EventSource(this.#url));
    source.onmessage = ({ data }) => {
      const { type } = JSON.parse(String(data)) as StreamEvent;
      if (type !== "closed") this.#heard();
    };
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED || source !== this.#source) return;
      this.#close();
      this.#timer = setTimeout(this.#look, AGAIN);
    };
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }
}
