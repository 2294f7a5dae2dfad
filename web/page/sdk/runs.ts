/** The answers in the making of a conversation's agents: their text so far, as events and signals tell. */
import type { DeltaSignalFrame, Event, OpenRun, RunStatusSignalFrame } from "./types.ts";

const ENDED = 1000; // ids of ended runs: a delta that was sent before the end may be read after it

export class Runs {
  /** Who reads: an agent is not told what it says itself. */
  me = "";
  private readonly open = new Map<string, OpenRun>();
  private readonly lengths = new Map<string, number>(); // of their texts, in code points
  private readonly ended = new Set<string>();

  list(): readonly OpenRun[] {
    return [...this.open.values()];
  }

  /** Take in an event; whether it has changed anything. */
  apply(event: Event): boolean {
    if (event.type === "run_started") return this.started(event);
    if (event.type === "run_failed") return this.end(event.run_id);
    return event.type === "message" && event.message.run_id !== undefined && this.end(event.message.run_id);
  }

  /** Take in a text; false where one before it is missing. */
  delta({ run_id, participant_id, offset, text, reply_to, asked_by }: DeltaSignalFrame): boolean {
    if (this.ended.has(run_id)) return true;
    const known = this.lengths.get(run_id) ?? 0;
    if (offset > known) return false;
    const { state: _, label: __, approval: ___, ...run } = this.open.get(run_id) ?? { run_id, participant_id, text: "" };
    const kept = offset === known ? run.text : first(run.text, offset);
    const more = { ...(reply_to !== undefined && { reply_to }), ...(asked_by !== undefined && { asked_by }) };
    this.put({ ...run, ...more, text: kept + text }, offset + points(text));
    return true;
  }

  /** Take in what an agent does while it says nothing; whether its run is known. */
  status({ run_id, state, label, approval }: RunStatusSignalFrame): boolean {
    const run = this.open.get(run_id);
    if (run === undefined) return false;
    const { label: _, approval: __, ...rest } = run;
    const more = { ...(label !== undefined && { label }), ...(approval !== undefined && { approval }) };
    this.put({ ...rest, state, ...more }, this.lengths.get(run_id)!);
    return true;
  }

  /** Forget the open ones: the log is another, or their ends may have been left out; whether there were any. */
  clear(): boolean {
    const any = this.open.size > 0;
    this.open.clear();
    this.lengths.clear();
    return any;
  }

  private started({ run_id, participant_id, reply_to, asked_by, thread_id, timestamp }: Extract<Event, { type: "run_started" }>): boolean {
    if (this.ended.has(run_id) || participant_id === this.me) return false;
    const run = this.open.get(run_id) ?? { run_id, participant_id, text: "" };
    const asked = { ...(reply_to !== undefined && { reply_to }), ...(asked_by !== undefined && { asked_by }) };
    const more = { ...asked, ...(thread_id !== undefined && { thread_id }), timestamp };
    this.put({ ...run, ...more }, this.lengths.get(run_id) ?? 0);
    return true;
  }

  private end(id: string): boolean {
    this.ended.add(id);
    if (this.ended.size > ENDED) this.ended.delete(this.ended.values().next().value!);
    this.lengths.delete(id);
    return this.open.delete(id);
  }

  private put(run: OpenRun, length: number): void {
    this.open.set(run.run_id, run);
    this.lengths.set(run.run_id, length);
  }
}

/** How many Unicode code points a text has. */
export function points(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** The first code points of a text. */
export function first(text: string, count: number): string {
  let end = 0;
  for (let left = count; left > 0 && end < text.length; left -= 1) end += text.codePointAt(end)! > 0xffff ? 2 : 1;
  return text.slice(0, end);
}
