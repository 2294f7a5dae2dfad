/** The agents of a conversation: what they are answering now, and why they were asked or not. */

import { Cancel } from "./cancel.tsx";
import { count, counted, moment } from "./format.ts";
import { address } from "./route.ts";
import type { ConversationView, Decision } from "./rows.ts";

/** The rules in words; a later server may have more. */
export const WHY: Record<string, string> = {
  alone: "it is alone with one person",
  mention: "it is mentioned",
  reply: "one of its messages is replied to",
  always: "it answers every message",
  regenerate: "another answer is wanted",
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
              <Cancel run={run.run_id} agent={run.participant_id} conversation={view.id} />
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
