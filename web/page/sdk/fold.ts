/** Messages as they are now: what was sent, and what was done to it since. */
import type { Change, ChangeEvent, Event, Json, Message, MessageDeleted, OutgoingChange } from "./types.ts";

const SHOWN = 20; // participants of a reaction that a message names

/** Something done to a message, by an event or not yet. `metadata` of an edit is all that the message has from then on. */
type Deed = (Exclude<Change, { type: "message_edited" }> | Edit) & { by: string; timestamp: string; next?: string };
type Edit = { type: "message_edited"; content?: string; revision: number; mentions?: readonly string[]; metadata?: Json };

/** The message after an event; the same object where that changes nothing, or is part of it already. */
export function changed(message: Message, event: Event): Message {
  if (event.sequence_id <= asOf(message)) return message;
  const next = after(message, event);
  return next === message ? message : { ...next, as_of: event.sequence_id };
}

/** The message as it will be once what this person has done to it is stored. */
export function foreseen(message: Message, changes: readonly OutgoingChange[], me: string): Message {
  const mine = changes.filter(({ message_id, state, receipt }) => {
    const part = (receipt?.sequence_id ?? Infinity) <= asOf(message);
    return message_id === message.message_id && state !== "refused" && state !== "held" && !part;
  });
  return mine.reduce((before, { change, queued_at }) => wanted(before, change, me, queued_at), message);
}

function wanted(message: Message, change: Change, me: string, at: number): Message {
  const by = { by: me, timestamp: new Date(at).toISOString() };
  if (change.type !== "message_edited") return done(message, { ...change, ...by });
  const { revision: _, metadata, ...edit } = change;
  const kept = metadata === undefined ? message.metadata : (metadata ?? undefined);
  return done(message, { ...edit, ...by, revision: (message.revision ?? 1) + 1, ...(kept && { metadata: kept }) });
}

/** The messages that an event changes: one, and for a reply the root of its thread. */
export function targetsOf(event: Event): string[] {
  if (event.type === "message") return event.message.thread_id === undefined ? [] : [event.message.thread_id];
  if (!isChange(event)) return [];
  const root = event.type === "message_deleted" ? event.thread_id : undefined;
  return root === undefined ? [event.message_id] : [event.message_id, root];
}

/** Whether the event changes an earlier message. */
export function isChange(event: Event): event is ChangeEvent {
  return CHANGES.has(event.type);
}

const CHANGES = new Set(["message_edited", "message_deleted", "reaction_added", "reaction_removed", "message_pinned", "message_unpinned"]);

/**
 * Messages by their ids, as the events say that have been taken in. Live events and pages of the log may come in any order, as long as
 * no event between two that were taken is missing. With a bound the oldest are forgotten.
 */
export class Messages {
  private readonly known = new Map<string, Message>();
  /** What was done to messages that are not known, which may be on a page to come. */
  private readonly early = new Map<string, Event[]>();
  private readonly bound: number;

  constructor(bound = Infinity) {
    this.bound = bound;
  }

  get(id: string): Message | undefined {
    return this.known.get(id);
  }

  /** Take in events; the ids of the messages that are new or look different. */
  take(events: readonly Event[]): Set<string> {
    const touched = new Set<string>();
    for (const event of events) {
      if (event.type === "message" && this.add(event.message)) touched.add(event.message.message_id);
      for (const id of targetsOf(event)) if (this.change(id, event)) touched.add(id);
    }
    return touched;
  }

  clear(): void {
    this.known.clear();
    this.early.clear();
  }

  private add(message: Message): boolean {
    const id = message.message_id;
    const before = this.known.get(id);
    if (before !== undefined && asOf(before) >= asOf(message)) return false;
    const early = (this.early.get(id) ?? []).sort((a, b) => a.sequence_id - b.sequence_id);
    this.early.delete(id);
    put(this.known, id, early.reduce(changed, message), this.bound);
    return true;
  }

  private change(id: string, event: Event): boolean {
    const before = this.known.get(id);
    if (before === undefined) {
      put(this.early, id, [...(this.early.get(id) ?? []), event], this.bound);
      return false;
    }
    const next = changed(before, event);
    if (next !== before) this.known.set(id, next);
    return next !== before;
  }
}

/** The last event that is part of a message. */
function asOf(message: Message): number {
  return message.as_of ?? message.sequence_id;
}

function after(message: Message, event: Event): Message {
  const id = message.message_id;
  if (event.type === "message") return event.message.thread_id === id ? replied(message, event.message.timestamp) : message;
  if (!isChange(event)) return message;
  if (event.message_id === id) return done(message, event);
  return (event as MessageDeleted).thread_id === id ? replied(message) : message;
}

function done(message: Message, deed: Deed): Message {
  switch (deed.type) {
    case "message_edited":
      return edited(message, deed, deed.timestamp);
    case "message_deleted":
      return deleted(message);
    case "reaction_added":
      return reacted(message, deed.emoji, deed.by);
    case "reaction_removed":
      return unreacted(message, deed.emoji, deed.by, deed.next);
    case "message_pinned":
      return { ...message, pinned: true };
    case "message_unpinned": {
      const { pinned: _, ...rest } = message;
      return rest;
    }
  }
}

function edited(message: Message, { content, revision, mentions, metadata }: Edit, at: string): Message {
  const { mentions: _, metadata: __, ...rest } = message;
  if (content === undefined) return { ...message, revision }; // a later event deletes it
  const more = { ...(mentions?.length && { mentions: [...mentions] }), ...(metadata && { metadata }) };
  return { ...rest, content, revision, edited_at: at, ...more };
}

/** Its place, its sender, its time and the thread under it stay. */
function deleted(message: Message): Message {
  const { mentions, metadata, usage, results, files, edited_at, reactions, pinned, ...rest } = message;
  return { ...rest, content: "", deleted: true };
}

function reacted(message: Message, emoji: string, who: string): Message {
  const { count, participants } = message.reactions?.[emoji] ?? { count: 0, participants: [] };
  if (participants.includes(who)) return message;
  // Where some have fallen out of those named, nobody here knows who comes next.
  const named = participants.length === count && count < SHOWN ? [...participants, who] : participants;
  return { ...message, reactions: { ...message.reactions, [emoji]: { count: count + 1, participants: named } } };
}

/** `next` is who is named from now on in the place of somebody who was. */
function unreacted(message: Message, emoji: string, who: string, next?: string): Message {
  const { [emoji]: kind, ...others } = message.reactions ?? {};
  if (kind === undefined) return message;
  const left = { count: kind.count - 1, participants: [...kind.participants.filter((id) => id !== who), ...(next === undefined ? [] : [next])] };
  // In its place among the others.
  if (left.count > 0) return { ...message, reactions: { ...message.reactions, [emoji]: left } };
  const { reactions: _, ...rest } = message;
  return Object.keys(others).length ? { ...rest, reactions: others } : rest;
}

/** The root with one reply more, or without a time with one less. */
function replied(root: Message, at?: string): Message {
  const { replies, last_at } = root.thread ?? { replies: 0, last_at: "" };
  return { ...root, thread: at === undefined ? { replies: Math.max(0, replies - 1), last_at } : { replies: replies + 1, last_at: at } };
}

function put<T>(map: Map<string, T>, id: string, value: T, bound: number): void {
  map.set(id, value);
  if (map.size > bound) map.delete(map.keys().next().value!);
}
