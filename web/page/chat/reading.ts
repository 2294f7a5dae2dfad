/** How far the reader has read a room and its threads, as they have told the server. */

import type { Conversation } from "../sdk/types.ts";

export class Reading {
  /** The reader has marked something as unread, which holds until they come again. */
  held = false;
  #read = 0;
  readonly #conversation: () => Conversation;

  constructor(conversation: () => Conversation) {
    this.#conversation = conversation;
  }

  /** The reader has seen this far. */
  seen(sequence: number): void {
    if (sequence <= this.#read || this.held) return;
    this.#read = sequence;
    this.#conversation().read(sequence);
  }

  /** They have seen so much of a thread. */
  seenThread(thread: string, sequence: number): void {
    if (sequence > 0) this.#conversation().read(sequence, thread);
  }

  /** What follows this is new to them again, here and on their other devices. */
  unreadAfter(sequence: number): void {
    this.held = true;
    this.#read = sequence;
    this.#conversation().unread(sequence);
  }

  /** They have read that far elsewhere. */
  told(sequence: number): void {
    this.#read = Math.max(this.#read, sequence);
  }

  /** The log is another one. */
  forget(): void {
    this.#read = 0;
  }
}
