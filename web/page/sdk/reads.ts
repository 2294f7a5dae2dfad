/** How far one person has read a conversation and its threads, told again after a drop. */
import type { ClientFrame } from "./types.ts";

const THREADS = 100; // whose positions are kept

export class Reads {
  private readonly write: (frame: ClientFrame) => boolean;
  private position = -1;
  private back = false; // it is to move back, and there was no connection yet to say so
  private readonly threads = new Map<string, number>(); // by root

  constructor(write: (frame: ClientFrame) => boolean) {
    this.write = write;
  }

  read(sequence: number, threadId?: string): void {
    if (threadId !== undefined) return this.thread(sequence, threadId);
    if (sequence <= this.position) return;
    this.position = sequence;
    this.back = false;
    this.write({ type: "read", sequence_id: sequence });
  }

  unread(sequence: number): void {
    this.position = sequence;
    this.back = !this.write({ type: "read", sequence_id: sequence, force: true });
  }

  /** There is a connection again. */
  again(): void {
    if (this.position >= 0) this.write({ type: "read", sequence_id: this.position, ...(this.back && { force: true }) });
    this.back = false;
    for (const [thread_id, sequence_id] of this.threads) this.write({ type: "read", sequence_id, thread_id });
  }

  /** The log is another one. */
  forget(): void {
    this.position = -1;
    this.back = false;
    this.threads.clear();
  }

  private thread(sequence: number, threadId: string): void {
    if (sequence <= (this.threads.get(threadId) ?? -1)) return;
    this.threads.set(threadId, sequence);
    if (this.threads.size > THREADS) this.threads.delete(this.threads.keys().next().value!);
    this.write({ type: "read", sequence_id: sequence, thread_id: threadId });
  }
}
