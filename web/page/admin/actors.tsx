/** The live tree: the directory, its conversations and participants, and the connections of the one that is opened. */

import { useEffect, useState } from "preact/hooks";
import { Line } from "./branch.tsx";
import { count } from "./format.ts";
import { type Column, Filter, Headings } from "./heading.tsx";
import { go } from "./route.ts";
import type { ConnectionRow, Listed } from "./rows.ts";
import { useSettled } from "./settled.ts";
import { Silent } from "./silent.tsx";
import { type Group, type Item, Items, type Row, keyOf } from "./tree.ts";
import { useView } from "./view.ts";
import { PAGE, pageStart, useSight } from "./window.ts";

const STATES = ["busy", "waiting", "idle", "starting"];

export function Actors() {
  const [open, setOpen] = useState<Group | null>("conversations");
  const [sort, order] = useState("-depth");
  const [text, filter] = useState("");
  const [state, choose] = useState("");
  const [held, hold] = useState(false);
  const [expanded, expand] = useState<string | null>(null);
  const [offset, setOffset] = useState(0);
  const key = useSettled(text.trim());
  const query = open === null ? "" : queryOf(open, sort, key, state, offset, expanded);
  const shown = useView<Listed<Row> & { inside?: Listed<ConnectionRow> }>(query, held);
  const loaded = open !== null && groupOf(shown.query) === open ? shown.view : null;
  const from = offsetOf(shown.query);
  const children = insideOf(shown.query) === expanded ? (loaded?.inside ?? null) : null;
  const items = new Items(open, loaded, from, expanded, children);
  const sight = useSight(items.count);
  const [cursor, move] = useState(0);

  useEffect(() => {
    const next = pageStart(items.actorAt(sight.first));
    if (next !== offset && !covers(offset, items.actorAt(sight.first), items.actorAt(sight.last))) setOffset(next);
  });

  const columns = open === "participants" ? PARTICIPANTS : CONVERSATIONS;
  const at = Math.min(cursor, items.count - 1);
  const toggle = (group: Group): void => {
    setOpen(open === group ? null : group);
    order("-depth");
    expand(null);
    setOffset(0);
    sight.place.current?.scrollTo(0, 0);
  };
  const act = (item: Item, how: "open" | "expand" | "collapse" | "toggle"): void => {
    if (item.kind === "group" && (how === "toggle" || how === "open" || (how === "expand") !== (open === item.group))) toggle(item.group);
    if (item.kind === "connection" && how === "open") go("connection", item.row.id);
    if (item.kind !== "actor") return;
    const id = items.idAt(item.at);
    if (id === undefined || open === null) return;
    if (how === "open") go(open === "conversations" ? "conversation" : "participant", id);
    else if (how === "expand" || (how === "toggle" && expanded !== id)) expand(id);
    else expand(null);
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.target !== event.currentTarget) return;
    const page = Math.max(1, sight.last - sight.first - 14);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -items.count, End: items.count };
    const item = items.at(at);
    if (event.key in steps) {
      const next = Math.min(items.count - 1, Math.max(0, at + steps[event.key]!));
      move(next);
      sight.reveal(next);
    } else if (event.key === "ArrowRight") act(item, "expand");
    else if (event.key === "ArrowLeft") act(item, "collapse");
    else if (event.key === "Enter") act(item, "open");
    else if (event.key === " ") act(item, "toggle");
    else return;
    event.preventDefault();
  };
  const drawn: number[] = [];
  for (let index = sight.first; index <= sight.last; index++) drawn.push(index);
  return (
    <section class="pane tall" aria-labelledby="actors-title">
      <div class="section-head">
        <h1 id="actors-title">Actors</h1>
        <Filter
          label={open === "participants" ? "A part of a participant's id" : "A part of a title or an id"}
          text={text} filter={filter} states={STATES} state={state} choose={choose} held={held} hold={hold}
          total={loaded ? `${count(loaded.total)} ${open}${key || state ? " match" : ""}` : ""}
        />
      </div>
      <Silent nodes={shown.view?.silent} />
      <div
        ref={sight.place}
        class={`grid ${open === "participants" ? "participants" : "conversations"}`}
        role="treegrid"
        aria-label="Actors"
        aria-rowcount={items.count + 1}
        aria-activedescendant={`item-${at}`}
        tabIndex={0}
        onScroll={sight.scrolled}
        onKeyDown={keys}
      >
        <Headings columns={columns} sort={sort} order={order} />
        <div class="rows" role="rowgroup" style={{ height: `${items.count * sight.height}px` }}>
          {drawn.map((index) => (
            <Line
              key={keyOf(items, index)}
              index={index}
              item={items.at(index)}
              items={items}
              open={open}
              expanded={expanded}
              chosen={index === at}
              top={index * sight.height}
              columns={columns}
              act={(item, how) => {
                move(index);
                act(item, how);
              }}
            />
          ))}
        </div>
      </div>
      <p class="soft small keys">Arrow keys move, right and left open and close, Enter shows all about one.</p>
    </section>
  );
}

const CONVERSATIONS: Column[] = [
  { name: "name", text: "Actor", sort: "title" },
  { name: "state", text: "State", sort: "state" },
  { name: "depth", text: "Mailbox", sort: "depth", figure: true },
  { name: "head", text: "Head", sort: "head", figure: true, wide: true },
  { name: "members", text: "Members", sort: "participants", figure: true, wide: true },
  { name: "connections", text: "Connections", sort: "connections", figure: true, wide: true },
  { name: "turns", text: "Turns", sort: "turns", figure: true, wide: true },
  { name: "restarts", text: "Restarts", sort: "restarts", figure: true, wide: true },
  { name: "idle", text: "Last turn", sort: "idle", figure: true, wide: true },
];
const PARTICIPANTS: Column[] = [
  { name: "name", text: "Actor", sort: "key" },
  ...CONVERSATIONS.slice(1).filter(({ name }) => name !== "head" && name !== "members"),
];

function queryOf(group: Group, sort: string, key: string, state: string, offset: number, expanded: string | null): string {
  const asked = new URLSearchParams({ sort, limit: String(PAGE), offset: String(offset) });
  if (key) asked.set("key", key);
  if (state) asked.set("state", state);
  if (expanded !== null) asked.set("inside", expanded);
  asked.set("watch", group === "conversations" ? "conversations" : "actors");
  if (group === "participants") asked.set("kind", "participant");
  return `${asked}`;
}

function groupOf(query: string): Group | null {
  const watch = new URLSearchParams(query).get("watch");
  return watch === null ? null : watch === "conversations" ? "conversations" : "participants";
}

function insideOf(query: string): string | null {
  return new URLSearchParams(query).get("inside");
}

function offsetOf(query: string): number {
  return Number(new URLSearchParams(query).get("offset") ?? 0);
}

function covers(offset: number, first: number, last: number): boolean {
  return offset <= first && last < offset + PAGE;
}
