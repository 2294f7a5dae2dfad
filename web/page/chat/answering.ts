/** The answers in the making of one conversation, as they are shown and read out. */

import { computed, signal, type ReadonlySignal } from "@preact/signals";
import type { Event, Message, OpenRun, Role } from "../sdk/types.ts";
import { Aloud } from "./aloud.ts";
import { makingOf, type Reader, toldOf, withRuns } from "./answers.ts";
import { inWords } from "./asking.ts";
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

  /** `say` reads out. */
  constructor(place: Place, say: (text: string) => void) {
    this.#place = place;
    this.#say = say;
  }

  /** These rows, and those of what is in the making. */
  after(rows: readonly Row[]): readonly Row[] {
    return withRuns(rows, this.#runs.value, this.#told.value, this.#reader(), Date.now());
  }

  take(runs: readonly OpenRun[]): void {
    this.#runs.value = runs;
    for (const run of runs) {
      const name = this.#place.names.value.get(run.participant_id) ?? "An agent";
      const news = [this.#aloud.grown(run, name), this.#aloud.waits(run) ? this.#waiting(run, name) : ""];
      if (news.some(Boolean)) this.#say(news.filter(Boolean).join(" "));
    }
  }

  #waiting(run: OpenRun, name: string): string {
    const { asking, mine } = makingOf(run, this.#told.value.started.get(run.run_id), this.#reader());
    return asking ? inWords(name, asking, mine) : "";
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
