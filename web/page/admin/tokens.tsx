/** Tokens that operators issued, of one person or of all, and the handles that issue and revoke them. */

import { useState } from "preact/hooks";
import { Confirm } from "./confirm.tsx";
import { counted, moment } from "./format.ts";
import { Issue } from "./issue.tsx";
import { Listed } from "./listed.tsx";
import { salon } from "./operator.ts";
import { usePages } from "./pages.ts";
import { Person } from "./person.tsx";
import type { TokenRow } from "./records.ts";
import { say } from "./say.ts";
import { StateWord } from "./state.tsx";
import type { TableColumn } from "./table.tsx";

export function Tokens({ of }: { of?: string }) {
  const pages = usePages<TokenRow>("/admin/tokens", "tokens", { id: of });
  const [issuing, issue] = useState(false);
  return (
    <>
      <Listed
        id="tokens"
        title="Tokens"
        label={of === undefined ? "The tokens that operators issued" : "Tokens of this person"}
        empty={of === undefined ? "No operator has issued one. A person's own page has the handle for it." : "No operator has issued one for them. Sessions and JWTs are kept nowhere."}
        pages={pages}
        columns={columns(pages.again, of === undefined)}
        keyOf={({ token_id }) => token_id}
        actions={
          of !== undefined && (
            <>
              <button type="button" class="button small" onClick={() => issue(true)}>Issue a token…</button>
              <RevokeAll id={of} done={pages.again} />
            </>
          )
        }
      />
      {issuing && of !== undefined && <Issue id={of} issued={pages.again} close={() => issue(false)} />}
    </>
  );
}

function columns(again: () => void, all: boolean): TableColumn<TokenRow>[] {
  const whose: TableColumn<TokenRow> = { name: "person", text: "Person", value: ({ id }) => id, cell: ({ id }) => <Person id={id} /> };
  return [
    ...(all ? [whose] : []),
    { name: "token", text: "Token", value: ({ token_id }) => token_id, cell: ({ token_id }) => <span class="mono">{token_id}</span> },
    { name: "rights", text: "Is for", value: rights, cell: (row) => <span title={row.conversations?.join(", ")}>{rights(row)}</span> },
    { name: "state", text: "State", value: stateOf, cell: (row) => <State row={row} /> },
    { name: "ends", text: "Ends", value: ({ expires_at }) => expires_at, cell: ({ expires_at }) => <span class="nowrap">{moment(expires_at)}</span> },
    { name: "issued", text: "Issued", value: ({ issued_at }) => issued_at, cell: ({ issued_at, issued_by }) => <><span class="nowrap">{moment(issued_at)}</span> <span class="soft">by <bdi>{issued_by}</bdi></span></> },
    { name: "action", text: "Action", cell: (row) => stateOf(row) === "valid" && <Revoke row={row} done={again} /> },
  ];
}

function rights({ admin, agent, conversations }: TokenRow): string {
  const whose = admin ? "an admin, " : agent ? "an agent, " : "";
  return `${whose}${conversations === null ? "all conversations" : counted(conversations.length, "conversation")}`;
}

function stateOf({ revoked_at, expires_at }: TokenRow): "valid" | "revoked" | "expired" {
  if (revoked_at !== null) return "revoked";
  return Date.parse(expires_at) > Date.now() ? "valid" : "expired";
}

function State({ row }: { row: TokenRow }) {
  const state = stateOf(row);
  if (state === "valid") return <StateWord state="live" word="valid" />;
  return <><StateWord state="cancelled" word={state} /> {row.revoked_at && <span class="soft nowrap">{moment(row.revoked_at)}</span>}</>;
}

function Revoke({ row, done }: { row: TokenRow; done: () => void }) {
  const [asking, ask] = useState(false);
  return (
    <>
      <button type="button" class="quiet" aria-label={`Revoke the token ${row.token_id}…`} onClick={() => ask(true)}>Revoke…</button>
      {asking && (
        <Confirm
          title="Revoke the token?"
          action="Revoke"
          close={() => ask(false)}
          run={async () => {
            await salon.request("DELETE", `/admin/tokens/${encodeURIComponent(row.token_id)}`);
            say("The token is revoked.");
            done();
          }}
        >
          <p>Whoever uses <code>{row.token_id}</code> is refused from now on, and their connections are closed. Nobody can take it back.</p>
        </Confirm>
      )}
    </>
  );
}

function RevokeAll({ id, done }: { id: string; done: () => void }) {
  const [asking, ask] = useState(false);
  return (
    <>
      <button type="button" class="button small" onClick={() => ask(true)}>Revoke all…</button>
      {asking && (
        <Confirm
          title="Revoke all that they have?"
          action="Revoke all"
          close={() => ask(false)}
          run={async () => {
            await salon.request("DELETE", `/admin/tokens?${new URLSearchParams({ id })}`);
            say("All tokens and sessions are revoked.");
            done();
          }}
        >
          <p>
            All tokens, sessions and JWTs that <b><bdi>{id}</bdi></b> got until now end, by whomever they were made, and so do their connections.
            They may come in anew. Tokens of the configuration stay.
          </p>
        </Confirm>
      )}
    </>
  );
}
