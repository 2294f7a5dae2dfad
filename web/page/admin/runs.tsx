/** The runs of hosted agents, open and past: why each was asked for, how fast it was, what it used and how it ended. */

import { useEffect, useState } from "preact/hooks";
import { WHY } from "./answers.tsx";
import { Cancel } from "./cancel.tsx";
import { count, milliseconds, moment, money } from "./format.ts";
import { reason, salon } from "./operator.ts";
import { usePolled } from "./poll.ts";
import { address } from "./route.ts";
import type { AgentRow, RunRow, RunsPage } from "./rows.ts";
import { added, keyOf, merged } from "./runs.ts";
import { useSettled } from "./settled.ts";
import { StateWord } from "./state.tsx";
import { Table, type TableColumn } from "./table.tsx";

const PAGE = 50;

export function Runs({ agents }: { agents: readonly AgentRow[] }) {
  const [agent, choose] = useState("");
  const [text, write] = useState("");
  const [held, hold] = useState(false);
  const conversation = useSettled(text.trim());
  const asked = new URLSearchParams({ limit: String(PAGE) });
  if (agent) asked.set("agent_id", agent);
  if (conversation) asked.set("conversation_id", conversation);
  const page = usePolled<RunsPage>(`/admin/runs?${asked}`, held);
  return (
    <section class="pane" aria-labelledby="runs-title">
      <div class="section-head">
        <h2 id="runs-title">Runs</h2>
        <div class="filter">
          <input class="field" type="search" aria-label="A conversation's whole id" placeholder="A conversation's whole id" maxLength={255} value={text} onInput={(event) => write(event.currentTarget.value)} />
          <select class="field" aria-label="Agent" value={agent} onChange={(event) => choose(event.currentTarget.value)}>
            <option value="">all agents</option>
            {agents.map(({ id, name }) => <option key={id} value={id}>{name}</option>)}
          </select>
          <button type="button" class="button small" aria-pressed={held} onClick={() => hold(!held)}>{held ? "Held: go on" : "Hold still"}</button>
        </div>
      </div>
      {page.failure && <p class="failure" role="status">This may be old: {page.failure}</p>}
      <Listed key={`${asked}`} query={`${asked}`} page={page.answer} filtered={agent !== "" || conversation !== ""} again={page.again} />
    </section>
  );
}

/** `page` may still be another query's. */
function Listed({ query, page, filtered, again }: { query: string; page: RunsPage | null; filtered: boolean; again: () => void }) {
  const [first] = useState(page); // of the query before
  const [known, setKnown] = useState<readonly RunRow[]>([]);
  const [cursor, setCursor] = useState<number | null | undefined>(undefined); // where older ones begin; undefined: after this page; null: nowhere
  const [failure, setFailure] = useState("");
  const own = page !== null && page !== first;
  const runs = own ? merged(known, page) : known;
  useEffect(() => setKnown(runs), [page]);
  const from = cursor === undefined ? page?.next_cursor : cursor;
  const earlier = async (before: number): Promise<void> => {
    try {
      const older = await salon.request<RunsPage>("GET", `/admin/runs?${query}&cursor=${before}`);
      setKnown((now) => added(now, older));
      setCursor(older.next_cursor ?? null);
      setFailure("");
    } catch (error) {
      setFailure(reason(error));
    }
  };
  if (!own) return <p class="empty" role="status">One moment…</p>;
  if (runs.length === 0) return <p class="empty">{filtered ? "No run is like that." : "No agent that the server hosts has answered yet."}</p>;
  return (
    <>
      <Table label="The runs" columns={columns(again)} rows={runs} keyOf={keyOf} />
      {failure && <p class="failure" role="alert">{failure}</p>}
      {typeof from === "number" && <button type="button" class="button small" onClick={() => void earlier(from)}>Earlier</button>}
    </>
  );
}

function columns(again: () => void): TableColumn<RunRow>[] {
  return [
    { name: "agent", text: "Agent", value: ({ agent_name }) => agent_name, cell: ({ agent_id, agent_name }) => <a href={address("participant", agent_id)} title={agent_id}><bdi>{agent_name}</bdi></a> },
    { name: "state", text: "State", value: ({ state }) => state, cell: ({ state, reason }) => <><StateWord state={state} />{reason && reason !== state && <span class="soft"> {reason}</span>}</> },
    { name: "conversation", text: "Conversation", value: ({ conversation_id }) => conversation_id, cell: ({ conversation_id }) => <a class="mono" href={address("conversation", conversation_id)}>{conversation_id}</a> },
    { name: "why", text: "Asked since", value: ({ why }) => why, cell: ({ why }) => (why ? (WHY[why] ?? why) : "–") },
    { name: "asked", text: "By", value: ({ asked_by }) => asked_by, cell: ({ asked_by }) => (asked_by ? <a href={address("participant", asked_by)}><bdi>{asked_by}</bdi></a> : "–") },
    { name: "started", text: "Began", value: ({ started_at }) => started_at, cell: ({ started_at }) => <span class="nowrap">{moment(started_at)}</span> },
    { name: "word", text: "First word", figure: true, value: ({ first_word_seconds }) => first_word_seconds, cell: ({ first_word_seconds }) => milliseconds(first_word_seconds) },
    { name: "seconds", text: "Took", figure: true, value: ({ seconds }) => seconds, cell: ({ seconds }) => milliseconds(seconds) },
    { name: "input", text: "Tokens in", figure: true, value: ({ input_tokens }) => input_tokens, cell: ({ input_tokens }) => count(input_tokens) },
    { name: "output", text: "Tokens out", figure: true, value: ({ output_tokens }) => output_tokens, cell: ({ output_tokens }) => count(output_tokens) },
    { name: "cost", text: "Cost", figure: true, value: ({ cost }) => cost, cell: ({ cost, currency }) => money(cost, currency) },
    { name: "tools", text: "Tool calls", figure: true, value: ({ tool_calls }) => tool_calls, cell: ({ tool_calls }) => count(tool_calls) },
    { name: "action", text: "Action", cell: ({ state, run_id, agent_name, conversation_id }) => state === "open" && <Cancel run={run_id} agent={agent_name} conversation={conversation_id} done={again} /> },
  ];
}
