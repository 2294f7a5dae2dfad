/** Ways in besides the address: an invite link, and asking to be let in. */

import { useEffect, useState } from "preact/hooks";
import { Refused } from "../sdk/salon.ts";
import { Failure } from "../shared/failure.tsx";
import { Reason } from "./asked.tsx";
import type { Inbox } from "./inbox.ts";
import type { Room } from "./room.ts";
import { go } from "./route.ts";
import { salon } from "./session.ts";
import { said } from "./words.ts";

const LOOK_AGAIN = 10_000; // milliseconds between two looks whether somebody has answered

/** What somebody sees who has opened an invite link. */
export function Invited({ code, inbox }: { code: string; inbox: Inbox }) {
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const comeIn = async (): Promise<void> => {
    setBusy(true);
    try {
      const { id } = await salon.acceptInvite(code);
      await inbox.refresh();
      go(id, true);
    } catch (error) {
      const gone = error instanceof Refused && error.status === 404;
      setFailure(gone ? "There is no such invite. Perhaps the link was cut short when it was copied." : said(error));
      setBusy(false);
    }
  };
  return (
    <main class="room doorway">
      <div class="doorway-inside">
        <h1>You are invited</h1>
        <p>Somebody has sent you a link into a conversation. Whoever is there will see that you have come.</p>
        <Failure text={failure} />
        <div class="buttons">
          {!failure && (
            <button type="button" class="button primary" disabled={busy} onClick={() => void comeIn()}>
              Come in
            </button>
          )}
          <button type="button" class="button" onClick={() => go(null, true)}>
            {failure ? "To your conversations" : "Not now"}
          </button>
        </div>
      </div>
    </main>
  );
}

/** Where one comes in by invitation alone: ask those who are in. */
export function Bell({ room }: { room: Room }) {
  const [reason, setReason] = useState("");
  const [asked, setAsked] = useState(false);
  const [failure, setFailure] = useState("");
  useEffect(() => {
    if (!asked) return;
    const timer = setInterval(() => {
      if (document.hidden) return;
      salon.look(room.id).then(
        () => room.reconnect(),
        () => {}, // nobody has answered yet, or the answer was no: which of them is not told
      );
    }, LOOK_AGAIN);
    return () => clearInterval(timer);
  }, [asked]);
  const ask = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      await salon.askToJoin(room.id, reason.trim() || undefined);
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
        <button type="button" class="button" onClick={() => go(null)}>
          Not now
        </button>
      </div>
    </form>
  );
}
