/** The events of a conversation, each once and in order: what is missing, what came twice, what has to be asked for. */
import type { ConnectedFrame, Event } from "./types.ts";

const HELD = 2000; // events that wait for one before them; what a server sends at once is half of it

/** Of a `connected` frame, what says where the events begin. */
export type Connected = Pick<ConnectedFrame, "epoch" | "head_sequence_id" | "first_sequence_id" | "resume">;

export type Opening =
  | { is: "continued" }
  | { is: "another log" } // forget everything and connect again, from nowhere
  | { is: "begun anew"; first: number }; // events are left out before this one

export interface Step {
  /** To be given out now. */
  events: Event[];
  /** The position to send a `sync` with. */
  sync?: number;
}

export class Window {
  /** The last event given out; -1 before the first. */
  position: number;
  epoch: string | undefined;
  duplicates = 0;
  gaps = 0;
  private readonly complete: boolean;
  private readonly held = new Map<number, Event>();
  private wanted = -1; // the last event that only the log can still give
  private replaying = false; // a `caught_up` is on its way
  private asked = false; // a sync was sent for the gap that is open

  constructor(position = -1, epoch?: string, complete = true) {
    this.position = position;
    this.epoch = epoch;
    this.complete = complete;
  }

  /** Whether the next event has to be fetched from the log: `after=position`. */
  get pageDue(): boolean {
    return this.position < this.wanted;
  }

  /** Whether everything is there that is known of. */
  get whole(): boolean {
    return !this.pageDue && !this.replaying && this.held.size === 0;
  }

  /** Take in the `connected` of a new socket, or of a `sync` that cannot be answered completely. */
  open(connected: Connected): Opening {
    const { epoch, head_sequence_id: head, resume } = connected;
    const before = (connected.first_sequence_id || head + 1) - 1;
    const changed = this.epoch !== undefined && epoch !== this.epoch;
    this.epoch = epoch;
    if (this.position >= 0 && (changed || head < this.position)) {
      this.forget(-1);
      return { is: "another log" };
    }
    this.replaying = true;
    this.asked = false;
    if (this.position < 0) {
      this.forget(before);
    } else if (resume === "reset" && before > this.position) {
      if (!this.complete) {
        this.forget(before);
        return { is: "begun anew", first: before + 1 };
      }
      this.wanted = Math.max(this.wanted, before);
    }
    return { is: "continued" };
  }

  /** Take in an event from the socket. */
  put(event: Event): Step {
    const number = event.sequence_id;
    if (this.position < 0) this.position = number - 1;
    if (number <= this.position || this.held.has(number)) {
      this.duplicates += 1;
      return { events: [] };
    }
    if (number === this.position + 1) return { events: this.advance(event) };
    this.hold(event);
    return this.pageDue || this.replaying ? { events: [] } : { events: [], sync: this.ask() };
  }

  /** Take in a page of the log; overlap with what is here already is no fault. */
  fill(page: readonly Event[]): Event[] {
    return page.flatMap((event) => (event.sequence_id === this.position + 1 ? this.advance(event) : []));
  }

  /** A replay ended at `head`: the position to sync from where something is still missing. */
  caughtUp(head: number): number | undefined {
    this.replaying = false;
    const missing = this.position >= 0 && (this.held.size > 0 || this.position < head);
    if (missing && !this.asked && !this.pageDue) return this.ask();
    if (missing) this.wanted = Math.max(this.wanted, head, ...this.held.keys()); // the sync did not bring it: the log must
    this.asked = false;
    return undefined;
  }

  /** The position to sync from where a signal was missed; undefined where a replay is under way already. */
  again(): number | undefined {
    return this.replaying || this.position < 0 ? undefined : this.ask();
  }

  /** The log itself does not have what comes next: go on with what there is, whose first event is the answer. */
  skip(): number {
    const first = Math.min(...this.held.keys(), this.wanted + 1);
    this.position = first - 1;
    this.wanted = Math.max(this.wanted, this.position);
    return first;
  }

  /** What was held and follows now; after `skip`. */
  release(): Event[] {
    const released = [];
    for (let next; (next = this.held.get(this.position + 1)) !== undefined; ) {
      this.held.delete(next.sequence_id);
      this.position = next.sequence_id;
      released.push(next);
    }
    return released;
  }

  private advance(event: Event): Event[] {
    this.position = event.sequence_id;
    this.held.delete(event.sequence_id);
    return this.held.size === 0 ? [event] : [event, ...this.release()];
  }

  private hold(event: Event): void {
    if (this.held.size < HELD) this.held.set(event.sequence_id, event);
    else this.wanted = Math.max(this.wanted, event.sequence_id);
  }

  private ask(): number {
    this.gaps += 1;
    this.asked = this.replaying = true;
    return this.position;
  }

  private forget(position: number): void {
    this.position = position;
    this.wanted = -1;
    this.held.clear();
  }
}
