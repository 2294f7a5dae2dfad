/** A table of a few dozen rows, which the page itself sorts by any column that has an order. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { nextOrder, sorted, type Value } from "./sorted.ts";

export interface TableColumn<Row> {
  name: string;
  text: string;
  cell: (row: Row) => ComponentChildren;
  /** What the rows are sorted by; a row without it is behind all others. Figures begin with the largest. */
  value?: (row: Row) => Value;
  figure?: boolean;
}

/** The first column names its row. Until somebody sorts, the rows are as they came. */
export function Table<Row>(props: { label: string; columns: readonly TableColumn<Row>[]; rows: readonly Row[]; keyOf: (row: Row) => string }) {
  const [order, setOrder] = useState("");
  const by = props.columns.find(({ name }) => name === order.replace("-", ""))?.value;
  const rows = by === undefined ? props.rows : sorted(props.rows, by, order.startsWith("-"));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={props.label}>
      <table class="table sortable">
        <thead>
          <tr>{props.columns.map((column) => <Heading key={column.name} column={column} order={order} choose={setOrder} />)}</tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={props.keyOf(row)}>
              {props.columns.map(({ name, figure, cell }, at) =>
                at === 0 ? <th key={name} scope="row">{cell(row)}</th> : <td key={name} class={figure ? "number" : undefined}>{cell(row)}</td>,
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Heading<Row>({ column, order, choose }: { column: TableColumn<Row>; order: string; choose: (order: string) => void }) {
  const { name, text, figure = false, value } = column;
  const here = order.replace("-", "") === name;
  const down = order.startsWith("-");
  return (
    <th scope="col" class={figure ? "number" : undefined} aria-sort={here ? (down ? "descending" : "ascending") : undefined}>
      {value === undefined ? (
        <span class={name === "action" ? "visually-hidden" : undefined}>{text}</span>
      ) : (
        <button type="button" onClick={() => choose(nextOrder(order, name, figure))}>
          {text}<span aria-hidden="true">{here ? (down ? " ↓" : " ↑") : ""}</span>
        </button>
      )}
    </th>
  );
}
