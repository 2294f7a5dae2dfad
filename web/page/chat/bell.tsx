/** Where one comes in by invitation alone: asking to be let in. */

import { useEffect, useState } from "preact/hooks";
import { Failure } from "../shared/failure.tsx";
import { Reason } from "./asked.tsx";
import type { Room } from "./room.ts";
import { said } from "./words.ts";

const LOOK_AGAIN = 10_000; // milliseconds between two looks whether somebody has answered

/** Ask those who are in. */
export function Bell({ room }: { room: Room }) {
  const { go } = room.home;
  const [reason, setReason] = useState("");
  const [asked, setAsked] = useState(false);
  const [failure, setFailure] = useState("");
  useEffect(() => {
    if (!asked) return;
    const timer = setInterval(() => {
      if (document.hidden) return;
      room.home.salon.look(room.id).then(
        () => room.reconnect(),
        () => {}, // nobody has answered yet, or the answer was no: which of them is not told
      );
    }, LOOK_AGAIN);
    return () => clearInterval(timer);
  }, [asked]);
  const ask = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      await room.home.salon.askToJoin(room.id, reason.trim() || undefined);
      setAsked(true);
      setFailure("");
    } catch (error) {
      setFailure(said(error));
    }
  };
  if (asked) return <p role="status">You have asked. This page opens by itself once somebody lets you in.</p>;
  return (
    <form class="bell" onSubmit={(event) => void ask(event)}>
      <Reason value={reason} set={setReason} label="Say who you are, if they might not know" />
      <Failure text={failure} />
      <div class="buttons">
        <button type="submit" class="button primary">
          Ask to be let in
        </button>
        {go && (
          <button type="button" class="button" onClick={() => go(null)}>
            Not now
          </button>
        )}
      </div>
    </form>
  );
}
