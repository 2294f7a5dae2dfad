/** Asks a second time before something happens, and says what came of it. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "../shared/dialog.tsx";
import { Failure } from "../shared/failure.tsx";
import { reason } from "./operator.ts";

interface Asked {
  title: string;
  /** What the button says that does it. */
  action: string;
  /** Where it is grave: what has to be typed first. */
  word?: string;
  /** Nothing is lost by it. */
  mild?: boolean;
  run: () => Promise<void>;
  close: () => void;
  children: ComponentChildren;
}

export function Confirm({ title, action, word, mild = false, run, close, children }: Asked) {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState("");
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await run();
      close();
    } catch (error) {
      setFailure(reason(error));
      setBusy(false);
    }
  };
  const ready = word === undefined || typed.trim().toLowerCase() === word;
  return (
    <Dialog title={title} close={close}>
      <form onSubmit={(event) => void submit(event)}>
        {children}
        {word !== undefined && (
          <>
            <label for="confirm-word">Type <b>{word}</b> to go on</label>
            <input id="confirm-word" class="field" autocomplete="off" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
          </>
        )}
        <Failure text={failure} />
        <p class="soft small">What you do here is logged with your name.</p>
        <div class="buttons">
          <button type="button" class="button" autofocus onClick={close}>Cancel</button>
          <button type="submit" class={`button ${mild ? "primary" : "danger"}`} disabled={busy || !ready}>{action}</button>
        </div>
      </form>
    </Dialog>
  );
}
