/** Arranges what was said and what waits to be sent into the rows that a reader sees. Plain functions, no page. */

import type { Event, MessageEvent, Outgoing } from "../sdk/types.ts";

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
  /** The first of a run by one sender: it carries the name. */
  first: boolean;
  /** The last of a run: it carries the time. */
  last: boolean;
  outgoing?: Outgoing;
}

/** A sentence whose names keep their own direction of writing. */
export type Words = readonly (string | { name: string })[];

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
  /** Sequences that were once the first on the screen. They go on beginning a run, so that nothing moves when more comes above. */
  starts: ReadonlySet<number>;
}

/** Longer than this and the same sender begins a new run. */
const RUN = 5 * 60_000;

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
    const at = timeOf(event);
    day = separate(rows, day, at);
    const row = event.type === "message" ? said(event, view.me, at) : notice(event, view.me, at);
    if (row.kind === "said" && row.own) stored.add(row.key);
    if (!marked && event.sequence_id > (view.readBefore ?? 0) && !(row.kind === "said" && row.own)) {
      rows.push({ kind: "unread", key: "unread" });
      marked = true;
    }
    rows.push(row);
  }
  for (const outgoing of outbox) {
    if (stored.has(outgoing.key)) continue;
    day = separate(rows, day, outgoing.queued_at);
    rows.push(waiting(outgoing, view.me));
  }
  group(rows, view.starts);
  return rows;
}

/** What has happened, in words. */
export function describe(event: Exclude<Event, MessageEvent>, me: string): Words {
  if (event.type === "conversation_created") {
    const [owner, ...others] = event.participants;
    const by = owner === undefined ? "Somebody" : you(owner, me, true);
    const along = listed(others.map((who) => (who.id === me ? "you" : who.name)));
    return along ? [by, " began this with ", { name: along }] : [by, " began this conversation"];
  }
  if (event.type === "conversation_updated") {
    if (event.title === undefined) return ["The owner changed what is kept with this conversation"];
    return event.by === me ? ["You renamed this to ", { name: event.title }] : ["This is called ", { name: event.title }, " now"];
  }
  if (event.type === "participant_updated") {
    const called = { name: event.participant.name };
    return event.participant.id === me ? ["You are called ", called, " from here on"] : ["A member is called ", called, " from here on"];
  }
  const who = you(event.participant, me, true);
  if (event.type === "participant_left") return [who, " left"];
  const by = event.invited_by;
  if (by === undefined || by === null || by === event.participant.id) return [who, " joined"];
  if (by === me) return ["You brought ", { name: event.participant.name }, " in"];
  return [who, " joined, by invitation"];
}

/** "Ada", "Ada and Bob", "Ada, Bob and 3 others". */
export function listed(names: readonly string[], shown = 3): string {
  if (names.length <= 1) return names[0] ?? "";
  if (names.length <= shown) return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
  const rest = names.length - shown + 1;
  return `${names.slice(0, shown - 1).join(", ")} and ${rest} others`;
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
    if (event.type === "message" && --left === 0) return event.sequence_id - 1;
  }
  return events.length ? events[0]!.sequence_id - 1 : null;
}

function you(who: { id: string; name: string }, me: string, start: boolean): Words[number] {
  if (who.id !== me) return { name: who.name };
  return start ? "You" : "you";
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

function said(event: Extract<Event, { type: "message" }>, me: string, at: number): Said {
  const message = event.message;
  const own = message.sender_id === me;
  return {
    kind: "said",
    // The own key stays from the first keystroke to the receipt and beyond, so the row never blinks.
    key: own && message.client_message_id ? message.client_message_id : `#${event.sequence_id}`,
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
  };
}

function waiting(outgoing: Outgoing, me: string): Said {
  return {
    kind: "said",
    key: outgoing.key,
    sender: me,
    name: "",
    agent: false,
    own: true,
    content: outgoing.content,
    at: outgoing.queued_at,
    ...(outgoing.reply_to ? { reply_to: outgoing.reply_to } : {}),
    mentioned: false,
    first: true,
    last: true,
    outgoing,
  };
}

function notice(event: Exclude<Event, { type: "message" }>, me: string, at: number): Notice {
  const sequence = event.sequence_id;
  return { kind: "notice", key: `#${sequence}`, sequence, text: describe(event, me), at };
}

/** Neighbours by one sender are one run. */
function group(rows: Row[], starts: ReadonlySet<number>): void {
  for (let at = 1; at < rows.length; at++) {
    const row = rows[at]!;
    const before = rows[at - 1]!;
    if (row.kind !== "said" || before.kind !== "said") continue;
    if (row.sender !== before.sender || row.at - before.at > RUN) continue;
    if (row.sequence !== undefined && starts.has(row.sequence)) continue;
    row.first = false;
    before.last = false;
  }
}
