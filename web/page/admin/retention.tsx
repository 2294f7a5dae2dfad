/** How long a conversation's messages are kept, and the handle that changes it. */

import { useState } from "preact/hooks";
import { Confirm } from "./confirm.tsx";
import { counted } from "./format.ts";
import { salon } from "./operator.ts";
import { say } from "./say.ts";

const LONGEST = 36_500; // days, as the server takes

export function Retention({ id, days }: { id: string; days: number }) {
  const [asking, ask] = useState(false);
  const [text, write] = useState("");
  const wanted = Number(text);
  return (
    <section class="pane" aria-labelledby="retention-title">
      <div class="section-head">
        <h2 id="retention-title">Retention</h2>
        <button type="button" class="button small" onClick={() => { write(String(days)); ask(true); }}>Change…</button>
      </div>
      <p>{days ? <>Messages are deleted after <b>{counted(days, "day")}</b>.</> : "Messages are kept for as long as the server keeps them."}</p>
      {asking && (
        <Confirm
          title="Change the retention?"
          action="Change"
          close={() => ask(false)}
          run={async () => {
            await salon.request("PUT", `/admin/conversations/${encodeURIComponent(id)}/retention`, { days: wanted });
            say(wanted ? `Messages are deleted after ${counted(wanted, "day")}.` : "Messages are kept for as long as the server keeps them.");
          }}
        >
          <p>Messages that are older are deleted within an hour, for everybody, except what a legal hold keeps. All members are told.</p>
          <label for="retention-days">Days that messages are kept</label>
          <input id="retention-days" class="field" type="number" required autofocus min={0} max={LONGEST} step={1} value={text} onInput={(event) => write(event.currentTarget.value)} />
          <p class="soft small">0: for as long as the server keeps them, which may be shorter.</p>
        </Confirm>
      )}
    </section>
  );
}
