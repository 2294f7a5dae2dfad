/** The nodes of a cluster: how each is, and a way to have one leave. */

import { useState } from "preact/hooks";
import { Confirm } from "./confirm.tsx";
import { count, duration, milliseconds, percent } from "./format.ts";
import { salon } from "./operator.ts";
import { usePolled } from "./poll.ts";
import type { NodeRow, NodesAnswer } from "./rows.ts";
import { say } from "./say.ts";
import { StateWord } from "./state.tsx";
import { Table, type TableColumn } from "./table.tsx";

const LATE = 2.5; // seconds of silence that are shown as such: a node says something each second

export function Nodes() {
  const { answer, failure, again } = usePolled<NodesAnswer>("/admin/nodes");
  const nodes = answer?.nodes ?? [];
  return (
    <div class="dossier">
      <h1 class="visually-hidden">Nodes</h1>
      <section class="pane" aria-labelledby="nodes-title">
        <h2 id="nodes-title">Nodes <span class="soft">{answer && nodes.length > 0 && `${count(nodes.length)} in view ${count(answer.view)}`}</span></h2>
        {failure && <p class="failure" role="status">This may be old: {failure}</p>}
        {answer && nodes.length === 0 && <p class="empty">This server is alone: it is no node of a cluster.</p>}
        {answer && nodes.length > 0 && <Table label="The nodes" columns={columns(answer, again)} rows={nodes} keyOf={({ id }) => id} />}
        {nodes.length > 0 && <p class="soft small">Each figure is of the node's last sign of life. A node that says nothing for long is given up, and no longer shown.</p>}
      </section>
    </div>
  );
}

function columns({ node_id, view }: NodesAnswer, again: () => void): TableColumn<NodeRow>[] {
  return [
    {
      name: "name", text: "Node", value: ({ name }) => name,
      cell: ({ id, name, keeps_house }) => <><bdi title={id}>{name}</bdi> {id === node_id && <span class="soft">answers you</span>} {keeps_house && <span class="soft" title="It delivers webhooks, erases and indexes for all.">keeps house</span>}</>,
    },
    { name: "state", text: "State", value: ({ silent_seconds }) => silent_seconds, cell: (row) => <State row={row} /> },
    { name: "view", text: "View", figure: true, value: (row) => row.view ?? 0, cell: (row) => (row.view !== null && row.view < view ? <b class="warn" title="It does not know the newest view yet.">{count(row.view)}</b> : count(row.view)) },
    { name: "version", text: "Version", value: ({ version }) => version, cell: ({ version }) => <span class="mono">{version}</span> },
    { name: "load", text: "Load", figure: true, value: ({ load }) => load ?? 0, cell: ({ load }) => <span title="Of one processor core">{percent(load)}</span> },
    { name: "connections", text: "Connections", figure: true, value: ({ connections }) => connections ?? 0, cell: ({ connections }) => count(connections) },
    { name: "conversations", text: "Owns", figure: true, value: ({ conversations }) => conversations ?? 0, cell: ({ conversations }) => <span title="Conversations in memory that it owns">{count(conversations)}</span> },
    { name: "replicas", text: "Replicas", figure: true, value: ({ replicas }) => replicas ?? 0, cell: ({ replicas }) => <span title="Conversations of other nodes that it has sockets of">{count(replicas)}</span> },
    { name: "lagging", text: "Lagging", figure: true, value: ({ lagging }) => lagging ?? 0, cell: ({ lagging }) => (lagging ? <b class="warn" title="Replicas that lack events">{count(lagging)}</b> : count(lagging)) },
    { name: "beat", text: "Database", figure: true, value: ({ beat_seconds }) => beat_seconds ?? 0, cell: ({ beat_seconds }) => <span title="What the database took for its last sign of life">{milliseconds(beat_seconds)}</span> },
    { name: "nats", text: "NATS", value: ({ on_nats }) => (on_nats ? "on" : "off"), cell: ({ on_nats }) => (on_nats === null ? "–" : <StateWord state={on_nats ? "live" : "failed"} word={on_nats ? "on" : "off"} />) },
    { name: "action", text: "Actions", cell: (row) => <Handles row={row} again={again} /> },
  ];
}

function State({ row: { silent_seconds, on_nats } }: { row: NodeRow }) {
  if (silent_seconds > LATE) return <><StateWord state="failed" word="silent" /> <span class="soft">for {duration(silent_seconds)}</span></>;
  if (on_nats === false) return <StateWord state="waiting" word="cut off" />;
  return <StateWord state="live" word="in" />;
}

function Handles({ row: { id, name }, again }: { row: NodeRow; again: () => void }) {
  const [asking, ask] = useState<"drain" | "remove" | null>(null);
  const path = `/admin/nodes/${encodeURIComponent(id)}`;
  const close = (): void => ask(null);
  return (
    <span class="handles">
      <button type="button" class="quiet" onClick={() => ask("drain")}>Drain…</button>
      <button type="button" class="quiet" onClick={() => ask("remove")}>Remove…</button>
      {asking === "drain" && (
        <Confirm
          title={`Drain ${name}?`} action="Drain" word="drain" close={close}
          run={async () => {
            await salon.request("POST", `${path}/drain`);
            say(`${name} drains.`);
            again();
          }}
        >
          <p>Other nodes own its conversations at once, and nothing is refused. Its clients are sent away one after the other, and come back at other nodes. Then it ends, as by SIGTERM.</p>
        </Confirm>
      )}
      {asking === "remove" && (
        <Confirm
          title={`Remove ${name}?`} action="Remove" word="remove" close={close}
          run={async () => {
            await salon.request("DELETE", path);
            say(`${name} is in the view no longer.`);
            again();
          }}
        >
          <p>For a node that is gone or stands still: the others own its conversations now, not only after the timeout. One that lives sends its sockets away and joins again: drain it instead.</p>
        </Confirm>
      )}
    </span>
  );
}
