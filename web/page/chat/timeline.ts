/** Arranges what was said and what waits to be sent into the rows that a reader sees. Plain functions, no page. */

import type { Event, Message, MessageEvent, Outgoing, RunFailed, RunReason, RunStarted, Trigger } from "../sdk/types.ts";

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
  /** The reader may ask for another answer. */
  again?: boolean;
}

export interface Making {
  /** What the agent does since it has said the last of this. */
  doing?: string;
  /** The reader may end it. */
  mine: boolean;
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
  /** Sequences that were once the first on the screen. They go on beginning a group, so that nothing moves when more comes above. */
  starts: ReadonlySet<number>;
  /** What the members are called, by their ids. */
  names: ReadonlyMap<string, string>;
}

/** What is said in words; messages are shown, and a run is from its first word on. */
export type Told = Exclude<Event, MessageEvent | RunStarted>;

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
    if (event.type === "run_started") continue; // it is shown as long as it is open
    const at = timeOf(event);
    day = separate(rows, day, at);
    const row = event.type === "message" ? said(event, view.me, at) : notice(event, view, at);
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
export function describe(event: Told, me: string, names: ReadonlyMap<string, string> = new Map()): Words {
  if (event.type === "run_failed") return failed(event, names);
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
  if (event.type === "agent_updated") {
    const agent = { name: names.get(event.participant_id) ?? event.participant_id };
    return [agent, ANSWERS[event.trigger]];
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

const ANSWERS: Record<Trigger, string> = {
  auto: " answers where it is alone with somebody, mentioned or replied to, from here on",
  mention: " answers where it is mentioned, from here on",
  always: " answers every message from here on",
  never: " answers nothing from here on",
};

const FAILURES: Record<RunReason, string> = {
  timeout: " could not answer: it took too long.",
  upstream: " could not answer: a service that it needs has failed.",
  budget: " could not answer: its budget is used up.",
  cancelled: " was stopped before it said anything.",
  interrupted: " could not answer: it was interrupted.",
};

function failed({ participant_id, reason }: RunFailed, names: ReadonlyMap<string, string>): Words {
  return [{ name: names.get(participant_id) ?? "An agent" }, FAILURES[reason] ?? " could not answer."];
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

/** The title that the events tell of: the newest change of it, or the one it began with. */
export function titleOf(events: readonly Event[]): string | undefined {
  for (let at = events.length - 1; at >= 0; at -= 1) {
    const event = events[at]!;
    if (event.type === "conversation_created" || (event.type === "conversation_updated" && event.title !== undefined)) return event.title;
  }
  return undefined;
}

/** A sentence as one text. */
export function inLine(words: Words): string {
  return words.map((part) => (typeof part === "string" ? part : part.name)).join("");
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
    key: keyOf(event, own),
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
  };
}

/** A row keeps its key from the first keystroke, or from the start of its run, to the message and beyond, so it never blinks. */
function keyOf({ sequence_id, message: { client_message_id, run_id } }: MessageEvent, own: boolean): string {
  if (own && client_message_id) return client_message_id;
  return run_id ? runKey(run_id) : `#${sequence_id}`;
}

export function runKey(id: string): string {
  return `run ${id}`;
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
