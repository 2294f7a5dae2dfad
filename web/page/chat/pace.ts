/** How long until the list is asked for again: soon while somebody looks at it, ever later while nobody does. */

const SEEN = 20_000; // milliseconds: what no socket tells is that old at most
const HIDDEN = 300_000; // likewise in a tab out of sight, in the end; looked at again, it is asked for at once

export class Pace {
  #last = 0;

  /** Milliseconds. */
  next(hidden: boolean): number {
    return (this.#last = hidden ? Math.min(HIDDEN, Math.max(SEEN, this.#last * 2)) : SEEN);
  }
}
