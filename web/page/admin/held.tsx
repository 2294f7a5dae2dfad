/** The queue of messages and edits that moderation holds: read only when asked for, since it is what people wrote. */

import { useState } from "preact/hooks";
import { Confirm } from "./confirm.tsx";
import { moment } from "./format.ts";
import { Listed } from "./listed.tsx";
import { reason, salon } from "./operator.ts";
import { usePages } from "./pages.ts";
import { Person } from "./person.tsx";
import type { HeldRow } from "./records.ts";
import { address } from "./route.ts";
import { say } from "./say.ts";
import type { TableColumn } from "./table.tsx";
import { Why } from "./terms.tsx";

export function HeldQueue() {
  const [reads, read] = useState(false);
  if (reads) return <Held />;
  return (
    <section class="pane" aria-labelledby="held-title">
      <div class="section-head">
        <h2 id="held-title">Held messages</h2>
        <button type="button" class="button small" onClick={() => read(true)}>Read what is held</button>
      </div>
      <p class="soft">What the moderation of the configuration has held waits here for a decision. It shows what people wrote: that you read it is noted under Audit.</p>
    </section>
  );
}

function Held() {
  const [state, choose] = useState<"open" | "closed">("open");
  const other = state === "open" ? "closed" : "open";
  const pages = usePages<HeldRow>("/admin/held", "held", { state });
  return (
    <Listed
      id="held"
      title={state === "open" ? "Held messages" : "Decided messages"}
      label="The held messages"
      empty={state === "open" ? "Nothing waits for a decision." : "Nothing was decided."}
      pages={pages}
      columns={[...COLUMNS, ...(state === "open" ? waiting(pages.again) : DECIDED)]}
      keyOf={({ held_id }) => String(held_id)}
      actions={<button type="button" class="button small" onClick={() => choose(other)}>Show the {other === "open" ? "waiting" : "decided"} ones</button>}
    />
  );
}

const COLUMNS: TableColumn<HeldRow>[] = [
  { name: "sender", text: "Sender", value: ({ sender }) => sender.name, cell: ({ sender }) => <a href={address("participant", sender.id)}><bdi>{sender.name}</bdi></a> },
  { name: "at", text: "Held", value: ({ held_at }) => held_at, cell: ({ held_at, kind }) => <><span class="nowrap">{moment(held_at)}</span>{kind === "edit" && <span class="soft"> an edit</span>}</> },
  { name: "reason", text: "Why it is held", value: ({ reason }) => reason ?? "", cell: ({ reason }) => <span class="words" dir="auto">{reason ?? "–"}</span> },
  { name: "conversation", text: "Conversation", value: ({ conversation_id }) => conversation_id, cell: ({ conversation_id }) => <a class="mono" href={address("conversation", conversation_id)}>{conversation_id}</a> },
];

function waiting(again: () => void): TableColumn<HeldRow>[] {
  return [
    { name: "content", text: "Text", cell: ({ content }) => <span class="words" dir="auto">{content}</span> },
    { name: "action", text: "Decision", cell: (row) => <Decide row={row} again={again} /> },
  ];
}

/** Its text is gone by then. */
const DECIDED: TableColumn<HeldRow>[] = [
  { name: "outcome", text: "Outcome", value: ({ outcome }) => outcome ?? "", cell: ({ outcome, why }) => <>{outcome}{why && <span class="soft">: <bdi>{why}</bdi></span>}</> },
  { name: "closed", text: "Decided", value: ({ closed_at }) => closed_at ?? "", cell: ({ closed_at, closed_by }) => <>{closed_at && <span class="nowrap">{moment(closed_at)}</span>} by {closed_by && <Person id={closed_by} />}</> },
];

function Decide({ row, again }: { row: HeldRow; again: () => void }) {
  const [busy, setBusy] = useState(false);
  const [denying, deny] = useState(false);
  const [why, write] = useState("");
  const path = `/admin/held/${row.held_id}`;
  const post = async (): Promise<void> => {
    setBusy(true);
    try {
      const { outcome, why } = await salon.request<HeldRow>("POST", `${path}/approve`);
      say(outcome === "approved" ? "It is posted." : `It was not taken: ${why ?? ""}`);
    } catch (error) {
      say(reason(error));
    }
    setBusy(false);
    again();
  };
  return (
    <span class="handles">
      <button type="button" class="quiet" disabled={busy} aria-label={`Post what ${row.sender.name} wrote`} onClick={() => void post()}>Post</button>
      <button type="button" class="quiet bad" disabled={busy} aria-label={`Deny what ${row.sender.name} wrote…`} onClick={() => deny(true)}>Deny…</button>
      {denying && (
        <Confirm
          title={`Deny what ${row.sender.name} wrote?`}
          action="Deny"
          close={() => deny(false)}
          run={async () => {
            await salon.request("POST", `${path}/deny`, why.trim() ? { reason: why.trim() } : {});
            say("It is denied.");
            again();
          }}
        >
          <p>Nobody will see it. Its text is erased from the queue.</p>
          <Why label="Reason, which the sender reads" value={why} set={write} />
        </Confirm>
      )}
    </span>
  );
}
