/** Arranges what was said and what waits to be sent into the rows that a reader sees. Plain functions, no page. */

import { foreseen } from "../sdk/fold.ts";
import type { Event, GivenFile, Message, MessageEvent, Outgoing, OutgoingChange, Result } from "../sdk/types.ts";
import type { Asking } from "./asking.ts";
import { belongs, isInLog, isShown } from "./belonging.ts";
import { describe, type Told, type Words } from "./notice.ts";
import { type ToolUse, toolsOf } from "./usage.ts";

/** A message as shown, with or without its receipt. */
export interface Said {
  kind: "said";
  key: string;
  /** Undefined until the receipt is here. */
  sequence?: number;
  id?: string;
  sender: string;
  name: string;
  agent: boolean;
  own: boolean;
  content: string;
  /** Milliseconds since the epoch. */
  at: number;
  reply_to?: string;
  /** It names the reader. */
  mentioned: boolean;
  /** The first of a group by one sender: it carries the name. */
  first: boolean;
  /** The last of a group: it carries the time. */
  last: boolean;
  outgoing?: Outgoing;
  /** The run of an agent that it is of. */
  run?: string;
  /** An answer in the making. */
  making?: Making;
  /** How the answer of an agent has ended, where it was not complete. */
  status?: "cancelled" | "interrupted";
  /** What it has used, as its agent says. */
  usage?: Message["usage"];
  /** The tools that it has used. */
  tools?: readonly ToolUse[];
  /** What it points to. */
  results?: readonly Result[];
  /** The reader may ask for another answer. */
  again?: boolean;
  /** Who reads. */
  me: string;
  /** 1 before the first edit. */
  revision: number;
  /** When it was edited last, in milliseconds since the epoch. */
  edited?: number;
  /** The reader's own edit that waits, or was refused. */
  edit?: OutgoingChange;
  reactions?: NonNullable<Message["reactions"]>;
  thread?: NonNullable<Message["thread"]>;
  /** It is a reply in the thread of this message. */
  thread_id?: string;
  files?: readonly GivenFile[];
  pinned?: boolean;
  /** Only its place is left; `undo`: the reader has deleted it a moment ago, and it can be had back. */
  gone?: "deleted" | "undo";
}

export interface Making {
  /** What the agent does since it has said the last of this. */
  doing?: string;
  /** What it waits for. */
  asking?: Asking;
  /** The reader may end it, and decides about what it waits for. */
  mine: boolean;
}

export interface Notice {
  kind: "notice";
  key: string;
  sequence: number;
  text: Words;
  at: number;
}

export interface Day {
  kind: "day";
  key: string;
  at: number;
}

export interface Unread {
  kind: "unread";
  key: string;
}

export type Row = Said | Notice | Day | Unread;

export interface View {
  me: string;
  /** The last sequence that was read before the room was opened; null shows no marker. */
  readBefore: number | null;
  /** Whether there is more above: then the first day has begun further up, and has no heading here. */
  more: boolean;
  /** Sequences that were once the first on the screen. They go on beginning a group, so that nothing moves when more comes above. */
  starts: ReadonlySet<number>;
  /** What the members are called, by their ids. */
  names: ReadonlyMap<string, string>;
  /** What the reader has done to messages and waits. */
  changes?: readonly OutgoingChange[];
  /** The ids or keys of messages that the reader has deleted a moment ago. */
  deleting?: ReadonlySet<string>;
  /** The root, where a thread is arranged and not the main log. */
  thread?: string;
}

/** Longer than this and the same sender begins a new group. */
const GROUP = 5 * 60_000;

/** All rows, oldest first. */
export function arrange(
  events: readonly Event[],
  outbox: readonly Outgoing[],
  view: View,
): Row[] {
  const rows: Row[] = [];
  const stored = new Set<string>();
  let day = view.more && events[0] ? dayOf(events[0]) : "";
  let marked = view.readBefore === null;
  for (const event of events) {
    if (event.type === "message" && event.message.sender_id === view.me) stored.add(keyOf(event, true));
    if (!isShown(event, view)) continue;
    const at = timeOf(event);
    day = separate(rows, day, at);
    const row = event.type === "message" ? said(event, view, at) : notice(event as Told, view, at);
    if (!marked && event.sequence_id > (view.readBefore ?? 0) && !(row.kind === "said" && row.own)) {
      rows.push({ kind: "unread", key: "unread" });
      marked = true;
    }
    rows.push(row);
  }
  for (const outgoing of outbox) {
    const { key, thread_id, also_in_channel } = outgoing;
    if (stored.has(key) || !belongs({ thread_id, also_in_channel }, view)) continue;
    day = separate(rows, day, outgoing.queued_at);
    rows.push(waiting(outgoing, view));
  }
  group(rows, view.starts);
  return rows;
}

