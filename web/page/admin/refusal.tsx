/** Why something was refused: in words first, then everything that was known at that moment. */

import { useEffect, useState } from "preact/hooks";
import { count, moment } from "./format.ts";
import { reason, salon } from "./operator.ts";
import { address } from "./route.ts";

interface Refusal {
  id: string;
  code: string;
  error: string;
  status: number;
  temporary: boolean;
  at: string;
  participant_id: string | null;
  conversation_id: string | null;
  client_message_id: string | null;
  scope: "conversation" | "participant" | "server" | null;
  retry_after: number | null;
  limit: number | null;
  depth: number | null;
  drain_rate: number | null;
  facts: Record<string, string | number>;
  figures: Record<string, string | number>;
}

export function RefusalPlace({ id }: { id: string }) {
  const [found, setFound] = useState<Refusal | null>(null);
  const [failure, setFailure] = useState("");
  useEffect(() => {
    let stale = false;
    salon.request<Refusal>("GET", `/admin/refusals/${encodeURIComponent(id)}`).then(
      (refusal) => !stale && setFound(refusal),
      (error: unknown) => !stale && setFailure(reason(error)),
    );
    return () => {
      stale = true;
    };
  }, [id]);
  if (failure) {
    return (
      <section class="pane">
        <h1>This refusal is not remembered</h1>
        <p class="mono">{id}</p>
        <p role="alert">{failure} The last ten thousand are kept, until the server restarts.</p>
      </section>
    );
  }
  if (found === null) return <p class="moment" role="status">One moment…</p>;
  return (
    <article class="dossier" aria-labelledby="refusal-title">
      <header class="dossier-head">
        <div>
          <p class="eyebrow">Refusal</p>
          <h1 id="refusal-title" class="mono">{found.code}</h1>
          <p class="mono soft">{found.id}</p>
        </div>
      </header>
      <section class="pane why" aria-labelledby="why-title">
        <h2 id="why-title">Why</h2>
        <p>{explained(found)}</p>
        <p class="soft">They were told: “{found.error}” with status {found.status}{found.temporary ? ", and that trying again can help" : ", and that trying the same again cannot help"}.</p>
      </section>
      <section class="pane" aria-labelledby="known-title">
        <h2 id="known-title">Known at that moment</h2>
        <table class="table plain">
          <tbody>
            <Fact name="When">{moment(found.at)}</Fact>
            {found.participant_id !== null && <Fact name="Participant"><a href={address("participant", found.participant_id)}><bdi>{found.participant_id}</bdi></a></Fact>}
            {found.conversation_id !== null && <Fact name="Conversation"><a class="mono" href={address("conversation", found.conversation_id)}>{found.conversation_id}</a></Fact>}
            {found.client_message_id !== null && <Fact name="Their key"><bdi>{found.client_message_id}</bdi></Fact>}
            {found.scope !== null && <Fact name="What was full">{found.scope}</Fact>}
            {found.depth !== null && <Fact name="Places taken">{count(found.depth)}{found.limit !== null && ` of ${count(found.limit)}`}</Fact>}
            {found.drain_rate !== null && <Fact name="Drain rate">{count(found.drain_rate)} commands a second</Fact>}
            {found.retry_after !== null && <Fact name="Told to come back after">{count(found.retry_after)} s</Fact>}
            {Object.entries({ ...found.facts, ...found.figures }).map(([name, value]) => <Fact key={name} name={name}><bdi>{String(value)}</bdi></Fact>)}
          </tbody>
        </table>
      </section>
    </article>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return <tr><th scope="row">{name}</th><td>{children}</td></tr>;
}

/** The reason as one operator would tell another. */
function explained(refusal: Refusal): string {
  const { depth, limit, drain_rate: rate, retry_after: after, scope } = refusal;
  const later = after === null ? "" : ` It was told to come back after ${count(after)} s.`;
  switch (refusal.code) {
    case "QUEUE_FULL":
      return scope === "participant"
        ? `This participant had used up their own share of a mailbox: ${count(depth)} of ${count(limit)} commands were waiting.${later}`
        : `The conversation's mailbox was full: ${count(depth)} of ${count(limit)} commands were waiting${rate ? `, and it drained at ${count(rate)} a second` : ""}.${later}`;
    case "RATE_LIMITED":
      return `The sender was faster than ${count(limit)} a second for longer than the burst allows.${later}`;
    case "CAPACITY_EXCEEDED":
      return `The conversation has as many members as it may: ${count(limit)}. Only somebody's leaving, or a higher limits.max_participants, makes room.`;
    case "TOO_MANY_CONNECTIONS":
      return `As many connections as are allowed were open already: ${count(limit)}.${later}`;
    case "DRAINING":
      return `The server was draining.${later}`;
    case "STORE_UNAVAILABLE":
      return "The store could not take it: the server's log says why, at the same moment. Nothing of it was stored.";
    case "INTERNAL_ERROR":
      return "Something failed here: the server's log has the trace, at the same moment.";
    case "KEY_REUSED":
      return "The sender used the key of an earlier message for another text. Each message needs a key of its own.";
    case "MESSAGE_TOO_LARGE":
      return `The text has ${count(Number(refusal.facts["actual_size"]))} characters; ${count(Number(refusal.facts["max_size"]))} are allowed.`;
    default:
      return refusal.error;
  }
}
