/** All about one person: where they are connected, what they are a member of, their tokens and their data. */

import { Block, useBlocked } from "./access.tsx";
import { ConnectionTable } from "./conversation.tsx";
import { Erasures } from "./erasures.tsx";
import { Export } from "./export.tsx";
import { Facts } from "./facts.tsx";
import { now } from "./figures.ts";
import { count, counted, duration, moment } from "./format.ts";
import { Holds } from "./holds.tsx";
import { Meter } from "./meter.tsx";
import { address } from "./route.ts";
import type { Missing, ParticipantView } from "./rows.ts";
import { Silent } from "./silent.tsx";
import { StateWord } from "./state.tsx";
import { Tokens } from "./tokens.tsx";
import { useView } from "./view.ts";

/** Who was never here may have tokens, or be blocked: everybody has this page. */
export function ParticipantPlace({ id }: { id: string }) {
  const { view } = useView<ParticipantView | Missing>(`${new URLSearchParams({ watch: "participant", id })}`);
  const blocked = useBlocked(id);
  if (view === null) return <p class="moment" role="status">One moment…</p>;
  const who = view.found ? view.participant : undefined;
  const since = blocked.rows?.[0]?.blocked_at;
  return (
    <article class="dossier" aria-labelledby="participant-title">
      <header class="dossier-head">
        <div>
          <p class="eyebrow">Participant{who?.type === "agent" && ", agent"}</p>
          <h1 id="participant-title"><bdi>{who?.name ?? id}</bdi></h1>
          <p class="mono soft">{id}</p>
          {since && <p><StateWord state="failed" word="blocked" /> <span class="soft">since {moment(since)}</span></p>}
        </div>
        <div class="actions">
          <Export id={id} />
          <Block id={id} blocked={blocked} />
        </div>
      </header>
      {blocked.failure && <p class="failure" role="status">Whether they are blocked is not known: {blocked.failure}</p>}
      {view.found ? <Present view={view} /> : <p class="pane">Nobody with this id is here or a member of a conversation.</p>}
      <Tokens of={id} />
      <div class="columns two">
        <Holds of={{ kind: "person", subject: id }} />
        <Erasures of={id} />
      </div>
    </article>
  );
}

function Present({ view }: { view: ParticipantView }) {
  const { actor } = view;
  const rows = Object.values(view.connections);
  return (
    <>
      <Silent nodes={view.silent} />
      <Facts
        facts={[
          actor
            ? ["Actor", <b><StateWord state={actor.state} /></b>, `last turn ${duration((now.value - Date.parse(actor.last_turn_at)) / 1000)} ago`]
            : ["Actor", "not in memory", "not here now"],
          ["Mailbox", actor ? <Meter depth={actor.mailbox.depth} limit={actor.mailbox.limit} /> : "–"],
          ["Turns", count(actor?.turns), counted(actor?.restarts ?? 0, "restart")],
          ["Conversations", count(view.conversation_count)],
        ]}
      />
      <div class="columns two">
        <section class="pane" aria-labelledby="theirs-title">
          <h2 id="theirs-title">Connections <span class="soft">{count(view.connection_count)}</span></h2>
          {rows.length === 0 ? <p class="empty">Not connected.</p> : <ConnectionTable rows={rows} of="conversation" label="Their connections" />}
        </section>
        <section class="pane" aria-labelledby="member-title">
          <h2 id="member-title">Member of <span class="soft">{count(view.conversation_count)}</span></h2>
          <ul class="people">
            {view.conversations.map((each) => <li key={each}><a class="mono" href={address("conversation", each)}>{each}</a></li>)}
          </ul>
          {view.conversation_count > view.conversations.length && <p class="soft small">The {view.conversations.length} with the newest activity are shown.</p>}
        </section>
      </div>
    </>
  );
}
