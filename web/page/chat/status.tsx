/** The connection, said as it is: connecting, catching up, live, offline and when the next try is. */

import { useEffect, useState } from "preact/hooks";
import type { State } from "../sdk/types.ts";

export function Status({ state, retry }: { state: State; retry: () => void }) {
  const left = useCountdown(state.retryAt);
  return (
    <div class={`status ${state.status}`}>
      <span class="status-text" role="status">
        <span class="lamp" aria-hidden="true" />
        <span>{words(state)}</span>
      </span>
      {state.status === "offline" && (
        <>
          <span class="status-when">{state.retryAt ? soon(left) : "waiting for a network"}</span>
          <button type="button" class="link" onClick={retry}>
            Try now
          </button>
        </>
      )}
    </div>
  );
}

function words(state: State): string {
  if (state.status === "live") return "Live";
  if (state.status === "connecting") return "Connecting…";
  if (state.status === "catching-up") return "Catching up…";
  return state.status === "offline" ? "Offline" : "Closed";
}

function soon(left: number): string {
  return left > 0 ? `next try in ${left} s` : "trying…";
}

/** Whole seconds until then, counted down on the screen. */
export function useCountdown(until: number | undefined): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (until === undefined) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [until]);
  return until === undefined ? 0 : Math.max(0, Math.ceil((until - now) / 1000));
}
