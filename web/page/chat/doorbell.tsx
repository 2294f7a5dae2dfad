/** What somebody sees who has opened an invite link. */

import { useState } from "preact/hooks";
import { Refused } from "../sdk/salon.ts";
import { Failure } from "../shared/failure.tsx";
import type { Inbox } from "./inbox.ts";
import { go } from "./route.ts";
import { salon } from "./session.ts";
import { said } from "./words.ts";

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
