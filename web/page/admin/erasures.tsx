/** Erasures of people: how far each is, and the handle that begins one. */

import { useState } from "preact/hooks";
import { Confirm } from "./confirm.tsx";
import { count, moment } from "./format.ts";
import { Listed } from "./listed.tsx";
import { salon } from "./operator.ts";
import { usePages } from "./pages.ts";
import { Person } from "./person.tsx";
import type { ErasureRow } from "./records.ts";
import { say } from "./say.ts";
import { StateWord } from "./state.tsx";
import type { TableColumn } from "./table.tsx";

/** All erasures, or those of one person, with the handle. */
export function Erasures({ of }: { of?: string }) {
  const pages = usePages<ErasureRow>("/admin/erasures", "erasures", { id: of });
  const under = pages.rows?.some(({ state }) => state !== "done") ?? false;
  return (
    <Listed
      id="erasures"
      title="Erasures"
      label={of === undefined ? "The erasures" : "Erasures of this person"}
      empty={of === undefined ? "Nobody was erased." : "They were not erased."}
      pages={pages}
      columns={of === undefined ? [WHOSE, ...COLUMNS] : COLUMNS}
      keyOf={({ erasure_id }) => erasure_id}
      actions={of !== undefined && <Erase id={of} under={under} done={pages.again} />}
    />
  );
}

const WHOSE: TableColumn<ErasureRow> = { name: "person", text: "Person", value: ({ participant_id }) => participant_id, cell: ({ participant_id }) => <Person id={participant_id} /> };

const COLUMNS: TableColumn<ErasureRow>[] = [
  { name: "state", text: "State", value: ({ state }) => state, cell: ({ state }) => WORDS[state] },
  { name: "messages", text: "Messages erased", figure: true, value: ({ messages }) => messages, cell: ({ messages }) => count(messages) },
  { name: "asked", text: "Asked", value: ({ asked_at }) => asked_at, cell: ({ asked_at }) => <span class="nowrap">{moment(asked_at)}</span> },
  { name: "by", text: "By", value: ({ by }) => by, cell: ({ by, participant_id }) => (by === participant_id ? "themselves" : <Person id={by} />) },
  { name: "done", text: "Done", value: ({ done_at }) => done_at ?? "", cell: ({ done_at }) => (done_at ? <span class="nowrap">{moment(done_at)}</span> : "–") },
];

const WORDS = {
  running: <StateWord state="busy" word="under way" />,
  held: <><StateWord state="waiting" word="waits" /> <span class="soft">for the release of a legal hold</span></>,
  done: <StateWord state="complete" word="done" />,
};

function Erase({ id, under, done }: { id: string; under: boolean; done: () => void }) {
  const [asking, ask] = useState(false);
  return (
    <>
      <button type="button" class="button small" disabled={under} title={under ? "It is under way" : undefined} onClick={() => ask(true)}>Erase…</button>
      {asking && (
        <Confirm
          title="Erase this person?"
          action="Erase"
          word="erase"
          close={() => ask(false)}
          run={async () => {
            await salon.request("POST", `/admin/people/${encodeURIComponent(id)}/erasure`);
            say("The erasure has begun.");
            done();
          }}
        >
          <p>
            This ends all sessions of <b><bdi>{id}</bdi></b>, deletes their messages, files and name in all conversations, and has them leave.
            Nobody can undo it.
          </p>
          <p class="soft">Their id stays in the places that were theirs, and so do bans, and what others wrote about them. What a legal hold keeps waits for its release.</p>
        </Confirm>
      )}
    </>
  );
}
