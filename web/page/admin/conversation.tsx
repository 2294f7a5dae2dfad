/** All about one conversation: its mailbox and what came out of it, who listens, who is in it, what was refused, its log. */

import { useState } from "preact/hooks";
import { Failure } from "../shared/failure.tsx";
import { Answers } from "./answers.tsx";
import { Confirm } from "./confirm.tsx";
import { Disconnect } from "./connections.tsx";
import { type Fact, Facts } from "./facts.tsx";
import { now } from "./figures.ts";
import { bytes, count, counted, duration, milliseconds, moment } from "./format.ts";
import { Holds } from "./holds.tsx";
import { Log } from "./log.tsx";
import { Meter } from "./meter.tsx";
import { salon } from "./operator.ts";
import { Recorder } from "./recorder.tsx";
import { Retention } from "./retention.tsx";
import { address } from "./route.ts";
import type { ConnectionRow, ConversationView, Missing } from "./rows.ts";
import { say } from "./say.ts";
import { Silent } from "./silent.tsx";
import { StateWord } from "./state.tsx";
import { useView } from "./view.ts";

export function ConversationPlace({ id }: { id: string }) {
  const [held, hold] = useState(false);
  const { view } = useView<ConversationView | Missing>(`${new URLSearchParams({ watch: "conversation", id })}`, held);
  if (view === null) return <p class="moment" role="status">One moment…</p>;
  if (!view.found) return <Nothing title="No such conversation" id={id} why={view.why} />;
  return (
    <article class="dossier" aria-labelledby="conversation-title">
      <header class="dossier-head">
        <div>
          <p class="eyebrow">Conversation{view.status === "inactive" && ", archived"}{view.node && `, owned by node ${view.node}`}</p>
          <h1 id="conversation-title"><bdi>{view.title}</bdi></h1>
          <p class="mono soft">{view.id}</p>
        </div>
        <div class="actions">
          <button type="button" class="button" aria-pressed={held} onClick={() => hold(!held)}>{held ? "Held: go on" : "Hold still"}</button>
          <Passivate view={view} />
        </div>
      </header>
      <Silent nodes={view.silent} />
      <Now view={view} />
      <Recorder view={view} />
      <div class="columns two">
        <Listeners view={view} />
        <Members view={view} />
        <Refused view={view} />
        <Answers view={view} />
        <Retention id={id} days={view.retention.days} />
        <Holds of={{ kind: "conversation", subject: id }} />
      </div>
      <Log id={id} head={view.head_sequence_id} />
    </article>
  );
}

export function Nothing({ title, id, why }: { title: string; id: string; why: string }) {
  return (
    <section class="pane">
      <h1>{title}</h1>
      <p class="mono">{id}</p>
      <p>{why.charAt(0).toUpperCase() + why.slice(1)}.</p>
    </section>
  );
}

function Passivate({ view }: { view: ConversationView }) {
  const [asking, ask] = useState(false);
  const [outcome, setOutcome] = useState("");
  return (
    <>
      <button type="button" class="button" disabled={!view.active} onClick={() => { setOutcome(""); ask(true); }}>Passivate…</button>
      <Failure text={outcome} />
      {asking && (
        <Confirm
          title="Passivate the conversation?"
          action="Passivate"
          close={() => ask(false)}
          run={async () => {
            const path = `/admin/conversations/${encodeURIComponent(view.id)}/passivate`;
            const { passivated, why } = await salon.request<{ passivated: boolean; why: string | null }>("POST", path);
            if (passivated) say("The conversation has left memory.");
            else setOutcome(`It stays: ${why}.`);
          }}
        >
          <p>Its actor leaves memory, if nobody listens and nothing waits. Its log stays, and whoever needs it next wakes it again.</p>
        </Confirm>
      )}
    </>
  );
}