/** A message in one line, without the marks of its Markdown. */
export function plain(text: string): string {
  return text
    .replace(/```\w*/g, " ")
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/(\*\*|__|~~|`)(.+?)\1/g, "$2")
    .replace(/(^|\s)[*_](\S[^*_]*)[*_](?=\W|$)/g, "$1$2")
    .replace(/^\s*(?:#{1,6}|>|[-*+])\s+/gm, "")
    .replace(/\s+/g, " ")
    .trim();
}

/** The sequence after which `unread` messages follow, going back from the end. */
export function readBefore(events: readonly Event[], unread: number): number | null {
  if (unread <= 0) return null;
  let left = unread;
  for (let at = events.length - 1; at >= 0; at--) {
    const event = events[at]!;
    const counts = event.type === "message" && !event.message.deleted && isInLog(event.message);
    if (counts && --left === 0) return event.sequence_id - 1;
  }
  return events.length ? events[0]!.sequence_id - 1 : null;
}

/** The title that the events tell of: the newest change of it, or the one it began with. */
export function titleOf(events: readonly Event[]): string | undefined {
  for (let at = events.length - 1; at >= 0; at -= 1) {
    const event = events[at]!;
    if (event.type === "conversation_created" || (event.type === "conversation_updated" && event.title !== undefined)) return event.title;
  }
  return undefined;
}

function separate(rows: Row[], day: string, at: number): string {
  const next = new Date(at).toDateString();
  if (next !== day) rows.push({ kind: "day", key: `day ${next}`, at });
  return next;
}

function dayOf(event: Event): string {
  return new Date(timeOf(event)).toDateString();
}

function timeOf(event: Event): number {
  return Date.parse(event.type === "message" ? event.message.timestamp : event.timestamp);
}

function said(event: MessageEvent, view: View, at: number): Said {
  const { me, changes = [], deleting } = view;
  const message = foreseen(event.message, changes, me);
  const own = message.sender_id === me;
  const key = keyOf(event, own);
  const edit = changes.findLast((each) => each.message_id === message.message_id && isOpenEdit(each));
  const undo = deleting?.has(message.message_id) || deleting?.has(key);
  const tools = message.run_id ? toolsOf(message.metadata) : [];
  return {
    kind: "said",
    key,
    sequence: event.sequence_id,
    id: message.message_id,
    sender: message.sender_id,
    name: message.sender_name,
    agent: message.sender_type === "agent",
    own,
    content: message.content,
    at,
    ...(message.reply_to ? { reply_to: message.reply_to } : {}),
    mentioned: message.sender_id !== me && (message.mentions?.includes(me) ?? false),
    first: true,
    last: true,
    ...(message.run_id ? { run: message.run_id } : {}),
    ...(message.status && message.status !== "complete" ? { status: message.status } : {}),
    ...(message.usage ? { usage: message.usage } : {}),
    ...(tools.length ? { tools } : {}),
    ...(message.results?.length ? { results: message.results } : {}),
    me,
    revision: message.revision ?? 1,
    ...(message.edited_at && { edited: Date.parse(message.edited_at) }),
    ...(edit && { edit }),
    ...(message.reactions && { reactions: message.reactions }),
    ...(message.thread?.replies && { thread: message.thread }),
    ...(message.thread_id && { thread_id: message.thread_id }),
    ...(message.files?.length && !message.deleted && { files: message.files }),
    ...(message.pinned && { pinned: true }),
    ...(message.deleted ? { gone: "deleted" as const } : undo ? { gone: "undo" as const } : {}),
  };
}

/** Whether it is an edit that is not part of its message yet. */
function isOpenEdit({ change, state }: OutgoingChange): boolean {
  return change.type === "message_edited" && state !== "sent";
}

/** A row keeps its key from the first keystroke, or from the start of its run, to the message and beyond, so it never blinks. */
function keyOf({ sequence_id, message: { client_message_id, run_id } }: MessageEvent, own: boolean): string {
  if (own && client_message_id) return client_message_id;
  return run_id ? runKey(run_id) : `#${sequence_id}`;
}

export function runKey(id: string): string {
  return `run ${id}`;
}

function waiting(outgoing: Outgoing, { me, changes = [], deleting }: View): Said {
  const edits = changes.filter((each) => each.message_key === outgoing.key && isOpenEdit(each));
  const edit = edits.at(-1);
  const last = edits.findLast((each) => each.state !== "refused")?.change;
  return {
    kind: "said",
    key: outgoing.key,
    sender: me,
    name: "",
    agent: false,
    own: true,
    content: last?.type === "message_edited" ? last.content : outgoing.content,
    at: outgoing.queued_at,
    ...(outgoing.reply_to ? { reply_to: outgoing.reply_to } : {}),
    mentioned: false,
    first: true,
    last: true,
    outgoing,
    me,
    revision: 1,
    ...(outgoing.files?.length && { files: outgoing.files }),
    ...(edit && { edit }),
    ...(outgoing.thread_id && { thread_id: outgoing.thread_id }),
    ...(deleting?.has(outgoing.key) && { gone: "undo" as const }),
  };
}

function notice(event: Told, view: View, at: number): Notice {
  const sequence = event.sequence_id;
  return { kind: "notice", key: `#${sequence}`, sequence, text: describe(event, view.me, view.names), at };
}

/** Neighbours by one sender are one group. */
function group(rows: Row[], starts: ReadonlySet<number>): void {
  for (let at = 1; at < rows.length; at++) {
    const row = rows[at]!;
    const before = rows[at - 1]!;
    if (row.kind !== "said" || before.kind !== "said" || !together(before, row)) continue;
    if (row.sequence !== undefined && starts.has(row.sequence)) continue;
    row.first = false;
    before.last = false;
  }
}

export function together(before: Said, row: Said): boolean {
  return row.sender === before.sender && row.at - before.at <= GROUP;
}
