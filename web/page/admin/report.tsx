/** One report: the message with what was said around it, and what can be done about it from here. */

import { useState } from "preact/hooks";
import { Confirm } from "./confirm.tsx";
import { moment } from "./format.ts";
import { Events, type Logged } from "./events.tsx";
import { salon } from "./operator.ts";
import { Person } from "./person.tsx";
import { usePolled } from "./poll.ts";
import type { ReportRow } from "./records.ts";
import { address } from "./route.ts";
import { say } from "./say.ts";
import { Lengths, untilOf, Why } from "./terms.tsx";

interface Dossier extends ReportRow {
  events: Logged[];
}

export function ReportPlace({ id }: { id: string }) {
  const { answer: found, failure, again } = usePolled<Dossier>(`/admin/reports/${encodeURIComponent(id)}`);
  if (found === null) return <p class="moment" role="status">{failure || "One moment…"}</p>;
  const reported = found.events.find((event) => event.sequence_id === found.sequence_id)?.["message"];
  return (
    <article class="dossier" aria-labelledby="report-title">
      <header class="dossier-head">
        <div>
          <p class="eyebrow"><a href={address("moderation")}>Moderation</a></p>
          <h1 id="report-title">Report {found.report_id}</h1>
          <p class="soft">by <Person id={found.reporter_id} />, {moment(found.reported_at)}, in <a class="mono" href={address("conversation", found.conversation_id)}>{found.conversation_id}</a></p>
        </div>
        <Handles report={found} sender={reported?.["sender_name"]} deleted={reported?.["deleted"] ?? false} done={again} />
      </header>
      {failure && <p class="failure" role="status">This may be old: {failure}</p>}
      <section class="pane why" aria-labelledby="reason-title">
        <h2 id="reason-title">Reason</h2>
        <p class="words" dir="auto">{found.reason}</p>
        {found.closed_at !== null && <p class="soft">Closed {moment(found.closed_at)} by {found.closed_by && <Person id={found.closed_by} />}: <bdi>{found.outcome}</bdi></p>}
      </section>
      <section class="pane" aria-labelledby="around-title">
        <h2 id="around-title">The message, and what was said around it</h2>
        {found.events.length === 0 ? <p class="empty">The conversation was deleted.</p> : <Events label="The surroundings" events={found.events} marked={found.sequence_id} />}
        <p class="soft small">That you read it is noted under Audit.</p>
      </section>
    </article>
  );
}

type Deed = "delete" | "mute" | "ban" | "close";

function Handles({ report, sender, deleted, done }: { report: ReportRow; sender: string | undefined; deleted: boolean; done: () => void }) {
  const [deed, ask] = useState<Deed | null>(null);
  return (
    <div class="actions">
      {sender !== undefined && (
        <>
          <button type="button" class="button" disabled={deleted} onClick={() => ask("delete")}>Delete the message…</button>
          <button type="button" class="button" onClick={() => ask("mute")}>Mute the sender…</button>
          <button type="button" class="button" onClick={() => ask("ban")}>Ban the sender…</button>
        </>
      )}
      {report.closed_at === null && <button type="button" class="button primary" onClick={() => ask("close")}>Close the report…</button>}
      {deed === "close" && <Close report={report} done={done} close={() => ask(null)} />}
      {deed !== null && deed !== "close" && <Act key={deed} deed={deed} report={report} sender={sender ?? ""} done={done} close={() => ask(null)} />}
    </div>
  );
}

const ACTS = {
  delete: { path: "delete-message", title: "Delete the reported message?", action: "Delete", said: "The message is deleted.", words: () => <>Everybody in the conversation sees that it was deleted, and its text is gone for good.</> },
  mute: { path: "mute", title: "Mute the sender?", action: "Mute", said: "The sender is muted.", words: (sender: string) => <>What <b><bdi>{sender}</bdi></b> writes in this conversation is refused, whatever their role. They can still read.</> },
  ban: { path: "ban", title: "Ban the sender?", action: "Ban", said: "The sender is banned.", words: (sender: string) => <><b><bdi>{sender}</bdi></b> is removed from this conversation, whatever their role, and may not come back.</> },
} as const;

function Act({ deed, report, sender, done, close }: { deed: keyof typeof ACTS; report: ReportRow; sender: string; done: () => void; close: () => void }) {
  const { path, title, action, said, words } = ACTS[deed];
  const [reason, write] = useState("");
  const [seconds, last] = useState("");
  const run = async (): Promise<void> => {
    const terms = { ...(reason.trim() && { reason: reason.trim() }), ...(seconds && { until: untilOf(seconds) }) };
    await salon.request("POST", `/admin/reports/${report.report_id}/${path}`, terms);
    say(said);
    done();
  };
  return (
    <Confirm title={title} action={action} run={run} close={close}>
      <p>{words(sender)}</p>
      {deed !== "delete" && <Lengths value={seconds} set={last} />}
      <Why label="Reason, which the members read" value={reason} set={write} />
    </Confirm>
  );
}

function Close({ report, done, close }: { report: ReportRow; done: () => void; close: () => void }) {
  const [outcome, write] = useState("");
  const run = async (): Promise<void> => {
    await salon.request("POST", `/admin/reports/${report.report_id}/close`, { outcome: outcome.trim() });
    say("The report is closed.");
    done();
  };
  return (
    <Confirm title="Close the report?" action="Close it" mild run={run} close={close}>
      <Why label="What came of it, for other operators" value={outcome} set={write} required />
    </Confirm>
  );
}