function Now({ view }: { view: ConversationView }) {
  const { actor, turn_times: times } = view;
  const facts: Fact[] = [
    ["Actor", actor ? <b><StateWord state={actor.state} /></b> : "not in memory", actor ? `last turn ${duration((now.value - Date.parse(actor.last_turn_at)) / 1000)} ago` : "its log is in the store"],
    ["Head of the sequence", count(view.head_sequence_id), counted(view.message_count, "message")],
    ["Members", count(view.participant_count), `${counted(view.connection_count, "connection")}, ${count(view.behind_count)} behind`],
    ["Turns", count(actor?.turns), counted(actor?.restarts ?? 0, "restart")],
    ["Commands a turn", count(view.batch_sizes?.p50), `at most ${count(view.batch_sizes?.max)} of late`],
    ["Waited, p99", milliseconds(times?.waited.p99), `median ${milliseconds(times?.waited.p50)}`],
    ["Commit, p99", milliseconds(times?.committing.p99), `median ${milliseconds(times?.committing.p50)}`],
    ["Delivery, p99", milliseconds(times?.delivering.p99), `median ${milliseconds(times?.delivering.p50)}`],
  ];
  return (
    <>
      <Facts facts={facts} />
      {actor && (
        <section class="pane mailbox" aria-labelledby="mailbox-title">
          <h2 id="mailbox-title">Mailbox</h2>
          <Meter depth={actor.mailbox.depth} limit={actor.mailbox.limit} />
          <p class="soft">
            {actor.mailbox.share ? `At most ${count(actor.mailbox.share)} from one participant. ` : ""}
            {actor.mailbox.drain_rate ? `Drains at ${count(actor.mailbox.drain_rate)} commands a second while there is work.` : "Nothing drained yet."}
          </p>
          {actor.mailbox.senders.length > 0 && (
            <p>
              Waiting:{" "}
              {actor.mailbox.senders.map((each) => (
                <span key={each.participant_id} class="sender"><a href={address("participant", each.participant_id)}><bdi>{each.participant_id}</bdi></a> {count(each.commands)}</span>
              ))}
            </p>
          )}
        </section>
      )}
    </>
  );
}

function Listeners({ view }: { view: ConversationView }) {
  const rows = Object.values(view.connections);
  return (
    <section class="pane" aria-labelledby="listeners-title">
      <h2 id="listeners-title">Connections <span class="soft">{count(view.connection_count)}</span></h2>
      {rows.length === 0 ? <p class="empty">Nobody listens.</p> : <ConnectionTable rows={rows} of="name" label="Who is connected" />}
      {view.connection_count > rows.length && <p class="soft small">The first {rows.length} are shown.</p>}
    </section>
  );
}

export function ConnectionTable({ rows, of, label }: { rows: ConnectionRow[]; of: "name" | "conversation"; label: string }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table class="table">
        <thead>
          <tr><th scope="col">{of === "name" ? "Participant" : "Conversation"}</th><th scope="col">State</th><th scope="col" class="number">Position</th><th scope="col" class="number">Waiting</th><th scope="col"><span class="visually-hidden">Action</span></th></tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td>
                {of === "name" ? <a href={address("participant", row.participant_id)}><bdi>{row.name}</bdi></a> : <a class="mono" href={address("conversation", row.conversation_id)}>{row.conversation_id}</a>}
                {row.node && <span class="soft"> at {row.node}</span>}
              </td>
              <td><StateWord state={row.state} /></td>
              <td class="number">{count(row.position)}</td>
              <td class="number">{row.outbox_bytes ? bytes(row.outbox_bytes) : "–"}</td>
              <td class="number"><Disconnect row={row} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Members({ view }: { view: ConversationView }) {
  const members = Object.values(view.participants).sort((a, b) => a.joinedAt.localeCompare(b.joinedAt));
  return (
    <section class="pane" aria-labelledby="members-title">
      <h2 id="members-title">Members <span class="soft">{count(view.participant_count)}</span></h2>
      {members.length === 0 && <p class="empty">Everybody has left.</p>}
      <ul class="people">
        {members.map((member) => (
          <li key={member.participantId}>
            <span class={member.isOnline ? "presence on" : "presence"} role="img" aria-label={member.isOnline ? "online" : "offline"} />
            <a href={address("participant", member.participantId)}><bdi>{member.displayName}</bdi></a>
            <span class="soft">{member.role}{member.type === "agent" ? ", agent" : ""}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Refused({ view }: { view: ConversationView }) {
  const lines = Object.values(view.refusals).sort((a, b) => b.at.localeCompare(a.at));
  return (
    <section class="pane" aria-labelledby="refused-title">
      <h2 id="refused-title">Refused here of late</h2>
      {lines.length === 0 && <p class="empty">Nothing that is remembered.</p>}
      <ul class="people">
        {lines.map((line) => (
          <li key={line.id}>
            <a class="mono" href={address("refusal", line.id)}>{line.code}</a>
            <span class="soft">{line.participant_id && <bdi>{line.participant_id}</bdi>} {moment(line.at)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
