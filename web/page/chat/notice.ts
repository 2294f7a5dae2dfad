/** What has happened in a conversation, besides what was said, in words. Plain functions, no page. */

import { isChange } from "../sdk/fold.ts";
import type { ChangeEvent, Event, MessageEvent, RunFailed, Role, RunReason, RunStarted, Trigger } from "../sdk/types.ts";

/** A sentence whose names keep their own direction of writing. */
export type Words = readonly (string | { name: string })[];

/** What is said in words; messages are shown, and a run is from its first word on. */
export type Told = Exclude<Event, MessageEvent | RunStarted>;

/** What has happened, in words. */
export function describe(event: Told, me: string, names: ReadonlyMap<string, string> = new Map()): Words {
  if (event.type === "run_failed") return failed(event, names);
  if (isChange(event)) return [event.by === me ? "You" : { name: names.get(event.by) ?? "Somebody" }, deed(event)];
  if (event.type === "conversation_created") {
    const [owner, ...others] = event.participants;
    const by = owner === undefined ? "Somebody" : you(owner, me, true);
    const along = listed(others.map((who) => (who.id === me ? "you" : who.name)));
    return along ? [by, " began this with ", { name: along }] : [by, " began this conversation"];
  }
  if (event.type === "conversation_updated") {
    if (event.title === undefined && event.metadata === undefined) return ["The rules of this conversation have changed"];
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
  if (event.type === "invite_created") return [{ name: names.get(event.by) ?? "Somebody" }, " made an invite"];
  if (event.type === "invite_revoked") return [{ name: names.get(event.by) ?? "Somebody" }, " ended an invite"];
  if (event.type === "participant_role_changed") return [...actor(event.by, me, names), " made ", whom(event.participant_id, me, names), RANKS[event.role], ...why(event)];
  if ("participant_id" in event) return [event.participant_id === me ? "You" : { name: names.get(event.participant_id) ?? "Somebody" }, DONE[event.type]];
  const who = you(event.participant, me, true);
  if (event.type === "participant_removed" || event.type === "participant_banned" || event.type === "participant_muted") {
    const done = { participant_removed: " removed ", participant_banned: " banned ", participant_muted: " muted " }[event.type];
    return [...actor(event.by, me, names), done, you(event.participant, me, false), ...why(event)];
  }
  if (event.type === "join_requested") return [who, event.participant.id === me ? " ask to be let in" : " asks to be let in"];
  if (event.type === "participant_left") return [who, " left"];
  const by = event.invited_by;
  if (by === undefined || by === null || by === event.participant.id) return [who, " joined"];
  if (by === me) return ["You brought ", { name: event.participant.name }, " in"];
  return [who, " joined, by invitation"];
}

const RANKS: Record<Role, string> = { owner: " an owner", moderator: " a moderator", member: " a member", observer: " an observer" };

function actor(by: string, me: string, names: ReadonlyMap<string, string>): Words {
  return [by === me ? "You" : { name: names.get(by) ?? "Somebody" }];
}

function whom(id: string, me: string, names: ReadonlyMap<string, string>): Words[number] {
  return id === me ? "you" : { name: names.get(id) ?? "somebody" };
}

function why({ reason }: { reason?: string }): Words {
  return reason === undefined ? [] : [": ", { name: reason }];
}

const DONE = {
  participant_unbanned: " may come in again",
  participant_unmuted: " may speak again",
  join_denied: ": the request to be let in was denied",
};

function deed(event: ChangeEvent): string {
  if (event.type === "reaction_added") return ` reacted with ${event.emoji} to a message`;
  if (event.type === "reaction_removed") return ` took ${event.emoji} back from a message`;
  if (event.type === "message_deleted" && event.reason !== undefined) return ` deleted a message: ${event.reason}`;
  return { message_edited: " edited a message", message_deleted: " deleted a message", message_pinned: " pinned a message", message_unpinned: " unpinned a message" }[event.type];
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

/** A sentence as one text. */
export function inLine(words: Words): string {
  return words.map((part) => (typeof part === "string" ? part : part.name)).join("");
}

function you(who: { id: string; name: string }, me: string, start: boolean): Words[number] {
  if (who.id !== me) return { name: who.name };
  return start ? "You" : "you";
}
