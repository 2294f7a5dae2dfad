/** Fetches over HTTP what only the log can still give, page by page. */
import { Refused } from "./refused.ts";
import type { Event, Events } from "./types.ts";
import { Backoff, judgeRefusal } from "./verdict.ts";
import type { Window } from "./window.ts";

/** Whose pages they are. */
export interface Reader {
  /** The events after a position. Throws `Refused`. */
  fetch(after: number): Promise<Events>;
  /** Names the connection: what belongs to an earlier one is ignored. */
  attempt(): number;
  give(events: readonly Event[]): void;
  /** The log does not have what comes next. */
  skip(): void;
  refused(error: unknown): void;
  done(): void;
}

export class Pages {
  private readonly window: Window;
  private readonly reader: Reader;
  private readonly pause = new Backoff();
  private busy = false;

  constructor(window: Window, reader: Reader) {
    this.window = window;
    this.reader = reader;
  }

  down(): void {
    this.busy = false;
  }

  async fetch(): Promise<void> {
    if (this.busy || !this.window.pageDue) return;
    this.busy = true;
    const attempt = this.reader.attempt();
    const stale = (): boolean => attempt !== this.reader.attempt();
    while (!stale() && this.window.pageDue) {
      const after = this.window.position;
      try {
        const { events } = await this.reader.fetch(after);
        if (stale()) return;
        this.pause.reset();
        this.reader.give(this.window.fill(events));
        if (this.window.position === after) this.reader.skip();
      } catch (error) {
        if (stale()) return;
        const verdict = error instanceof Refused ? judgeRefusal(error.refusal, error.status) : undefined;
        if (verdict?.comeBack !== true) return this.reader.refused(error);
        await new Promise((resolve) => setTimeout(resolve, this.pause.delay(verdict.retryAfter)));
      }
    }
    if (stale()) return;
    this.busy = false;
    this.reader.done();
  }
}
