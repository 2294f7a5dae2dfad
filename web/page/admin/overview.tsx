/** The server at a glance: how much it does, how fast, how full it is, and what it has refused. */

import { Chart, type Plot, RANGES, choose, minutes } from "./chart.tsx";
import { type Fact, Facts } from "./facts.tsx";
import { type Stats, column, rate, samples, stats } from "./figures.ts";
import { bytes, count, counted, inMilliseconds, milliseconds, percent, short } from "./format.ts";
import { Meter } from "./meter.tsx";
import { address } from "./route.ts";
import { StateWord } from "./state.tsx";
import { useView } from "./view.ts";
import type { ConversationRow, Listed } from "./rows.ts";

export function Overview() {
  const now = stats.value;
  return (
    <div class="overview">
      <h1 class="visually-hidden">Overview</h1>
      {now?.node && <p class="soft">The figures of node <b>{now.node}</b>, which answers you. <a href={address("nodes")}>All nodes</a></p>}
      {now && <Now now={now} />}
      <section aria-labelledby="charts-title">
        <div class="section-head">
          <h2 id="charts-title">The last minutes</h2>
          <div class="choice" role="group" aria-label="How far back">
            {RANGES.map((each) => (
              <button key={each} type="button" aria-pressed={minutes.value === each} onClick={() => choose(each)}>{each} min</button>
            ))}
          </div>
        </div>
        {samples.value.length > 0 && <div class="charts">{plots(now).map((plot) => <Chart key={plot.title} {...plot} />)}</div>}
      </section>
      <div class="columns">
        <Fullest />
        {now && <Refusals now={now} />}
        {now && <Store now={now} />}
      </div>
    </div>
  );
}

function Now({ now }: { now: Stats }) {
  const facts: Fact[] = [
    ["Messages a second", count(rate("messages").at(-1)), `${count(now.messages)} since the start`],
    ["Deliveries a second", count(rate("deliveries").at(-1)), `${count(now.deliveries)} since the start`],
    ["Connections", count(now.connections), counted(now.participants, "participant")],
    ["Conversations", count(now.conversations), counted(now.activations, "activation")],
    ["In mailboxes", count(now.queue_depths.total), `fullest ${count(now.queue_depths.deepest)} of ${count(now.queue_depths.limit)}`],
    ["To delivery, p99", milliseconds(now.turn_seconds.p99), `median ${milliseconds(now.turn_seconds.p50)}`],
    ["Commit, p99", milliseconds(now.storage.recent.seconds.p99), `median ${milliseconds(now.storage.recent.seconds.p50)}`],
    ["Restarts of actors", count(now.restarts), now.crashes ? `${count(now.crashes)} turns crashed` : "no turn has crashed"],
  ];
  return <Facts facts={facts} />;
}

