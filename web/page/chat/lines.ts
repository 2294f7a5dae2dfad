/** The lines of the list, and what changes in them between two looks at the server's. Plain functions, no page. */

import type { ConversationLine, Event, Message } from "../sdk/types.ts";
import { pinnedFirst } from "./preferences.ts";

export type Lines = readonly ConversationLine[];

const PREVIEW = 100; // characters, as the server cuts them

/** With one line changed, in front where its activity is newer; the same lines where that changes nothing. */
export function changed(lines: Lines, id: string, change: (line: ConversationLine) => ConversationLine): Lines {
  const line = lines.find((each) => each.conversation_id === id);
  const next = line && change(line);
  if (next === undefined || next === line) return lines;
  if (next.last_message_at === line!.last_message_at) return lines.map((each) => (each === line ? next : each));
  return pinnedFirst([next, ...lines.filter((each) => each !== line)]);
}

/** What a message makes of its conversation's line; `unread` where nobody has seen it here. */
export function told(line: ConversationLine, message: Message, me: string, unread: boolean): ConversationLine {
  const { timestamp, mentions, files = [] } = message;
  const content = message.content.trim() ? message.content : files.map(({ name }) => name).join(", "); // as the server has it
  if (line.last_message_at !== null && line.last_message_at >= timestamp) return line;
  return {
    ...line,
    last_message_at: timestamp,
    last_message_preview: content.length > PREVIEW ? `${content.slice(0, PREVIEW - 1)}…` : content,
    unread_count: line.unread_count + (unread ? 1 : 0),
    mention_count: (line.mention_count ?? 0) + (unread && mentions?.includes(me) ? 1 : 0),
  };
}

/** What an event makes of the title. */
export function renamed(line: ConversationLine, event: Event): ConversationLine {
  if (event.type !== "conversation_updated" || event.title === undefined || event.title === line.title) return line;
  return { ...line, title: event.title };
}

export function read(line: ConversationLine): ConversationLine {
  return line.unread_count ? { ...line, unread_count: 0, mention_count: 0 } : line;
}

/** What the server has answered, but for what has happened here since it was asked: then the answer is the older word. */
export function merged(answered: Lines, here: Lines, since: ReadonlySet<string>): Lines {
  const ours = new Map(here.map((line) => [line.conversation_id, line]));
  const newer: ConversationLine[] = [];
  const rest = answered.flatMap((line) => {
    const own = since.has(line.conversation_id) ? ours.get(line.conversation_id) : undefined;
    if (own === undefined || at(line) > at(own)) return [line];
    const { last_message_at, last_message_preview, unread_count, mention_count } = own;
    const kept = { ...line, last_message_at, last_message_preview, unread_count, mention_count };
    return at(line) === at(own) ? [kept] : (newer.push(kept), []);
  });
  return pinnedFirst([...newer.sort((a, b) => (at(a) < at(b) ? 1 : -1)), ...rest]);
}

function at(line: ConversationLine): string {
  return line.last_message_at ?? "";
}
