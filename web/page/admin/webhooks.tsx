/** Who is told of events over HTTP: how far each is behind, what it answered last, and what can be done about it. */

import { useState } from "preact/hooks";
import { Confirm } from "./confirm.tsx";
import { count, counted, moment } from "./format.ts";
import { reason, salon } from "./operator.ts";
import { usePolled } from "./poll.ts";
import { address } from "./route.ts";
import type { WebhookRow } from "./rows.ts";
import { say } from "./say.ts";
import { StateWord } from "./state.tsx";
import { Table, type TableColumn } from "./table.tsx";

export function Webhooks() {
  const { answer, failure, again } = usePolled<{ webhooks: WebhookRow[] }>("/admin/webhooks");
  const webhooks = answer?.webhooks ?? [];
  return (
    <div class="dossier">
      <h1 class="visually-hidden">Webhooks</h1>
      <section class="pane" aria-labelledby="webhooks-title">
        <h2 id="webhooks-title">Webhooks <span class="soft">{answer && count(webhooks.length)}</span></h2>
        {failure && <p class="failure" role="status">This may be old: {failure}</p>}
        {answer && webhooks.length === 0 && <p class="empty">No backend is told of events. The configuration names them, or POST /admin/webhooks.</p>}
        {webhooks.length > 0 && <Table label="The webhooks" columns={columns(again)} rows={webhooks} keyOf={({ webhook_id }) => webhook_id} />}
      </section>
    </div>
  );
}

function columns(again: () => void): TableColumn<WebhookRow>[] {
  return [
    {
      name: "url", text: "Webhook", value: ({ url }) => url,
      cell: ({ webhook_id, url, source }) => <><bdi class="mono" title={webhook_id}>{url}</bdi> {source === "configuration" && <span class="soft">configuration</span>}</>,
    },
    { name: "events", text: "Is told", value: ({ events }) => told(events), cell: ({ events, conversations }) => <>{told(events)}{conversations && <span class="soft"> of {counted(conversations.length, "conversation")}</span>}</> },
    { name: "state", text: "State", value: ({ state }) => state, cell: (row) => <State row={row} /> },
    { name: "lag", text: "Lag", figure: true, value: ({ lag }) => lag, cell: ({ lag }) => (lag ? <b class="warn">{count(lag)}</b> : count(lag)) },
    { name: "stuck", text: "Waiting for a retry", figure: true, value: ({ stuck_count }) => stuck_count, cell: (row) => <Stuck row={row} /> },
    { name: "delivered", text: "Taken", figure: true, value: ({ delivered }) => delivered, cell: ({ delivered }) => count(delivered) },
    { name: "failed", text: "Failed", figure: true, value: ({ failed }) => failed, cell: ({ failed }) => count(failed) },
    {
      name: "error", text: "Last error", value: ({ last_error_at }) => last_error_at ?? "",
      cell: ({ last_error, last_error_at }) => (last_error ? <><span>{last_error}</span> <span class="soft">{last_error_at && moment(last_error_at)}</span></> : "–"),
    },
    { name: "action", text: "Actions", cell: (row) => <Handles row={row} again={again} /> },
  ];
}

function told(events: WebhookRow["events"]): string {
  return events === "*" ? "everything" : events.join(", ");
}

function State({ row: { state, why } }: { row: WebhookRow }) {
  if (state === "active") return <StateWord state="live" word="active" />;
  if (state === "failing") return <StateWord state="waiting" word="failing" />;
  return <><StateWord state="failed" word="paused" /> <span class="soft">{why}</span></>;
}

function Stuck({ row: { stuck, stuck_count } }: { row: WebhookRow }) {
  const first = stuck[0];
  if (!first) return <>{count(stuck_count)}</>;
  return <>{count(stuck_count)} <a href={address("conversation", first.conversation_id)} title={first.error ?? undefined}>since event {count(first.sequence_id)}</a></>;
}

function Handles({ row, again }: { row: WebhookRow; again: () => void }) {
  const [busy, setBusy] = useState(false);
  const [skipping, skip] = useState(false);
  const path = `/admin/webhooks/${encodeURIComponent(row.webhook_id)}`;
  const act = async (run: () => Promise<string>): Promise<void> => {
    setBusy(true);
    try {
      say(await run());
    } catch (error) {
      say(reason(error));
    }
    setBusy(false);
    again();
  };
  const test = async (): Promise<string> => {
    const { status, error } = await salon.request<{ status: number | null; error: string | null }>("POST", `${path}/test`);
    return error === null ? `The test was taken: ${status}.` : `The test was not taken: ${error}.`;
  };
  const retry = async (): Promise<string> => {
    await salon.request("POST", `${path}/retry`);
    return "What waited is tried now.";
  };
  const waits = row.stuck_count > 0 || row.state === "paused";
  return (
    <span class="handles">
      <button type="button" class="quiet" disabled={busy} onClick={() => void act(test)}>Send a test</button>
      {waits && <button type="button" class="quiet" disabled={busy} onClick={() => void act(retry)}>Retry now</button>}
      {row.stuck_count > 0 && <button type="button" class="quiet" onClick={() => skip(true)}>Skip…</button>}
      {skipping && (
        <Confirm
          title="Skip what is not taken?"
          action="Skip"
          close={() => skip(false)}
          run={async () => {
            const { skipped } = await salon.request<{ skipped: number }>("POST", `${path}/skip`);
            say(`${counted(skipped, "event")} skipped.`);
            again();
          }}
        >
          <p>Of each conversation that waits, the webhook is never told the event that it did not take. The next ones are tried.</p>
        </Confirm>
      )}
    </span>
  );
}
