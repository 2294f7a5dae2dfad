/** What no stream tells: asked for again and again, for as long as a component shows it and somebody looks. */

import { useEffect, useState } from "preact/hooks";
import { Refused } from "../sdk/salon.ts";
import { reason, salon } from "./operator.ts";

const EVERY = 2000; // milliseconds from an answer to the next question

export interface Polled<Answer> {
  /** The last answer; null until there is one. */
  answer: Answer | null;
  /** Why the last answer is old; "" where it is not. */
  failure: string;
  /** Ask now. */
  again: () => void;
}

/** While `held`, nothing is asked. */
export function usePolled<Answer>(path: string, held = false): Polled<Answer> {
  return useAsked(path, () => salon.request<Answer>("GET", path), held);
}

/** `ask` may be a new function each time: what it asks for is the same for as long as `key` is. */
export function useAsked<Answer>(key: string, ask: () => Promise<Answer>, held = false): Polled<Answer> {
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [failure, setFailure] = useState("");
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (held) return;
    let over = false;
    let timer = 0;
    const later = (wait = EVERY): void => void (timer = window.setTimeout(() => void look(), wait));
    const look = async (): Promise<void> => {
      if (document.hidden) return later();
      try {
        const found = await ask();
        if (over) return;
        setAnswer(found);
        setFailure("");
      } catch (error) {
        if (over) return;
        setFailure(reason(error));
        return later(Math.max(EVERY, ((error instanceof Refused && error.refusal.retry_after) || 0) * 1000));
      }
      later();
    };
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [key, held, turn]);
  return { answer, failure, again: () => setTurn((before) => before + 1) };
}
