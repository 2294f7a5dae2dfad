/** The handle that ends an agent's answer. */

import { useState } from "preact/hooks";
import { Confirm } from "./confirm.tsx";
import { salon } from "./operator.ts";
import { say } from "./say.ts";

export function Cancel({ run, agent, conversation, done }: { run: string; agent: string; conversation: string; done?: () => void }) {
  const [asking, ask] = useState(false);
  return (
    <>
      <button type="button" class="quiet" aria-label={`Cancel the answer of ${agent}…`} onClick={() => ask(true)}>Cancel…</button>
      {asking && (
        <Confirm
          title="Cancel the answer?"
          action="Cancel the answer"
          close={() => ask(false)}
          run={async () => {
            const path = `/admin/conversations/${encodeURIComponent(conversation)}/runs/${encodeURIComponent(run)}/cancel`;
            const { status } = await salon.request<{ status: string }>("POST", path);
            say(`The answer has ended: ${status}.`);
            done?.();
          }}
        >
          <p>What the agent has said stays as a message, marked as stopped. Its program is told.</p>
        </Confirm>
      )}
    </>
  );
}
