/** A few emoji to react with, and a field for any other. */

import type { TargetedKeyboardEvent } from "preact";
import { useState } from "preact/hooks";
import { focused } from "./focus.ts";
import { Popover } from "./popover.tsx";

const COMMON = [
  ["👍", "thumbs up"],
  ["❤️", "heart"],
  ["😂", "tears of joy"],
  ["🎉", "party"],
  ["😮", "astonished"],
  ["😢", "sad"],
  ["🙏", "thank you"],
  ["👀", "looking"],
  ["✅", "done"],
  ["🔥", "fire"],
  ["👏", "applause"],
  ["🤔", "thinking"],
  ["🚀", "rocket"],
  ["💯", "hundred"],
  ["👎", "thumbs down"],
  ["➕", "plus one"],
] as const;
const ACROSS = 8;
const NAMED = /^:[a-z0-9_+-]{1,62}:$/;

export function EmojiPicker({ from, pick, close }: { from: HTMLElement; pick: (emoji: string) => void; close: () => void }) {
  const [text, setText] = useState("");
  const chosen = text.trim();
  const valid = isEmoji(chosen);
  const take = (emoji: string): void => {
    pick(emoji);
    close();
  };
  return (
    <Popover from={from} role="dialog" label="React with" close={close} onKeyDown={grid}>
      <div class="emoji-grid">
        {COMMON.map(([emoji, name]) => (
          <button key={emoji} type="button" class="emoji" aria-label={name} title={name} onClick={() => take(emoji)}>
            {emoji}
          </button>
        ))}
      </div>
      <form
        class="emoji-other"
        onSubmit={(event) => {
          event.preventDefault();
          if (valid) take(chosen);
        }}
      >
        <input
          class="field"
          aria-label="Another emoji, or a name such as :tada:"
          placeholder="Another, or :name:"
          maxLength={64}
          autocomplete="off"
          value={text}
          aria-invalid={chosen !== "" && !valid}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" class="button" disabled={!valid}>
          React
        </button>
      </form>
    </Popover>
  );
}

/** One character as people see it, or a name in colons. */
export function isEmoji(text: string): boolean {
  if (NAMED.test(text)) return true;
  return /\S/u.test(text) && [...new Intl.Segmenter().segment(text)].length === 1;
}

/** Arrows go through the emoji as they stand. */
function grid(event: TargetedKeyboardEvent<HTMLDivElement>): void {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: ACROSS, ArrowUp: -ACROSS }[event.key];
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>(".emoji")];
  const at = all.indexOf(focused(event.currentTarget) as HTMLElement);
  if (step === undefined || at < 0) return;
  event.preventDefault();
  all[Math.max(0, Math.min(all.length - 1, at + step))]!.focus();
}
