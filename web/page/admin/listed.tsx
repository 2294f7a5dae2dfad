/** A pane with a list of records: what there is, how old it is, what can be done. */

import type { ComponentChildren } from "preact";
import { count } from "./format.ts";
import type { Pages } from "./pages.ts";
import { Table, type TableColumn } from "./table.tsx";

interface Listing<Row> {
  id: string;
  title: string;
  /** What the table is called to those who do not see it. */
  label: string;
  /** What is said where there is nothing. */
  empty: string;
  pages: Pages<Row>;
  columns: readonly TableColumn<Row>[];
  keyOf: (row: Row) => string;
  actions?: ComponentChildren;
}

export function Listed<Row>({ id, title, label, empty, pages: { rows, failure, more }, columns, keyOf, actions }: Listing<Row>) {
  return (
    <section class="pane" aria-labelledby={`${id}-title`}>
      <div class="section-head">
        <h2 id={`${id}-title`}>{title} <span class="soft">{rows && `${count(rows.length)}${more ? " and more" : ""}`}</span></h2>
        {actions && <div class="actions">{actions}</div>}
      </div>
      {failure && <p class="failure" role="status">{rows ? "This may be old: " : ""}{failure}</p>}
      {rows?.length === 0 && <p class="empty">{empty}</p>}
      {rows && rows.length > 0 && <Table label={label} columns={columns} rows={rows} keyOf={keyOf} />}
      {more && <button type="button" class="button small" onClick={more}>Earlier</button>}
    </section>
  );
}
