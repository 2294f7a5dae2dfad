/** The mailbox recorder: the last commands, when each came, was committed and delivered, and what became of it. */

import { clock, count, milliseconds } from "./format.ts";
import { address } from "./route.ts";
import type { ConversationView, Envelope, Trace } from "./rows.ts";

const SHOWN = 100; // lines

export function Recorder({ view }: { view: ConversationView }) {
  const turns = Object.values(view.traces).sort((a, b) => Number(b.turn) - Number(a.turn));
  const lines: [Trace, Envelope, number][] = turns.flatMap((turn) =>
    turn.envelopes.toReversed().map((envelope, index): [Trace, Envelope, number] => [turn, envelope, index]),
  );
  const longest = Math.max(0.001, ...turns.map((turn) => turn.waited + turn.committing + turn.delivering));
  return (
    <section class="pane" aria-labelledby="recorder-title">
      <div class="section-head">
        <h2 id="recorder-title">Mailbox recorder</h2>
        <p class="legend soft small" aria-hidden="true"><i class="waited" />waited <i class="committing" />committing <i class="delivering" />delivering</p>
      </div>
      {lines.length === 0 ? (
        <p class="empty">No command since it was activated.</p>
      ) : (
        <div class="scroll recorder" tabIndex={0} role="region" aria-label="The last commands">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Came in</th><th scope="col">Command</th><th scope="col">From</th><th scope="col">Verdict</th>
                <th scope="col">Committed</th><th scope="col">Delivered</th><th scope="col">Waited, commit, delivery</th><th scope="col" class="number">Of a turn of</th>
              </tr>
            </thead>
            <tbody>
              {lines.slice(0, SHOWN).map(([turn, envelope, index]) => (
                <tr key={`${turn.turn} ${index}`} class={index === 0 ? "first" : ""}>
                  <td class="mono nowrap">{clock(envelope.enqueued_at)}</td>
                  <td>{envelope.command}</td>
                  <td><a href={address("participant", envelope.sender_id)}><bdi>{envelope.sender_id}</bdi></a></td>
                  <td><Verdict envelope={envelope} /></td>
                  <td class="mono nowrap">{clock(turn.committed_at)}</td>
                  <td class="mono nowrap">{clock(turn.delivered_at)}</td>
                  <td><Steps turn={turn} longest={longest} /></td>
                  <td class="number">{count(turn.size)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="soft small note">The last {count(32)} commands, the newest first. What people wrote is not recorded.</p>
    </section>
  );
}

function Verdict({ envelope }: { envelope: Envelope }) {
  if (envelope.verdict === "refused" && envelope.refusal_id) {
    return <a class="verdict refused" href={address("refusal", envelope.refusal_id)}>{envelope.code}</a>;
  }
  return (
    <span class={`verdict ${envelope.verdict}`}>
      {envelope.verdict}{envelope.sequence_id ? ` as ${count(envelope.sequence_id)}` : ""}
    </span>
  );
}

function Steps({ turn, longest }: { turn: Trace; longest: number }) {
  const text = `${milliseconds(turn.waited)}, ${milliseconds(turn.committing)}, ${milliseconds(turn.delivering)}`;
  return (
    <span class="steps">
      <span class="steps-bar" aria-hidden="true">
        {(["waited", "committing", "delivering"] as const).map((step) => (
          <span key={step} class={step} style={{ width: `${(turn[step] / longest) * 100}%` }} />
        ))}
      </span>
      <span class="nowrap">{text}</span>
    </span>
  );
}
