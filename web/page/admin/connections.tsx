/** All open connections: who is slow, who is stuck, and a way to send one to a fresh socket. */

import { useEffect, useState } from "preact/hooks";
import { now } from "./figures.ts";
import { Confirm } from "./confirm.tsx";
import { bytes, count, duration } from "./format.ts";
import { type Column, Filter, Headings, classOf } from "./heading.tsx";
import { salon } from "./operator.ts";
import { address } from "./route.ts";
import type { ConnectionRow, Listed } from "./rows.ts";
import { say } from "./say.ts";
import { Silent } from "./silent.tsx";
import { StateWord } from "./state.tsx";
import { useView } from "./view.ts";
import { PAGE, pageStart, useSight } from "./window.ts";

const STATES = ["live", "behind", "attaching", "closing"];

const COLUMNS: Column[] = [
  { name: "name", text: "Participant", sort: "name" },
  { name: "state", text: "State", sort: "state" },
  { name: "outbox", text: "Waiting to be read", sort: "outbox_bytes", figure: true },
  { name: "stalled", text: "Takes nothing since", sort: "stalled", figure: true, wide: true },
  { name: "position", text: "Position", sort: "position", figure: true, wide: true },
  { name: "place", text: "Conversation", sort: "conversation_id", wide: true },
  { name: "address", text: "Address", sort: "address", wide: true },
  { name: "age", text: "Open for", sort: "age", figure: true, wide: true },
  { name: "action", text: "" },
];

export function Connections({ only = "" }: { only?: string }) {
  const [sort, order] = useState("-outbox_bytes");
  const [text, filter] = useState(only);
  const [state, choose] = useState("");
  const [held, hold] = useState(false);
  const [offset, setOffset] = useState(0);
  const asked = new URLSearchParams({ watch: "connections", sort, limit: String(PAGE), offset: String(offset) });
  if (text.trim()) asked.set("key", text.trim());
  if (state) asked.set("state", state);
  const shown = useView<Listed<ConnectionRow>>(`${asked}`, held);
  const total = shown.view?.total ?? 0;
  const from = Number(new URLSearchParams(shown.query).get("offset") ?? 0);
  const sight = useSight(total);
  useEffect(() => {
    const covered = offset <= sight.first && sight.last < offset + PAGE;
    if (!covered && pageStart(sight.first) !== offset) setOffset(pageStart(sight.first));
  });
  const drawn: number[] = [];
  for (let index = sight.first; index <= sight.last; index++) drawn.push(index);
  return (
    <section class="pane tall" aria-labelledby="connections-title">
      <div class="section-head">
        <h1 id="connections-title">Connections</h1>
        <Filter
          label="A part of a name or an id" text={text} filter={filter} states={STATES} state={state} choose={choose} held={held} hold={hold}
          total={shown.view ? `${count(total)} open${text.trim() || state ? " match" : ""}` : ""}
        />
      </div>
      <Silent nodes={shown.view?.silent} />
      <div ref={sight.place} class="grid connections" role="grid" aria-label="Connections" aria-rowcount={total + 1} tabIndex={0} onScroll={sight.scrolled}>
        <Headings columns={COLUMNS} sort={sort} order={order} />
        <div class="rows" role="rowgroup" style={{ height: `${total * sight.height}px` }}>
          {drawn.map((index) => {
            const id = shown.view?.order[index - from];
            return <Line key={id ?? index} index={index} row={id === undefined ? undefined : shown.view?.rows[id]} top={index * sight.height} />;
          })}
        </div>
      </div>
      {shown.view?.total === 0 && <p class="empty">{text.trim() || state ? "No connection is like that." : "Nobody is connected."}</p>}
    </section>
  );
}

function Line({ index, row, top }: { index: number; row: ConnectionRow | undefined; top: number }) {
  const cells: Record<string, preact.ComponentChildren> = row
    ? {
        name: <><a href={address("participant", row.participant_id)} title={row.participant_id}><bdi>{row.name}</bdi></a> <span class="soft mono">{row.id.slice(0, 8)}</span>{row.node && <span class="soft"> at {row.node}</span>}</>,
        state: <StateWord state={row.state} />,
        outbox: row.outbox_bytes ? <b class="warn">{bytes(row.outbox_bytes)}</b> : "–",
        stalled: row.stalled === undefined ? "–" : <b class="warn">{duration(row.stalled)}</b>,
        position: count(row.position),
        place: <a class="mono" href={address("conversation", row.conversation_id)}>{row.conversation_id}</a>,
        address: row.address,
        age: duration((now.value - Date.parse(row.opened_at)) / 1000),
        action: <Disconnect row={row} />,
      }
    : { name: "…" };
  return (
    <div class="row" role="row" aria-rowindex={index + 2} style={{ transform: `translateY(${top}px)` }}>
      {COLUMNS.map((column) => <span key={column.name} role="gridcell" class={classOf(column)}>{cells[column.name]}</span>)}
    </div>
  );
}

export function Disconnect({ row }: { row: ConnectionRow }) {
  const [asking, ask] = useState(false);
  return (
    <>
      <button type="button" class="quiet" disabled={row.state === "closing"} onClick={() => ask(true)}>Disconnect…</button>
      {asking && (
        <Confirm
          title="Disconnect?"
          action="Disconnect"
          close={() => ask(false)}
          run={async () => {
            await salon.request("DELETE", `/admin/connections/${encodeURIComponent(row.id)}`);
            say(`The connection of ${row.name} is closed.`);
          }}
        >
          <p>
            This closes connection <code>{row.id}</code> of <b><bdi>{row.name}</bdi></b>. Their client comes back on a
            fresh one by itself, with nothing lost.
          </p>
        </Confirm>
      )}
    </>
  );
}
