/** One line of the tree of actors. */

import type { ComponentChildren } from "preact";
import { now, stats } from "./figures.ts";
import { count, duration } from "./format.ts";
import { type Column, classOf } from "./heading.tsx";
import { Meter } from "./meter.tsx";
import { address } from "./route.ts";
import { StateWord } from "./state.tsx";
import type { Group, Item, Items, Row } from "./tree.ts";

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

export function Line({ index, item, items, open, expanded, chosen, top, columns, act }: LineProps) {
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
      const total = state?.node === undefined ? state?.[item.group] : open === item.group ? items.total : null;
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
        {row.node && <span class="soft"> at {row.node}</span>}
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

function Cells({ columns, cells }: { columns: Column[]; cells: Record<string, ComponentChildren> }) {
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
