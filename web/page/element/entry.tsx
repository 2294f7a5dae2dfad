/** What stands in the place of the chat: why there is none, or the way in. */

import { useState } from "preact/hooks";
import { useCountdown } from "../chat/status.tsx";
import { said } from "../chat/words.ts";
import { Failure } from "../shared/failure.tsx";
import type { Phase, Visit } from "./visit.ts";

/** Instead of an element that is not complete: what its author has to do. */
export function Notice({ words }: { words: string }) {
  return (
    <section class="doorway">
      <p role="status">{words}</p>
    </section>
  );
}

export function Unreachable({ now, again }: { now: Extract<Phase, { is: "unreachable" }>; again: () => void }) {
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

/** Who has no session here says a name, or comes back with the code that they were given. */
export function Entry({ visit }: { visit: Visit }) {
  const [back, setBack] = useState(false);
  const [text, setText] = useState("");
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const enter = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await (back ? visit.recover(text) : visit.welcome(text));
    } catch (error) {
      setFailure(said(error));
      setBusy(false);
    }
  };
  const turn = (): void => {
    setBack(!back);
    setText("");
    setFailure("");
  };
  const field = { class: "field", required: true, value: text, onInput: (event: { currentTarget: HTMLInputElement }) => setText(event.currentTarget.value) };
  return (
    <section class="doorway">
      <form class="doorway-inside" onSubmit={(event) => void enter(event)}>
        <label for="entry">{back ? "Recovery code" : "Your name"}</label>
        {back ? (
          <input key="code" id="entry" autocomplete="off" autocapitalize="off" spellcheck={false} {...field} />
        ) : (
          <input key="name" id="entry" autocomplete="nickname" maxLength={64} {...field} />
        )}
        <Failure text={failure} />
        <button type="submit" class="button primary" disabled={busy || !text.trim()}>
          {back ? "Come back" : "Come in"}
        </button>
        <button type="button" class="link" onClick={turn}>
          {back ? "Come in as somebody new" : "Come back with a recovery code"}
        </button>
      </form>
    </section>
  );
}
