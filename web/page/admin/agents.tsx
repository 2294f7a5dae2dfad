/** The agents that the server hosts: what they do now, what they may use, and what they have cost today. */

import { count, counted, duration, moment, money, soon } from "./format.ts";
import { Meter } from "./meter.tsx";
import { usePolled } from "./poll.ts";
import { address } from "./route.ts";
import type { AgentRow, Breaker, Budget, Unit } from "./rows.ts";
import { Runs } from "./runs.tsx";
import { StateWord } from "./state.tsx";
import { Table, type TableColumn } from "./table.tsx";

export function Agents() {
  const { answer, failure } = usePolled<{ agents: AgentRow[] }>("/admin/agents");
  const agents = answer?.agents ?? [];
  return (
    <div class="dossier">
      <h1 class="visually-hidden">Agents</h1>
      <section class="pane" aria-labelledby="agents-title">
        <h2 id="agents-title">Agents <span class="soft">{answer && count(agents.length)}</span></h2>
        {failure && <p class="failure" role="status">This may be old: {failure}</p>}
        {answer && agents.length === 0 && <p class="empty">The server hosts none. Programs that bring their own answers are in their conversations.</p>}
        {agents.length > 0 && <Table label="The agents" columns={COLUMNS} rows={agents} keyOf={({ id }) => id} />}
      </section>
      <Runs agents={agents} />
    </div>
  );
}

const COLUMNS: TableColumn<AgentRow>[] = [
  {
    name: "agent", text: "Agent", value: ({ name }) => name,
    cell: ({ id, name, source }) => <><a href={address("participant", id)} title={id}><bdi>{name}</bdi></a> {source === "route" && <span class="soft">added while it runs</span>}</>,
  },
  { name: "model", text: "Model", value: ({ kind, model }) => model ?? kind, cell: ({ kind, model, endpoint }) => <span title={endpoint ?? undefined}>{model ? <><bdi>{model}</bdi> <span class="soft">{kind}</span></> : kind}</span> },
  { name: "trigger", text: "Is asked", value: ({ trigger }) => trigger, cell: ({ trigger }) => TRIGGERS[trigger] ?? trigger },
  { name: "upstream", text: "Its model", value: ({ breaker }) => breaker.state, cell: ({ breaker }) => <Upstream breaker={breaker} /> },
  { name: "running", text: "Answering", figure: true, value: ({ running }) => running, cell: ({ running }) => count(running) },
  { name: "waiting", text: "Waiting", figure: true, value: ({ waiting }) => waiting, cell: ({ waiting }) => (waiting ? <b class="warn">{count(waiting)}</b> : count(waiting)) },
  { name: "runs", text: "Answers today", figure: true, value: ({ today }) => today.runs, cell: ({ today }) => count(today.runs) },
  { name: "tokens", text: "Tokens today", figure: true, value: ({ today }) => today.tokens, cell: ({ today }) => count(today.tokens) },
  { name: "cost", text: "Cost today", figure: true, value: ({ today }) => today.cost, cell: ({ today }) => money(today.cost, today.currency) },
  { name: "tools", text: "Tools", value: ({ tools }) => tools.join(", "), cell: ({ tools }) => (tools.length > 0 ? <span class="mono">{tools.join(", ")}</span> : "–") },
  { name: "budgets", text: "Budgets", cell: ({ budgets, today }) => <Budgets budgets={budgets} currency={today.currency} /> },
];

const TRIGGERS: Record<string, string> = {
  auto: "alone, mentioned, replied to",
  mention: "mentioned",
  always: "every message",
  never: "never",
};

/** Where too much has failed, nothing is asked for a while. */
function Upstream({ breaker: { state, retry_after } }: { breaker: Breaker }) {
  if (state === "closed") return <StateWord state="live" word="answers" />;
  if (state === "half_open") return <StateWord state="waiting" word="is tried again" />;
  return <><StateWord state="failed" word="fails" /> {typeof retry_after === "number" && <span class="soft">tried again in {soon(retry_after)}</span>}</>;
}

function Budgets({ budgets, currency }: { budgets: readonly Budget[]; currency: string | undefined }) {
  if (budgets.length === 0) return <>no limit</>;
  return <ul class="budgets">{budgets.map((budget, at) => <Line key={at} budget={budget} currency={currency} />)}</ul>;
}

const PER: Record<string, string> = { person: "each person", conversation: "each conversation", agent: "all together" };
const EVERY: Record<string, string> = { hour: "an hour", day: "a day", month: "a month" };

function Line({ budget: { per, every, limits, used, opens_at }, currency }: { budget: Budget; currency: string | undefined }) {
  const units = (Object.keys(UNITS) as Unit[]).filter((unit) => typeof limits[unit] === "number");
  const whole = `${PER[per] ?? per}, ${EVERY[every] ?? every}`;
  const spent = used && units.some((unit) => used[unit] >= limits[unit]!);
  return (
    <li>
      <span class="soft">{whole}</span>
      {units.map((unit) =>
        !used ? (
          <span key={unit} class="limit">{amount(unit, limits[unit]!, currency)}</span>
        ) : (
          <Meter key={unit} depth={used[unit]} limit={limits[unit]!} label={`${UNITS[unit]} used, ${whole}`} text={(value) => amount(unit, value, currency)} />
        ),
      )}
      {spent && <b class="bad">used up until {moment(opens_at)}</b>}
    </li>
  );
}

const UNITS: Record<Unit, string> = { tokens: "Tokens", money: "Money", seconds: "Time", runs: "Answers" };

function amount(unit: Unit, value: number, currency: string | undefined): string {
  if (unit === "money") return money(value, currency);
  if (unit === "seconds") return duration(value);
  return counted(value, unit === "runs" ? "answer" : "token");
}
