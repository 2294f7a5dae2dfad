/** How full a mailbox is, or how much of a budget is used, as a bar beside the figures. */

import { count } from "./format.ts";

const HIGH = 0.5; // from here on it is worth a look
const FULL = 0.9;

interface Metered {
  depth: number;
  limit: number;
  label?: string;
  text?: (value: number) => string;
}

export function Meter({ depth, limit, label = "Mailbox", text = count }: Metered) {
  const share = limit > 0 ? Math.min(1, depth / limit) : 0;
  const level = share >= FULL ? "full" : share >= HIGH ? "high" : "low";
  return (
    <span class={`meter ${level}`}>
      <span class="meter-bar" role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={limit || depth} aria-valuenow={depth}>
        <span style={{ width: `${share * 100}%` }} class={depth > 0 ? "some" : ""} />
      </span>
      <span class="meter-text">{text(depth)}<span class="soft"> / {limit ? text(limit) : "∞"}</span></span>
    </span>
  );
}
