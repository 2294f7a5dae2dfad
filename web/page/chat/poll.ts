/** Asks again and again, one at a time: at once where it is wanted, else after as long as the last answer says. */

export class Poll {
  readonly #ask: () => Promise<number>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #wanted = Infinity; // milliseconds to wait after the answer that is awaited: it may have been given before they were asked for
  stopped = false;

  /** `ask` never rejects; it gives the milliseconds until it wants to be called again, or Infinity. */
  constructor(ask: () => Promise<number>) {
    this.#ask = ask;
  }

  /** Resolved with an answer to what was asked after this call: an older answer never comes after a newer one. */
  now(): Promise<void> {
    if (this.stopped) return Promise.resolve();
    if (this.#asking === null) return (this.#asking = this.#once());
    this.#next ??= this.#asking.then(() => {
      this.#next = null;
      return this.now();
    });
    return this.#next;
  }

  /** Not before that time, but then; never by itself where that is infinite. */
  later(wait: number): void {
    if (this.#asking !== null) return void (this.#wanted = wait);
    clearTimeout(this.#timer);
    if (!this.stopped && wait !== Infinity) this.#timer = setTimeout(() => void this.now(), wait);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.#timer);
  }

  async #once(): Promise<void> {
    clearTimeout(this.#timer);
    this.#wanted = Infinity;
    const wait = Math.min(await this.#ask(), this.#wanted);
    this.#asking = null;
    this.later(wait);
  }
}
