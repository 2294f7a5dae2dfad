/** A dialog whose form does one thing, and says why where it was not done. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "../shared/dialog.tsx";
import { Failure } from "../shared/failure.tsx";
import { said } from "./words.ts";

interface Props {
  title: string;
  /** What the button says. */
  action: string;
  danger?: boolean;
  run: () => Promise<unknown>;
  close: () => void;
  children: ComponentChildren;
}

export function Asked({ title, action, danger = false, run, close, children }: Props) {
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const go = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await run();
      close();
    } catch (error) {
      setFailure(said(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} close={close}>
      <form onSubmit={(event) => void go(event)}>
        {children}
        <Failure text={failure} />
        <div class="buttons">
          <button type="button" class="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" class={danger ? "button danger" : "button primary"} disabled={busy}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

const MOST = 500; // characters of a reason, as the server takes them

export function Reason({ value, set, label = "Why? Everybody here reads it", required = false, first = false }: { value: string; set: (text: string) => void; label?: string; required?: boolean; first?: boolean }) {
  return (
    <>
      <label for="reason">{label}</label>
      <textarea id="reason" class="field" rows={2} maxLength={MOST} dir="auto" required={required} autoFocus={first} value={value} onInput={(event) => set(event.currentTarget.value)} />
    </>
  );
}

/** One of several lengths of time, in seconds; null is without an end. */
export function Length({ label, value, set, choices }: { label: string; value: number | null; set: (seconds: number | null) => void; choices: readonly (readonly [number | null, string])[] }) {
  return (
    <>
      <label for="length">{label}</label>
      <select id="length" class="field" value={String(value)} onChange={(event) => set(event.currentTarget.value === "null" ? null : Number(event.currentTarget.value))}>
        {choices.map(([seconds, words]) => (
          <option key={words} value={String(seconds)}>
            {words}
          </option>
        ))}
      </select>
    </>
  );
}
