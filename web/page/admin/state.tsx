/** What an actor, a connection or a run is doing: a sign and the word, so that colour is never all there is. */

const SIGNS: Record<string, string> = {
  idle: "○",
  waiting: "◔",
  busy: "●",
  starting: "◌",
  live: "●",
  attaching: "◌",
  behind: "◔",
  closing: "×",
  open: "●",
  complete: "✓",
  cancelled: "×",
  interrupted: "◔",
  failed: "×",
};

export function StateWord({ state, word = state }: { state: string; word?: string }) {
  return (
    <span class={`state ${state}`}>
      <span aria-hidden="true">{SIGNS[state] ?? "·"}</span> {word}
    </span>
  );
}
