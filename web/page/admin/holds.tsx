/** Legal holds: what may be neither changed nor deleted, why, and the handles that place and release them. */

import { useState } from "preact/hooks";
import { Confirm } from "./confirm.tsx";
import { moment } from "./format.ts";
import { Listed } from "./listed.tsx";
import { salon } from "./operator.ts";
import { usePages } from "./pages.ts";
import { Person } from "./person.tsx";
import type { HoldKind, HoldRow } from "./records.ts";
import { address } from "./route.ts";
import { say } from "./say.ts";
import { StateWord } from "./state.tsx";
import type { TableColumn } from "./table.tsx";

const REASON = 500; // characters, as the server takes

/** All holds, or those of one person or conversation. */
export function Holds({ of }: { of?: { kind: HoldKind; subject: string } }) {
  const pages = usePages<HoldRow>("/admin/holds", "holds", { ...of });
  return (
    <Listed
      id="holds"
      title="Legal holds"
      label={of ? "Its legal holds" : "The legal holds"}
      empty={of ? "Nothing is held." : "Nothing is held. A person's or a conversation's own page has the handle for it."}
      pages={pages}
      columns={columns(pages.again, of === undefined)}
      keyOf={({ hold_id }) => hold_id}
      actions={of && <Place of={of} done={pages.again} />}
    />
  );
}

function columns(again: () => void, all: boolean): TableColumn<HoldRow>[] {
  const subject: TableColumn<HoldRow> = { name: "subject", text: "Of", value: ({ subject }) => subject, cell: (row) => <Subject row={row} /> };
  const why: TableColumn<HoldRow> = { name: "reason", text: "Reason", value: ({ reason }) => reason, cell: ({ reason }) => <span class="words" dir="auto">{reason}</span> };
  return [
    ...(all ? [subject] : []),
    why,
    { name: "state", text: "State", value: ({ released_at }) => released_at ?? "", cell: ({ released_at }) => (released_at ? <>released {moment(released_at)}</> : <StateWord state="waiting" word="held" />) },
    { name: "at", text: "Since", value: ({ at }) => at, cell: ({ at }) => <span class="nowrap">{moment(at)}</span> },
    { name: "by", text: "By", value: ({ by }) => by, cell: ({ by }) => <Person id={by} /> },
    { name: "action", text: "Action", cell: (row) => row.released_at === null && <Release row={row} done={again} /> },
  ];
}

function Subject({ row: { kind, subject } }: { row: HoldRow }) {
  if (kind === "person") return <>person <Person id={subject} /></>;
  return <>conversation <a class="mono" href={address("conversation", subject)}>{subject}</a></>;
}

function Place({ of, done }: { of: { kind: HoldKind; subject: string }; done: () => void }) {
  const [asking, ask] = useState(false);
  const [reason, write] = useState("");
  return (
    <>
      <button type="button" class="button small" onClick={() => ask(true)}>Hold…</button>
      {asking && (
        <Confirm
          title={of.kind === "person" ? "Hold what this person has said?" : "Hold the conversation?"}
          action="Hold"
          mild
          close={() => ask(false)}
          run={async () => {
            await salon.request("POST", "/admin/holds", { ...of, reason: reason.trim() });
            say("It is held.");
            write("");
            done();
          }}
        >
          <p>Until you release it, nobody can edit or delete {of.kind === "person" ? "their messages" : "its messages"}, retention passes them over, and erasures wait.</p>
          <label for="hold-reason">Reason, for other operators</label>
          <input id="hold-reason" class="field" required autofocus maxLength={REASON} dir="auto" value={reason} onInput={(event) => write(event.currentTarget.value)} />
        </Confirm>
      )}
    </>
  );
}

function Release({ row, done }: { row: HoldRow; done: () => void }) {
  const [asking, ask] = useState(false);
  return (
    <>
      <button type="button" class="quiet" aria-label={`Release the hold: ${row.reason}…`} onClick={() => ask(true)}>Release…</button>
      {asking && (
        <Confirm
          title="Release the hold?"
          action="Release"
          close={() => ask(false)}
          run={async () => {
            await salon.request("DELETE", `/admin/holds/${encodeURIComponent(row.hold_id)}`);
            say("The hold is released.");
            done();
          }}
        >
          <p>What it kept may be deleted from now on, unless another hold keeps it. Erasures that waited for it go on at once.</p>
        </Confirm>
      )}
    </>
  );
}
