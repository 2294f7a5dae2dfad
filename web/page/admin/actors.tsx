/** The live tree: the directory, its conversations and participants, and the connections of the one that is opened. */

import { useEffect, useState } from "preact/hooks";
import { now, stats } from "./figures.ts";
import { count, duration } from "./format.ts";
import { type Column, Filter, Headings, classOf } from "./heading.tsx";
import { Meter } from "./meter.tsx";
import { address, go } from "./route.ts";
import type { ActorRow, ConnectionRow, ConversationRow, Listed } from "./rows.ts";
import { StateWord } from "./state.tsx";
import { useView } from "./view.ts";
import { PAGE, pageStart, useSight } from "./window.ts";

type Group = "conversations" | "participants";
type Row = ConversationRow & ActorRow;

type Item =
  | { kind: "directory" }
  | { kind: "group"; group: Group }
  | { kind: "actor"; at: number }
  | { kind: "connection"; row: ConnectionRow }
  | { kind: "more"; left: number };

const STATES = ["busy", "waiting", "idle", "starting"];
const QUIET = 150; // milliseconds after the last key of a filter

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

/** The tree as a list of lines: what is closed takes none. */
class Items {
  readonly count: number;
  private readonly open: Group | null;
  private readonly list: Listed<Row> | null;
  private readonly from: number; // the place of the list's first row among all
  private readonly body: number; // lines of the open group
  private readonly place: number; // of the expanded actor among the actors, or -1
  private readonly nested: Item[];

  constructor(
    open: Group | null,
    list: Listed<Row> | null,
    from: number,
    expanded: string | null,
    children: Listed<ConnectionRow> | null,
  ) {
    this.open = open;
    this.list = list;
    this.from = from;
    const found = expanded === null || list === null ? -1 : list.order.findIndex((id) => idOf(id) === expanded);
    this.place = found < 0 ? -1 : from + found;
    this.nested = this.place < 0 || children === null ? [] : nestedOf(children);
    this.body = list === null ? 0 : list.total + this.nested.length;
    this.count = 3 + this.body;
  }

  /** Where the open group's actors begin. */
  private get start(): number {
    return this.open === "participants" ? 3 : 2;
  }

  at(index: number): Item {
    if (index === 0) return { kind: "directory" };
    if (index === 1) return { kind: "group", group: "conversations" };
    const second = this.open === "conversations" ? 2 + this.body : 2;
    if (index === second) return { kind: "group", group: "participants" };
    const inside = index - this.start;
    if (this.place < 0 || inside <= this.place) return { kind: "actor", at: inside };
    const child = inside - this.place - 1;
    return this.nested[child] ?? { kind: "actor", at: inside - this.nested.length };
  }

  /** The actor at this line, or the nearest. */
  actorAt(index: number): number {
    const item = this.at(Math.min(Math.max(index, this.start), this.start + Math.max(0, this.body - 1)));
    return item.kind === "actor" ? item.at : Math.max(0, this.place);
  }

  idAt(at: number): string | undefined {
    const key = this.list?.order[at - this.from];
    return key === undefined ? undefined : idOf(key);
  }

  rowAt(at: number): Row | undefined {
    const key = this.list?.order[at - this.from];
    return key === undefined ? undefined : this.list?.rows[key];
  }
}

interface LineProps {
  index: number;
  item: Item;
  items: Items;
  open: Group | null;
  expanded: string | null;
  chosen: boolean;
  top: number;
  columns: Column[];
  act: (item: Item, how: "open" | "toggle") => void;
}

