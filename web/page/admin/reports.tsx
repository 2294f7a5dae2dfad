/** The queue of messages that members have reported: what waits for an operator, and what came of the rest. */

import { useState } from "preact/hooks";
import { moment } from "./format.ts";
import { Listed } from "./listed.tsx";
import { usePages } from "./pages.ts";
import { Person } from "./person.tsx";
import type { ReportRow } from "./records.ts";
import { address } from "./route.ts";
import type { TableColumn } from "./table.tsx";

export function Reports() {
  const [state, choose] = useState<"open" | "closed">("open");
  const other = state === "open" ? "closed" : "open";
  return (
    <Listed
      id="reports"
      title={state === "open" ? "Reported messages" : "Closed reports"}
      label="The reports"
      empty={state === "open" ? "No report waits." : "No report was closed."}
      pages={usePages<ReportRow>("/admin/reports", "reports", { state })}
      columns={state === "open" ? COLUMNS : [...COLUMNS, ...CLOSED]}
      keyOf={({ report_id }) => String(report_id)}
      actions={<button type="button" class="button small" onClick={() => choose(other)}>Show the {other} ones</button>}
    />
  );
}

const COLUMNS: TableColumn<ReportRow>[] = [
  { name: "reason", text: "Reason", value: ({ reason }) => reason, cell: ({ report_id, reason }) => <a class="words" dir="auto" href={address("report", String(report_id))}>{reason}</a> },
  { name: "by", text: "Reported by", value: ({ reporter_id }) => reporter_id, cell: ({ reporter_id }) => <Person id={reporter_id} /> },
  { name: "at", text: "At", value: ({ reported_at }) => reported_at, cell: ({ reported_at }) => <span class="nowrap">{moment(reported_at)}</span> },
  { name: "conversation", text: "Conversation", value: ({ conversation_id }) => conversation_id, cell: ({ conversation_id }) => <a class="mono" href={address("conversation", conversation_id)}>{conversation_id}</a> },
];

const CLOSED: TableColumn<ReportRow>[] = [
  { name: "outcome", text: "Outcome", value: ({ outcome }) => outcome ?? "", cell: ({ outcome }) => <span class="words" dir="auto">{outcome}</span> },
  { name: "closed", text: "Closed", value: ({ closed_at }) => closed_at ?? "", cell: ({ closed_at, closed_by }) => (closed_at ? <><span class="nowrap">{moment(closed_at)}</span> by {closed_by && <Person id={closed_by} />}</> : "–") },
];
