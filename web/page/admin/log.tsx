/** A conversation's log, read only when asked for: it is what people wrote, and that somebody looked is noted. */

import { useEffect, useState } from "preact/hooks";
import { count, moment } from "./format.ts";
import { reason, salon } from "./operator.ts";

type Logged = Record<string, any> & { type: string; sequence_id: number };

interface Page {
  events: Logged[];
  head_sequence_id: number;
}

const PAGE = 50;
const FOLLOWED = 500; // events, of one that goes on; what is older can be paged again

export function Log({ id, head }: { id: string; head: number }) {
  const [events, setEvents] = useState<Logged[] | null>(null);
  const [failure, setFailure] = useState("");
  const path = `/admin/conversations/${encodeURIComponent(id)}/events`;
  const read = async (range: string): Promise<Page | null> => {
    try {
      setFailure("");
      return await salon.request<Page>("GET", `${path}?limit=${PAGE}${range}`);
    } catch (error) {
      setFailure(reason(error));
      return null;
    }
  };
  const open = async (): Promise<void> => {
    const page = await read("");
    if (!page) return;
    setEvents(page.events);
  };
  const back = async (): Promise<void> => {
    const page = await read(`&before=${events?.[0]?.sequence_id ?? 1}`);
    if (!page) return;
    setEvents((known) => [...page.events, ...(known ?? [])]);
  };
  const earlier = (events?.[0]?.sequence_id ?? 1) > 1;
  const last = events?.at(-1)?.sequence_id ?? 0;
  useEffect(() => {
    if (events === null || head <= last) return;
    void read(`&after=${last}`).then((page) => {
      if (!page) return;
      setEvents((known) => {
        const news = page.events.filter((each) => each.sequence_id > (known?.at(-1)?.sequence_id ?? 0));
        return [...(known ?? []), ...news].slice(-Math.max(FOLLOWED, known?.length ?? 0));
      });
    });
  }, [head, last, events === null]);
  return (
    <section class="pane" aria-labelledby="log-title">
      <div class="section-head">
        <h2 id="log-title">Log</h2>
        {events === null && <button type="button" class="button small" onClick={() => void open()}>Read the log</button>}
      </div>
      {events === null && <p class="soft">{count(head)} events. It shows what people wrote: that you read it is noted under Audit.</p>}
      {failure && <p class="failure" role="alert">{failure}</p>}
      {events !== null && (
        <div class="scroll log" tabIndex={0} role="region" aria-label="The log">
          {earlier && <button type="button" class="button small" onClick={() => void back()}>Earlier</button>}
          <ol>
            {events.map((event) => (
              <li key={event.sequence_id}>
                <span class="number soft">{count(event.sequence_id)}</span>
                <span class="soft nowrap">{moment(event["message"]?.timestamp ?? event["timestamp"])}</span>
                <Said event={event} />
              </li>
            ))}
          </ol>
        </div>
      )}
    </section>
  );
}

function Said({ event }: { event: Logged }) {
  switch (event.type) {
    case "message":
      return <Message message={event["message"]} />;
    case "message_edited":
      return <span class="said-text"><span class="soft"><bdi>{event["by"]}</bdi> edited {numberOf(event)}:</span> <span class="words">{event["content"] ?? "deleted since"}</span></span>;
    case "message_deleted":
      return <span class="soft"><bdi>{event["by"]}</bdi> deleted {numberOf(event)}{event["reason"] ? <>: <bdi>{event["reason"]}</bdi></> : ""}</span>;
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