function Line({ index, item, items, open, expanded, chosen, top, columns, act }: LineProps) {
  const common = {
    id: `item-${index}`,
    role: "row" as const,
    "aria-rowindex": index + 2,
    "aria-selected": chosen,
    style: { transform: `translateY(${top}px)` },
  };
  const state = stats.value;
  switch (item.kind) {
    case "directory":
      return (
        <div {...common} class="row root" aria-level={1} aria-expanded={true}>
          <span class="cell name" role="gridcell"><b>directory</b> <span class="soft">finds, activates, restarts</span></span>
          <Cells columns={columns} cells={{ turns: count(state?.turns), restarts: count(state?.restarts) }} />
        </div>
      );
    case "group": {
      const total = state?.[item.group];
      return (
        <div {...common} class="row group" aria-level={2} aria-expanded={open === item.group} onClick={() => act(item, "toggle")}>
          <span class="cell name" role="gridcell"><Twist open={open === item.group} />{item.group} <span class="soft">{count(total)}</span></span>
          <Cells columns={columns} cells={{}} />
        </div>
      );
    }
    case "connection":
      return (
        <div {...common} class="row leaf" aria-level={4}>
          <span class="cell name" role="gridcell">
            <span class="soft">connection of</span> <a tabIndex={-1} href={address("connection", item.row.id)}><bdi>{open === "participants" ? item.row.conversation_id : item.row.name}</bdi></a>
          </span>
          <Cells columns={columns} cells={{ state: <StateWord state={item.row.state} />, head: count(item.row.position), idle: "" }} />
        </div>
      );
    case "more":
      return (
        <div {...common} class="row leaf" aria-level={4}>
          <span class="cell name soft" role="gridcell">and {count(item.left)} more, under Connections</span>
          <Cells columns={columns} cells={{}} />
        </div>
      );
    case "actor":
      return <Actor common={common} row={items.rowAt(item.at)} item={item} open={open} expanded={expanded} columns={columns} act={act} />;
  }
}

function Actor({ common, row, item, open, expanded, columns, act }: { common: object; row: Row | undefined } & Pick<LineProps, "item" | "open" | "expanded" | "columns" | "act">) {
  if (row === undefined) {
    return (
      <div {...common} class="row leaf" aria-level={3}>
        <span class="cell name soft" role="gridcell">…</span>
        <Cells columns={columns} cells={{}} />
      </div>
    );
  }
  const id = row.id ?? row.key;
  const opened = expanded === id;
  return (
    <div {...common} class="row actor" aria-level={3} aria-expanded={row.connections ? opened : undefined}>
      <span class="cell name" role="gridcell">
        {row.connections ? (
          <button type="button" class="twist" tabIndex={-1} aria-label={opened ? "Hide its connections" : "Show its connections"} onClick={() => act(item, "toggle")}><Twist open={opened} /></button>
        ) : (
          <span class="twist" />
        )}
        <a tabIndex={-1} href={address(open === "participants" ? "participant" : "conversation", id)} title={id}><bdi>{row.title ?? id}</bdi></a>
        {row.status === "inactive" && <span class="soft"> archived</span>}
      </span>
      <Cells
        columns={columns}
        cells={{
          state: <StateWord state={row.state} />,
          depth: <Meter depth={row.depth} limit={row.limit} />,
          head: count(row.head),
          members: count(row.participants),
          connections: <>{count(row.connections)}{row.behind > 0 && <span class="warn" title="read the log at their own pace"> {row.behind} behind</span>}</>,
          turns: count(row.turns),
          restarts: row.restarts ? <b class="bad">{count(row.restarts)}</b> : "0",
          idle: duration((now.value - Date.parse(row.last_turn_at)) / 1000),
        }}
      />
    </div>
  );
}

function Cells({ columns, cells }: { columns: Column[]; cells: Record<string, preact.ComponentChildren> }) {
  return (
    <>
      {columns.slice(1).map((column) => (
        <span key={column.name} role="gridcell" class={classOf(column)}>{cells[column.name]}</span>
      ))}
    </>
  );
}

function Twist({ open }: { open: boolean }) {
  return <span class="twist-sign" aria-hidden="true">{open ? "▾" : "▸"}</span>;
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

/** An actor's key in a list is its kind and its own. */
function idOf(key: string): string {
  return key.startsWith("participant:") ? key.slice("participant:".length) : key;
}

function covers(offset: number, first: number, last: number): boolean {
  return offset <= first && last < offset + PAGE;
}

function keyOf(items: Items, index: number): string {
  const item = items.at(index);
  if (item.kind === "actor") return `actor ${items.idAt(item.at) ?? index}`;
  return item.kind === "connection" ? item.row.id : item.kind === "group" ? item.group : item.kind;
}

function nestedOf(children: Listed<ConnectionRow>): Item[] {
  const rows = children.order.flatMap((id): Item[] => {
    const row = children.rows[id];
    return row ? [{ kind: "connection", row }] : [];
  });
  return children.total > rows.length ? [...rows, { kind: "more", left: children.total - rows.length }] : rows;
}

function useSettled(text: string): string {
  const [settled, settle] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => settle(text), QUIET);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
