/** The answers in the making of one conversation, as they are shown and read out. */

import { computed, signal, type ReadonlySignal } from "@preact/signals";
import type { Event, Message, OpenRun, Role } from "../sdk/types.ts";
import { Aloud } from "./aloud.ts";
import { askedBy, makingOf, type Reader, runsOf, toldOf, withRuns } from "./answers.ts";
import { inWords } from "./asking.ts";
import type { Call } from "./calls.ts";
import { describe, inLine } from "./notice.ts";
import type { Row } from "./timeline.ts";

/** Of a room, what its answers need. */
export interface Place {
  readonly me: string;
  readonly events: ReadonlySignal<readonly Event[]>;
  readonly names: ReadonlySignal<ReadonlyMap<string, string>>;
  readonly role: ReadonlySignal<Role | undefined>;
}

export class Answering {
  readonly #runs = signal<readonly OpenRun[]>([]);
  readonly #told = computed(() => toldOf(this.#place.events.value));
  readonly #aloud = new Aloud();
  readonly #place: Place;
  readonly #say: (text: string) => void;
  readonly #waits: (calls: readonly Call[]) => void;

  /** `say` reads out; `waits` is told of all calls that wait for the reader as the one whom the run answers, after every change. */
  constructor(place: Place, say: (text: string) => void, waits: (calls: readonly Call[]) => void) {
    this.#place = place;
    this.#say = say;
    this.#waits = waits;
  }

  /** These rows of the main log or of a thread, and those of what is in the making there. */
  after(rows: readonly Row[], thread?: string): readonly Row[] {
    const runs = runsOf(thread, this.#runs.value, this.#told.value);
    return withRuns(rows, runs, this.#told.value, this.#reader(), Date.now());
  }

  take(runs: readonly OpenRun[]): void {
    this.#runs.value = runs;
    const calls: Call[] = [];
    for (const run of runs) {
      const name = this.#place.names.value.get(run.participant_id) ?? "An agent";
      const started = this.#told.value.started.get(run.run_id);
      const { asking, mine } = makingOf(run, started, this.#reader());
      const fresh = this.#aloud.waits(run);
      const news = [this.#aloud.grown(run, name), fresh && asking ? inWords(name, asking, mine) : ""];
      if (news.some(Boolean)) this.#say(news.filter(Boolean).join(" "));
      if (asking && askedBy(run, started) === this.#place.me) calls.push({ id: asking.id, name, tool: asking.tool, fresh });
    }
    this.#waits(calls);
  }

  #reader(): Reader {
    const { me, role, names } = this.#place;
    return { me, owner: role.value === "owner", names: names.value };
  }

  /** An event has come, just now if it is `live`. */
  happened(event: Event, live: boolean): void {
    if (event.type !== "run_failed") return;
    this.#aloud.forget(event.run_id);
    if (live) this.#say(inLine(describe(event, this.#place.me, this.#place.names.value)));
  }

  /** What was not read out yet of a message that was in the making; null where nothing was. */
  rest(message: Message): string | null {
    return this.#aloud.rest(message);
  }
}
