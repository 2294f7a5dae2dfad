/** The runs that the console was told of, page by page. Plain functions, no page. */

import type { RunRow, RunsPage } from "./rows.ts";

const KEPT = 500; // what is older can be asked for again

/** With the newest page, which is asked for again and again: what it has is as it has it, what is older stays as it was. */
export function merged(known: readonly RunRow[], { runs }: RunsPage): readonly RunRow[] {
  const told = new Set(runs.map(keyOf));
  // All open ones are on it: one that is not among them is over, and what became of it is told by the next page that has it.
  return inOrder([...runs, ...known.filter((run) => !told.has(keyOf(run)) && run.state !== "open")]);
}

/** With an older page. */
export function added(known: readonly RunRow[], { runs }: RunsPage): readonly RunRow[] {
  const there = new Set(known.map(keyOf));
  return inOrder([...known, ...runs.filter((run) => !there.has(keyOf(run)))]);
}

export function keyOf({ conversation_id, run_id }: RunRow): string {
  return JSON.stringify([conversation_id, run_id]);
}

/** Open ones first, then the newest. */
function inOrder(runs: RunRow[]): readonly RunRow[] {
  const open = ({ state }: RunRow): number => Number(state === "open");
  return runs.sort((a, b) => open(b) - open(a) || b.started_at.localeCompare(a.started_at)).slice(0, KEPT);
}
