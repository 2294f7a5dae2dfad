/** Whether a person is let in at all, and the handles for it; and who is not. */

import { useState } from "preact/hooks";
import { Confirm } from "./confirm.tsx";
import { moment } from "./format.ts";
import { Listed } from "./listed.tsx";
import { salon } from "./operator.ts";
import { type Pages, usePages } from "./pages.ts";
import { Person } from "./person.tsx";
import type { BlockedRow } from "./records.ts";
import { say } from "./say.ts";

export function useBlocked(id: string): Pages<BlockedRow> {
  return usePages<BlockedRow>("/admin/blocked", "people", { id });
}

/** The handle that blocks somebody or lets them in again, whichever can be done. */
export function Block({ id, blocked: { rows, again } }: { id: string; blocked: Pages<BlockedRow> }) {
  const [asking, ask] = useState(false);
  const is = rows !== null && rows.length > 0;
  const path = `/admin/people/${encodeURIComponent(id)}/block`;
  return (
    <>
      <button type="button" class="button" disabled={rows === null} onClick={() => ask(true)}>{is ? "Unblock…" : "Block…"}</button>
      {asking && (
        <Confirm
          title={is ? "Let them in again?" : "Block this person?"}
          action={is ? "Unblock" : "Block"}
          mild={is}
          close={() => ask(false)}
          run={async () => {
            await salon.request(is ? "DELETE" : "PUT", path);
            say(is ? "They may come in again." : "They are blocked.");
            again();
          }}
        >
          {is ? (
            <p>They may come in again, with the tokens and sessions that they have.</p>
          ) : (
            <p><b><bdi>{id}</bdi></b> is refused from now on, whatever token they have. Their connections are closed at once. What they have said stays.</p>
          )}
        </Confirm>
      )}
    </>
  );
}

export function BlockedPeople() {
  const pages = usePages<BlockedRow>("/admin/blocked", "people");
  return (
    <Listed
      id="blocked"
      title="Blocked people"
      label="The blocked people"
      empty="Nobody is blocked."
      pages={pages}
      columns={[
        { name: "person", text: "Person", value: ({ id }) => id, cell: ({ id }) => <Person id={id} /> },
        { name: "at", text: "Since", value: ({ blocked_at }) => blocked_at, cell: ({ blocked_at }) => <span class="nowrap">{moment(blocked_at)}</span> },
      ]}
      keyOf={({ id }) => id}
    />
  );
}
