/** Events of a conversation in words, with what was said. */

import { count, moment } from "./format.ts";

export type Logged = Record<string, any> & { type: string; sequence_id: number };

export function Events({ label, events, marked }: { label: string; events: readonly Logged[]; marked: number }) {
  return (
    <div class="scroll log" tabIndex={0} role="region" aria-label={label}>
      <EventList events={events} marked={marked} />
    </div>
  );
}

/** The one that is `marked` is what this is about. */
export function EventList({ events, marked }: { events: readonly Logged[]; marked?: number }) {
  return (
    <ol>
      {events.map((event) => (
        <li key={event.sequence_id} class={event.sequence_id === marked ? "marked" : undefined} aria-current={event.sequence_id === marked ? "true" : undefined}>
          <span class="number soft">{count(event.sequence_id)}</span>
          <span class="soft nowrap">{moment(event["message"]?.timestamp ?? event["timestamp"])}</span>
          <Said event={event} />
        </li>
      ))}
    </ol>
  );
}

function Said({ event }: { event: Logged }) {
  switch (event.type) {
    case "message":
      return <Message message={event["message"]} />;
    case "message_edited":
      return <span class="said-text"><span class="soft"><bdi>{event["by"]}</bdi> edited {numberOf(event)}:</span> <span class="words">{event["content"] ?? "deleted since"}</span></span>;
    case "message_deleted":
      return <span class="soft"><bdi>{event["by"]}</bdi> deleted {numberOf(event)}<Reason event={event} /></span>;
    case "reaction_added":
      return <span class="soft"><bdi>{event["by"]}</bdi> reacted to {numberOf(event)} with {event["emoji"]}</span>;
    case "reaction_removed":
      return <span class="soft"><bdi>{event["by"]}</bdi> took {event["emoji"]} back from {numberOf(event)}</span>;
    case "message_pinned":
      return <span class="soft"><bdi>{event["by"]}</bdi> pinned {numberOf(event)}</span>;
    case "message_unpinned":
      return <span class="soft"><bdi>{event["by"]}</bdi> unpinned {numberOf(event)}</span>;
    case "conversation_created":
      return <span class="soft">began as <bdi>{event["title"]}</bdi></span>;
    case "participant_joined":
      return <span class="soft"><bdi>{event["participant"].name}</bdi> joined{event["invited_by"] ? <>, brought in by <bdi>{event["invited_by"]}</bdi></> : ""}</span>;
    case "participant_left":
      return <span class="soft"><bdi>{event["participant"].name}</bdi> left</span>;
    case "participant_updated":
      return <span class="soft">a member is called <bdi>{event["participant"].name}</bdi> from here on</span>;
    case "conversation_updated":
      return <span class="soft"><bdi>{event["by"]}</bdi> {event["title"] === undefined ? "changed the metadata" : <>renamed it to <bdi>{event["title"]}</bdi></>}</span>;
    case "participant_role_changed":
      return <span class="soft"><bdi>{event["by"]}</bdi> made <bdi>{event["participant_id"]}</bdi> {event["role"]}<Reason event={event} /></span>;
    case "participant_removed":
    case "participant_banned":
    case "participant_unbanned":
    case "participant_muted":
    case "participant_unmuted":
      return <span class="soft"><bdi>{event["by"]}</bdi> {event.type.replace("participant_", "")} <bdi>{event["participant"]?.name ?? event["participant_id"]}</bdi><Reason event={event} /></span>;
    case "agent_updated":
      return <span class="soft"><bdi>{event["by"]}</bdi> set what <bdi>{event["participant_id"]}</bdi> answers: {event["trigger"]}, {event["agents_may_call"]} of agents</span>;
    case "run_started":
      return <span class="soft"><bdi>{event["participant_id"]}</bdi> began to answer{event["asked_by"] ? <> <bdi>{event["asked_by"]}</bdi></> : ""}</span>;
    case "run_failed":
      return <span class="soft"><bdi>{event["participant_id"]}</bdi> gave no answer: {event["reason"]}</span>;
    default:
      return <span class="soft">{event.type}</span>;
  }
}

function Reason({ event }: { event: Logged }) {
  return event["reason"] ? <>: <bdi>{event["reason"]}</bdi></> : null;
}

/** What was said, as it is now. */
function Message({ message }: { message: Record<string, any> }) {
  const thread = message["thread_id"] === undefined ? "" : `, answers ${numberOf({ message_id: message["thread_id"] })} in its thread`;
  const facts = `${message["deleted"] ? " (deleted)" : message["revision"] > 1 ? " (edited)" : ""}${thread}`;
  return (
    <span class="said-text">
      <b><bdi>{message["sender_name"]}</bdi></b>
      {facts && <span class="soft">{facts}</span>} <span class="words">{message["content"]}</span>
    </span>
  );
}

/** The sequence of the message that an event changes, by which the log numbers it. */
function numberOf({ message_id }: Record<string, any>): string {
  return `#${String(message_id).split("-").at(-1)}`;
}
