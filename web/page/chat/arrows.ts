/** Arrow keys that go from one thing to the next. */

import type { TargetedKeyboardEvent } from "preact";
import { focused } from "./focus.ts";

/** Go around among these of the element, where one of them has the focus. */
export function around(event: TargetedKeyboardEvent<HTMLElement>, what: string, steps: Record<string, number>): void {
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>(what)];
  const at = all.indexOf(focused(event.currentTarget) as HTMLElement);
  const by = steps[event.key];
  if (by === undefined || at < 0) return;
  event.preventDefault();
  event.stopPropagation();
  all[(at + by + all.length) % all.length]!.focus();
}

/** With the focus on a message, or on something in it, go to the next. */
export function amongMessages(event: TargetedKeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const target = event.target as HTMLElement;
  const from = target.closest<HTMLElement>(".message");
  if (step === undefined || from === null || target.closest("dialog") !== null || event.defaultPrevented) return;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>(".message")];
  const next = all[all.indexOf(from) + step];
  if (next === undefined) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}
