/** The agents of a conversation: what they are answering now, and why they were asked or not. */

import { useState } from "preact/hooks";
import { Confirm } from "./confirm.tsx";
import { count, counted, moment } from "./format.ts";
import { salon } from "./operator.ts";
import { address } from "./route.ts";
import type { ConversationView, Decision, OpenRun } from "./rows.ts";
import { say } from "./say.ts";

/** The rules in words; a later server may have more. */
const WHY: Record<string, string> = {
  alone: "it is alone with one person",
  mention: "it is mentioned",
  reply: "one of its messages is replied to",
  always: "it answers every message",
  own: "it is its own message",
  never: "it is set to answer nothing",
  "others mentioned": "others are mentioned, and not it",
  "agent spoke": "an agent spoke, more often in a row than it answers",
  "not mentioned": "it is not mentioned",
  "not alone": "it is neither mentioned nor alone with one person",
};

export function Answers({ view }: { view: ConversationView }) {
  const runs = Object.values(view.runs);
  if (runs.length === 0 && view.decisions.length === 0) return null;
  return (
    <>
      <section class="pane" aria-labelledby="answering-title">
        <h2 id="answering-title">Answering <span class="soft">{count(runs.length)}</span></h2>
        {runs.length === 0 && <p class="empty">No agent is answering.</p>}
        <ul class="people">
          {runs.map((run) => (
            <li key={run.run_id}>
              <a href={address("participant", run.participant_id)}><bdi>{run.participant_id}</bdi></a>
              <span class="soft">{run.asked_by && <>for <bdi>{run.asked_by}</bdi>, </>}since {moment(run.started_at)}, {counted(run.offset, "character")}</span>
              <Cancel run={run} conversation={view.id} />
            </li>
          ))}
        </ul>
      </section>
      <section class="pane" aria-labelledby="decisions-title">
        <h2 id="decisions-title">Who was asked to answer</h2>
        {view.decisions.length === 0 && <p class="empty">Nothing that is remembered.</p>}
        <ul class="people">
          {view.decisions.map((each) => <Line key={`${each.message_id} ${each.participant_id}`} decision={each} />)}
        </ul>
      </section>
    </>
  );
}

function Line({ decision: { message_id, participant_id, asked, why } }: { decision: Decision }) {
  return (
    <li>
      <span class="mono">{message_id.slice(message_id.lastIndexOf("-") + 1)}</span>
      <a href={address("participant", participant_id)}><bdi>{participant_id}</bdi></a>
      <span class="soft">{asked ? "asked: " : "not asked: "}{WHY[why] ?? why}</span>
    </li>
  );
}

function Cancel({ run, conversation }: { run: OpenRun; conversation: string }) {
  const [asking, ask] = useState(false);
  return (
    <>
      <button type="button" class="link" aria-label={`Cancel the answer of ${run.participant_id}…`} onClick={() => ask(true)}>Cancel…</button>
      {asking && (
        <Confirm
          title="Cancel the answer?"
          action="Cancel the answer"
          close={() => ask(false)}
          run={async () => {
            const path = `/admin/conversations/${encodeURIComponent(conversation)}/runs/${encodeURIComponent(run.run_id)}/cancel`;
            const { status } = await salon.request<{ status: string }>("POST", path);
            say(`The answer has ended: ${status}.`);
          }}
        >
          <p>What the agent has said stays as a message, marked as stopped. Its program is told.</p>
        </Confirm>
      )}
    </>
  );
}
