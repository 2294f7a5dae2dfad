/** What an agent of one's own does: its runs, and the messages that want an answer. */
import { Speech, type Write } from "./speech.ts";
import type { ApprovalSignalFrame, ErrorFrame, Reason, Run, RunAckFrame, RunRequest, RunRequestedSignalFrame } from "./types.ts";

const REQUESTS = 100; // that wait for the agent; by then it is far behind, and the oldest have nobody waiting for them any more

/** All that one agent does in one conversation. */
export class Agent {
  private readonly write: Write;
  private readonly runs = new Map<string, Speech>();
  private readonly asked: RunRequestedSignalFrame[] = [];
  private readonly known = new Set<string>();
  private ready = false;
  private closed = false;
  private wake = (): void => {};

  constructor(write: Write) {
    this.write = write;
  }

  run(id: string, replyTo?: string): Run {
    const there = this.runs.get(id);
    if (there) return there;
    const run = new Speech(this.write, id, replyTo);
    this.runs.set(id, run);
    if (this.ready) run.up();
    return run;
  }

  async *requests(): AsyncGenerator<RunRequest, void, undefined> {
    while (!this.closed || this.asked.length > 0) {
      const next = this.asked.shift();
      if (next === undefined) {
        await new Promise<void>((resolve) => (this.wake = resolve));
        continue;
      }
      const { type: _, ...fields } = next;
      yield { ...fields, run: () => this.run(next.run_id, next.message_id) };
    }
  }

  /** A message wants an answer. A connection that is made again may hear of it again. */
  request(frame: RunRequestedSignalFrame): void {
    if (this.known.has(frame.run_id)) return;
    this.known.add(frame.run_id);
    if (this.known.size > 10 * REQUESTS) this.known.delete(this.known.values().next().value!);
    this.asked.push(frame);
    if (this.asked.length > REQUESTS) this.asked.shift();
    this.wake();
  }

  acknowledge(frame: RunAckFrame): void {
    if (this.runs.get(frame.run_id)?.acknowledge(frame)) this.runs.delete(frame.run_id);
  }

  decided(frame: ApprovalSignalFrame): void {
    this.runs.get(frame.run_id)?.decided(frame);
  }

  cancel(id: string): void {
    this.runs.get(id)?.cancel();
  }

  /** Whether the refusal was of one of these runs. */
  refuse(frame: ErrorFrame): boolean {
    const run = this.runs.get(frame.run_id ?? "");
    if (run?.refuse(frame)) this.runs.delete(run.id);
    return run !== undefined;
  }

  /** The connection has caught up. */
  up(): void {
    if (this.ready) return;
    this.ready = true;
    for (const run of this.runs.values()) run.up();
  }

  down(): void {
    this.ready = false;
    for (const run of this.runs.values()) run.down();
  }

  /** Nothing more can be said here. */
  refuseAll({ code, error }: Reason): void {
    for (const run of this.runs.values()) run.fail({ code, error, temporary: false });
    this.runs.clear();
  }

  close(reason: Reason): void {
    this.closed = true;
    this.refuseAll(reason);
    this.wake();
  }
}
