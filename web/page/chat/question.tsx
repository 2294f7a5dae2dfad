/** Asks before something is done that is not easily undone, and says why where it was not. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "../shared/dialog.tsx";
import { Failure } from "../shared/failure.tsx";
import { said } from "./words.ts";

export function Question(props: {
  title: string;
  action: string;
  /** Where it is grave: what has to be typed first. */
  word?: string;
  run: () => Promise<void>;
  close: () => void;
  children: ComponentChildren;
}) {
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const [typed, setTyped] = useState("");
  const ready = props.word === undefined || typed.trim().toLowerCase() === props.word;
  const go = async (): Promise<void> => {
    setBusy(true);
    try {
      await props.run();
      props.close();
    } catch (error) {
      setFailure(said(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} close={props.close}>
      {props.children}
      {props.word !== undefined && (
        <>
          <label for="question-word">
            Type <b>{props.word}</b> to go on
          </label>
          <input id="question-word" class="field" autoComplete="off" autoCapitalize="off" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
        </>
      )}
      <Failure text={failure} />
      <div class="buttons">
        <button type="button" class="button" onClick={props.close}>
          Stay
        </button>
        <button type="button" class="button danger" disabled={busy || !ready} onClick={() => void go()}>
          {props.action}
        </button>
      </div>
    </Dialog>
  );
}
