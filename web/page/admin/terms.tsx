/** What dialogs about people and messages ask besides: why, and for how long. */

const REASON = 500; // characters, as the server takes
const HOUR = 3600; // seconds
const LENGTHS = [
  ["", "Until somebody ends it"],
  [`${HOUR}`, "An hour"],
  [`${24 * HOUR}`, "A day"],
  [`${7 * 24 * HOUR}`, "A week"],
] as const;

export function Why({ label, value, set, required = false }: { label: string; value: string; set: (text: string) => void; required?: boolean }) {
  return (
    <>
      <label for="why-text">{label}</label>
      <input id="why-text" class="field" required={required} autofocus maxLength={REASON} dir="auto" value={value} onInput={(event) => set(event.currentTarget.value)} />
    </>
  );
}

/** In seconds; "" has no end. */
export function Lengths({ value, set }: { value: string; set: (seconds: string) => void }) {
  return (
    <>
      <label for="how-long">For how long</label>
      <select id="how-long" class="field" value={value} onChange={(event) => set(event.currentTarget.value)}>
        {LENGTHS.map(([seconds, words]) => <option key={seconds} value={seconds}>{words}</option>)}
      </select>
    </>
  );
}

/** The moment that is so many seconds away, as the server takes it. */
export function untilOf(seconds: string): string {
  return new Date(Date.now() + Number(seconds) * 1000).toISOString();
}
