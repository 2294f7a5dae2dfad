/** A text to take along, and a button that takes it. */

import { useState } from "preact/hooks";
import { Icon } from "./icon.tsx";

const SHOWN = 2000; // milliseconds that the button says it is done

export function Copy({ text, label, name, toast }: { text: string; label: string; name: string; toast: (text: string) => void }) {
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      return toast("The browser did not let this page copy. Select the text and copy it yourself.");
    }
    setDone(true);
    setTimeout(() => setDone(false), SHOWN);
  };
  return (
    <div class="copy">
      <input class="field" readOnly value={text} aria-label={name} onFocus={(event) => event.currentTarget.select()} />
      <button type="button" class="button" onClick={() => void copy()}>
        <Icon name={done ? "check" : "copy"} />
        <span aria-live="polite">{done ? "Copied" : label}</span>
      </button>
    </div>
  );
}
