/** The tree of actors as a list of lines, of which each can be had by its number: what is closed takes none. */

import type { ActorRow, ConnectionRow, ConversationRow, Listed } from "./rows.ts";

export type Group = "conversations" | "participants";
export type Row = ConversationRow & ActorRow;

export type Item =
  | { kind: "directory" }
  | { kind: "group"; group: Group }
  | { kind: "actor"; at: number }
  | { kind: "connection"; row: ConnectionRow }
  | { kind: "more"; left: number };

/** The directory, the two groups below it, and the actors of the one that is open, with the connections of one of them. */
export class Items {
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
    const found = expanded === null || list === null ? -1 : list.order.findIndex((key) => list.rows[key] && idOf(list.rows[key]) === expanded);
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
    const row = this.rowAt(at);
    return row && idOf(row);
  }

  /** An actor's key in the list: a participant has an actor at each node where they are connected. */
  keyAt(at: number): string | undefined {
    return this.list?.order[at - this.from];
  }

  /** How many actors the open group has. */
  get total(): number | undefined {
    return this.list?.total;
  }

  rowAt(at: number): Row | undefined {
    const key = this.list?.order[at - this.from];
    return key === undefined ? undefined : this.list?.rows[key];
  }
}

/** What stays the same of a line while others come and go above it. */
export function keyOf(items: Items, index: number): string {
  const item = items.at(index);
  if (item.kind === "actor") return `actor ${items.keyAt(item.at) ?? index}`;
  return item.kind === "connection" ? item.row.id : item.kind === "group" ? item.group : item.kind;
}

function idOf(row: Row): string {
  return row.id ?? row.key;
}

function nestedOf(children: Listed<ConnectionRow>): Item[] {
  const rows = children.order.flatMap((id): Item[] => {
    const row = children.rows[id];
    return row ? [{ kind: "connection", row }] : [];
  });
  return children.total > rows.length ? [...rows, { kind: "more", left: children.total - rows.length }] : rows;
}
