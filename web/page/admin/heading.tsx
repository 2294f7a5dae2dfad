/** Column headings that sort, and the filter above a list. */

import { nextOrder } from "./sorted.ts";

export interface Column {
  name: string;
  text: string;
  /** The server's name for it, where one can sort by it; figures begin with the largest. */
  sort?: string;
  figure?: boolean;
  wide?: boolean;
}

export function Headings({ columns, sort, order }: { columns: Column[]; sort: string; order: (sort: string) => void }) {
  return (
    <div class="row head" role="row">
      {columns.map((column) => {
        const here = column.sort !== undefined && sort.replace("-", "") === column.sort;
        const down = sort.startsWith("-");
        return (
          <span
            key={column.name}
            role="columnheader"
            class={classOf(column)}
            aria-sort={here ? (down ? "descending" : "ascending") : undefined}
          >
            {column.sort === undefined ? (
              column.text
            ) : (
              <button type="button" onClick={() => order(nextOrder(sort, column.sort!, column.figure))}>
                {column.text}<span aria-hidden="true">{here ? (down ? " ↓" : " ↑") : ""}</span>
              </button>
            )}
          </span>
        );
      })}
    </div>
  );
}

export function classOf(column: Column): string {
  return `cell ${column.name}${column.figure ? " number" : ""}${column.wide ? " wide" : ""}`;
}

export function Filter(props: {
  label: string;
  text: string;
  filter: (text: string) => void;
  states: string[];
  state: string;
  choose: (state: string) => void;
  held: boolean;
  hold: (held: boolean) => void;
  total: string;
}) {
  return (
    <div class="filter">
      <input
        class="field"
        type="search"
        aria-label={props.label}
        placeholder={props.label}
        maxLength={255}
        value={props.text}
        onInput={(event) => props.filter(event.currentTarget.value)}
      />
      <select class="field" aria-label="State" value={props.state} onChange={(event) => props.choose(event.currentTarget.value)}>
        <option value="">any state</option>
        {props.states.map((state) => <option key={state} value={state}>{state}</option>)}
      </select>
      <button type="button" class="button small" aria-pressed={props.held} onClick={() => props.hold(!props.held)}>
        {props.held ? "Held: go on" : "Hold still"}
      </button>
      <span class="soft total" role="status">{props.total}</span>
    </div>
  );
}