function plots(now: Stats | null): Plot[] {
  const cpu = rate("cpu_seconds");
  const perTurn = ratio(rate("events"), rate("batches"));
  const perCommit = ratio(rate("records"), rate("commits"));
  return [
    { title: "Messages", hint: "Committed and delivered, a second", text: (v) => `${count(v)}/s`, lines: [{ name: "messages", values: rate("messages"), style: "first" }] },
    { title: "Deliveries", hint: "Events times the connections that took them, a second", text: (v) => `${count(v)}/s`, lines: [{ name: "deliveries", values: rate("deliveries"), style: "first" }] },
    {
      title: "To delivery, ms", hint: "From when a turn's oldest command came until all were answered and told; of the turns of each second", text: inMilliseconds, axis: (v) => inMilliseconds(v), least: 0.001,
      lines: [
        { name: "p50", values: column("turn_p50"), style: "first" },
        { name: "p99", values: column("turn_p99"), style: "second" },
        { name: "max", values: column("turn_max"), style: "third" },
      ],
    },
    {
      title: "Commit, ms", hint: "How long the store took, of the commits of each second", text: inMilliseconds, axis: (v) => inMilliseconds(v), least: 0.001,
      lines: [
        { name: "p50", values: column("commit_p50"), style: "first" },
        { name: "p99", values: column("commit_p99"), style: "second" },
        { name: "max", values: column("commit_max"), style: "third" },
      ],
    },
    {
      title: "Batch size", hint: "Events in one turn of a conversation, and in one commit of the store, on average", text: count, least: 2,
      lines: [
        { name: "a turn", values: perTurn, style: "first" },
        { name: "a commit", values: perCommit, style: "second" },
      ],
    },
    {
      title: "Mailboxes", hint: `Commands that wait; a mailbox takes ${now?.queue_depths.limit ?? "–"}`, text: count, least: 10,
      lines: [
        { name: "all", values: column("waiting"), style: "first" },
        { name: "fullest", values: column("deepest"), style: "second" },
      ],
    },
    { title: "Refusals", hint: "Of all kinds, a second", text: (v) => `${count(v)}/s`, least: 5, lines: [{ name: "refusals", values: rate("refusals"), style: "third" }] },
    {
      title: "In memory", hint: "Open connections and active conversations", text: count, least: 10,
      lines: [
        { name: "connections", values: column("connections"), style: "first" },
        { name: "conversations", values: column("conversations"), style: "second" },
      ],
    },
    { title: "Processor", hint: "Of one core", text: percent, axis: (v) => percent(v), least: 0.1, lines: [{ name: "processor", values: cpu, style: "first" }] },
    { title: "Memory", hint: "What the process holds", text: bytes, axis: (v) => bytes(v), least: 1e8, lines: [{ name: "memory", values: column("memory_bytes"), style: "first" }] },
  ];
}

/** Where nothing was done there is no average. */
function ratio(above: (number | null)[], below: (number | null)[]): (number | null)[] {
  return above.map((value, index) => (value === null || !below[index] ? null : value / below[index]));
}

function Fullest() {
  const view = useView<Listed<ConversationRow>>("watch=conversations&sort=-depth&limit=8").view;
  return (
    <section class="pane" aria-labelledby="fullest-title">
      <div class="section-head">
        <h2 id="fullest-title">Fullest mailboxes</h2>
        <a href={address("actors")}>All {view ? count(view.total) : ""}</a>
      </div>
      {view?.order.length === 0 && <p class="empty">No conversation is in memory.</p>}
      <ul class="fullest">
        {view?.order.map((id) => {
          const row = view.rows[id];
          return row && (
            <li key={id}>
              <a href={address("conversation", id)}><bdi>{row.title ?? id}</bdi></a>
              <StateWord state={row.state} />
              <Meter depth={row.depth} limit={row.limit} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Refusals({ now }: { now: Stats }) {
  const codes = Object.entries(now.refusals).sort(([, a], [, b]) => b - a);
  return (
    <section class="pane" aria-labelledby="refusals-title">
      <h2 id="refusals-title">Refused since the start</h2>
      {codes.length === 0 ? (
        <p class="empty">Nothing was refused.</p>
      ) : (
        <table class="table plain">
          <tbody>
            {codes.map(([code, number]) => (
              <tr key={code}><th scope="row" class="mono">{code}</th><td class="number">{count(number)}</td></tr>
            ))}
          </tbody>
        </table>
      )}
      <p class="soft small">A refusal's id, which its sender was given, finds the reason: put it into the field on top.</p>
    </section>
  );
}

function Store({ now }: { now: Stats }) {
  const { storage } = now;
  const facts: [string, string][] = [
    ["State", storage.status === "connected" ? "connected" : "failed within the last minute"],
    ["Durability", storage.durability],
    ["Commits", count(storage.commits)],
    ["Events stored", count(storage.records)],
    ["Waiting to be committed", count(storage.waiting)],
    ["Events a commit, p99", count(storage.recent.records.p99)],
    ["Errors", count(now.store_errors)],
    ["Memory", bytes(now.memory_bytes)],
    ["Processor time", `${short(now.cpu_seconds)} s`],
    ["Consoles and other listeners", count(now.listeners)],
  ];
  return (
    <section class="pane" aria-labelledby="store-title">
      <h2 id="store-title">Store and process</h2>
      <table class="table plain">
        <tbody>
          {facts.map(([name, value]) => (
            <tr key={name}><th scope="row">{name}</th><td class="number">{value}</td></tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
