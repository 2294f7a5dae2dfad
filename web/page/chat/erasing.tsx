/** How far an erasure is that was asked for here a moment ago. Nobody is signed in any more: its id is all that is known of it. */

import { useEffect } from "preact/hooks";
import { Refused } from "../sdk/salon.ts";
import { erasure, lookAtErasure } from "./session.ts";

const EVERY = 2000; // milliseconds from an answer to the next question

export function Erasing() {
  const now = erasure.value;
  const over = now === null || now.state === "done";
  useEffect(() => {
    if (over) return;
    let timer = 0;
    const look = async (): Promise<void> => {
      const wait = await lookAtErasure().then(
        () => EVERY,
        (error: unknown) => Math.max(EVERY, ((error instanceof Refused && error.refusal.retry_after) || 0) * 1000),
      );
      timer = window.setTimeout(() => void look(), wait);
    };
    timer = window.setTimeout(() => void look(), 0);
    return () => clearTimeout(timer);
  }, [over]);
  if (now === null) return null;
  return (
    <p class="hint" role="status">
      {now.state === "done" && "You are erased: nothing of you is left here but your id."}
      {now.state === "running" && "You are signed out, and being erased. It goes on by itself; you can close this page."}
      {now.state === "held" && "You are signed out. What you have said is under a legal hold, and is erased when it is released."}
    </p>
  );
}
