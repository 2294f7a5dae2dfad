/** All about one participant: where they are connected, what they are a member of. */

import { ConnectionTable, Nothing } from "./conversation.tsx";
import { Facts } from "./facts.tsx";
import { now } from "./figures.ts";
import { count, counted, duration } from "./format.ts";
import { Meter } from "./meter.tsx";
import { address } from "./route.ts";
import type { Missing, ParticipantView } from "./rows.ts";
import { StateWord } from "./state.tsx";
import { useView } from "./view.ts";

export function ParticipantPlace({ id }: { id: string }) {
  const { view } = useView<ParticipantView | Missing>(`${new URLSearchParams({ watch: "participant", id })}`);
  if (view === null) return <p class="moment" role="status">One moment…</p>;
  if (!view.found) return <Nothing title="No such participant" id={id} why={view.why} />;
  const { actor } = view;
  const rows = Object.values(view.connections);
  return (
    <article class="dossier" aria-labelledby="participant-title">
      <header class="dossier-head">
        <div>
          <p class="eyebrow">Participant{view.participant?.type === "agent" && ", agent"}</p>
          <h1 id="participant-title"><bdi>{view.participant?.name ?? view.id}</bdi></h1>
          <p class="mono soft">{view.id}</p>
        </div>
      </header>
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
    </article>
  );
}
