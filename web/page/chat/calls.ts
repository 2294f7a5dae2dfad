/** The tool calls that wait for this very person: told of once, and marked in the list until they are seen or decided. */

import { signal, type ReadonlySignal } from "@preact/signals";
import type { Environment } from "./environment.ts";
import type { Room } from "./room.ts";

/** A call in a run that answers this person. An owner may decide about those of others too, but is not called for it. */
export interface Call {
  /** What waits, and where: the same in every tab. */
  id: string;
  /** The agent's. */
  name: string;
  tool: string;
  /** It has just been asked about for the first time. */
  fresh: boolean;
}

export class Calls {
  readonly #counts = signal<ReadonlyMap<string, number>>(new Map());
  readonly #open: ReadonlySignal<Room | null>;
  readonly #environment: Environment;

  /** `open` is the conversation on the screen. */
  constructor(open: ReadonlySignal<Room | null>, environment: Environment) {
    this.#open = open;
    this.#environment = environment;
  }

  /** These are all that wait in a conversation. */
  take(room: Room, calls: readonly Call[]): void {
    for (const call of calls) if (call.fresh) this.#environment.called(room, call);
    if ((this.#counts.value.get(room.id) ?? 0) === calls.length) return;
    const counts = new Map(this.#counts.value).set(room.id, calls.length);
    if (calls.length === 0) counts.delete(room.id);
    this.#counts.value = counts;
  }

  /** How many wait in a conversation that nobody looks at. */
  unseen(id: string): number {
    return id === this.#open.value?.id && !this.#environment.away.value ? 0 : (this.#counts.value.get(id) ?? 0);
  }
}
