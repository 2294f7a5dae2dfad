/** What the element shows: the conversation, or why there is none. */

import { useState } from "preact/hooks";
import { Announcements } from "../chat/announcements.tsx";
import { ConversationView } from "../chat/conversation.tsx";
import { useCountdown } from "../chat/status.tsx";
import { said } from "../chat/words.ts";
import { Boundary } from "../shared/boundary.tsx";
import { Failure } from "../shared/failure.tsx";
import type { Phase, Visit } from "./visit.ts";

export function App({ visit }: { visit: Visit }) {
  const now = visit.phase.value;
  return (
    <div class="chat">
      <Boundary broken={<Notice words="This chat has broken. Load the page again: what was written is kept." />}>
        {now.is === "asking" && <Notice words="One moment…" />}
        {now.is === "unreachable" && <Unreachable now={now} again={() => void visit.again()} />}
        {now.is === "nobody" && (now.guests ? <Entry visit={visit} /> : <Notice words="You are not signed in, so this conversation cannot be shown." />)}
        {now.is === "in" && (
          <div class="home in-room">
            <ConversationView key={now.room} room={now.room} />
          </div>
        )}
        <Announcements toasts={visit.toasts} voice={visit.voice} />
      </Boundary>
    </div>
  );
}

/** Instead of an element that is not complete: what its author has to do. */
export function Notice({ words }: { words: string }) {
  return (
    <section class="doorway">
      <p role="status">{words}</p>
    </section>
  );
}

function Unreachable({ now, again }: { now: Extract<Phase, { is: "unreachable" }>; again: () => void }) {
  const left = useCountdown(now.retryAt);
  return (
    <section class="doorway">
      <div class="doorway-inside">
        <p role="status">
          {now.error} {left > 0 ? `Trying again in ${left} s.` : "Trying again…"}
        </p>
        <div class="buttons">
          <button type="button" class="button" onClick={again}>
            Try now
          </button>
        </div>
      </div>
    </section>
  );
}

/** Who has no session here says a name. */
function Entry({ visit }: { visit: Visit }) {
  const [name, setName] = useState("");
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const enter = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await visit.welcome(name);
    } catch (error) {
      setFailure(said(error));
      setBusy(false);
    }
  };
  return (
    <section class="doorway">
      <form class="doorway-inside" onSubmit={(event) => void enter(event)}>
        <label for="name">Your name</label>
        <input id="name" class="field" required maxLength={64} autocomplete="nickname" value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <Failure text={failure} />
        <button type="submit" class="button primary" disabled={busy || !name.trim()}>
          Come in
        </button>
      </form>
    </section>
  );
}
