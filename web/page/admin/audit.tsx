/** What operators did, newest first. */

import { deeds } from "./figures.ts";
import { moment } from "./format.ts";

const WORDS: Record<string, string> = {
  passivate: "Passivate",
  disconnect: "Disconnect",
  cancel: "Cancel an answer",
  drain: "Drain",
  read: "Read",
  host: "Add an agent",
  unhost: "Remove an agent",
  token: "Issue a token",
  revoke: "Revoke",
  block: "Block",
  unblock: "Unblock",
  report: "Close a report",
  delete: "Delete a message",
  mute: "Mute",
  ban: "Ban",
  erase: "Erase",
  hold: "Hold",
  release: "Release a hold",
  retention: "Set the retention",
  webhook: "Webhook",
  "drain node": "Drain a node",
  "remove node": "Remove a node",
};

export function Audit() {
  const newest = deeds.value.toReversed();
  return (
    <section class="pane" aria-labelledby="audit-title">
      <h1 id="audit-title">Audit</h1>
      <p class="soft">What operators did since the server started: the last two hundred, the rest is in its log.</p>
      {newest.length === 0 ? (
        <p class="empty">Nobody has intervened.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="What operators did">
          <table class="table">
            <thead>
              <tr><th scope="col">When</th><th scope="col">Operator</th><th scope="col">Did</th><th scope="col">To</th><th scope="col">Outcome</th></tr>
            </thead>
            <tbody>
              {newest.map((deed) => (
                <tr key={deed.number}>
                  <td class="nowrap">{moment(deed.at)}{deed.node && <span class="soft"> at {deed.node}</span>}</td>
                  <td><bdi>{deed.operator_id}</bdi></td>
                  <td>{WORDS[deed.action] ?? deed.action}</td>
                  <td class="mono"><bdi>{deed.target}</bdi></td>
                  <td>{deed.outcome}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
