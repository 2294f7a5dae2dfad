/** What the reader does to messages: edits, deletions that can be undone for a while, reactions, pins. */

import { batch, signal } from "@preact/signals";
import type { Conversation, OutgoingChange } from "../sdk/types.ts";
import type { Said } from "./timeline.ts";
import { said } from "./words.ts";

export const UNDO = 5000; // milliseconds in which a deletion can be undone

/** There is no message any more to which an edit could stay. */
const GONE = new Set(["MESSAGE_DELETED", "NOT_FOUND"]);

/** The message that is in the field in place of a new one. */
export interface Editing {
  /** Its id, or its key while it has none. */
  id: string;
  content: string;
  revision: number;
}

export class Deeds {
  /** Those on their way, and edits that were refused. */
  readonly changes = signal<readonly OutgoingChange[]>([]);
  readonly editing = signal<Editing | null>(null);
  /** The messages whose deletion can still be undone. */
  readonly deleting = signal<ReadonlySet<string>>(new Set());
  readonly #timers = new Map<string, number>();
  readonly #conversation: Conversation;
  readonly #refused: (text: string) => void;

  constructor(conversation: Conversation, refused: (text: string) => void) {
    this.#conversation = conversation;
    this.#refused = refused;
    this.changes.value = conversation.changes;
    conversation.on("changes", (changes) => this.#take(changes));
  }

  edit(row: Said): void {
    this.editing.value = { id: row.id ?? row.key, content: row.content, revision: row.revision };
  }

  /** What the field has now becomes the message. Throws `Refused`. */
  save({ id, content, revision }: Editing, text: string, mentions: readonly string[]): void {
    // What is based on an edit that waits is based on what nobody has seen yet.
    const waits = this.changes.value.some((each) => (each.message_id ?? each.message_key) === id && each.change.type === "message_edited");
    const stored = id.startsWith(`${this.#conversation.id}-`);
    if (text !== content) this.#conversation.edit(id, text, { mentions, ...(stored && !waits && { revision }) });
    this.editing.value = null;
  }

  toggle(row: Said, emoji: string): void {
    const mine = row.reactions?.[emoji]?.participants.includes(row.me) ?? false;
    this.#try(() => (mine ? this.#conversation.unreact(row.id!, emoji) : this.#conversation.react(row.id!, emoji)));
  }

  react(row: Said, emoji: string): void {
    this.#try(() => this.#conversation.react(row.id!, emoji));
  }

  pin(row: Said): void {
    this.#try(() => (row.pinned ? this.#conversation.unpin(row.id!) : this.#conversation.pin(row.id!)));
  }

  unpin(id: string): void {
    this.#try(() => this.#conversation.unpin(id));
  }

  /** It is deleted in a while, unless that is undone. */
  remove(row: Said): void {
    const id = row.id ?? row.key;
    if (this.#timers.has(id)) return;
    this.#timers.set(id, window.setTimeout(() => this.#removeNow(id), UNDO));
    batch(() => {
      if (this.editing.value?.id === id) this.editing.value = null;
      this.deleting.value = new Set(this.#timers.keys());
    });
  }

  undo(row: Said): void {
    for (const id of [row.id, row.key]) this.#forget(id ?? "");
  }

  /** The page goes: what was to be deleted is, now. */
  finish(): void {
    for (const id of [...this.#timers.keys()]) this.#removeNow(id);
  }

  retry(key: string): void {
    this.#conversation.retry(key);
  }

  discard(key: string): void {
    this.#conversation.discard(key);
  }

  #removeNow(id: string): void {
    this.#try(() => this.#conversation.delete(id));
    this.#forget(id);
  }

  #forget(id: string): void {
    if (!this.#timers.has(id)) return;
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.deleting.value = new Set(this.#timers.keys());
  }

  /** An edit that was refused stays with its message, since somebody has written it; of anything else a word is enough. */
  #take(changes: readonly OutgoingChange[]): void {
    this.changes.value = changes;
    for (const { key, state, change, refusal } of changes) {
      if (state !== "refused" || (change.type === "message_edited" && !GONE.has(refusal?.code ?? ""))) continue;
      this.#refused(refusal?.error ?? "The server did not take it.");
      this.#conversation.discard(key);
    }
  }

  #try(act: () => unknown): void {
    try {
      act();
    } catch (error) {
      this.#refused(said(error));
    }
  }
}
