/** What an actor or a connection is doing: a sign and the word, so that colour is never all there is. */

const SIGNS: Record<string, string> = {
  idle: "○",
  waiting: "◔",
  busy: "●",
  starting: "◌",
  live: "●",
  attaching: "◌",
  behind: "◔",
  closing: "×",
};

export function StateWord({ state }: { state: string }) {
  return (
    <span class={`state ${state}`}>
      <span aria-hidden="true">{SIGNS[state] ?? "·"}</span> {state}
    </span>
  );
}
