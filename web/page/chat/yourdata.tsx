/** What one may ask of the server about oneself: to take one’s data along, and to be erased. */

import { useState } from "preact/hooks";
import { Dialog } from "../shared/dialog.tsx";
import { Failure } from "../shared/failure.tsx";
import { save } from "../shared/save.ts";
import { KeepLinks } from "./guest.tsx";
import type { Inbox } from "./inbox.ts";
import { Question } from "./question.tsx";
import { go } from "./route.ts";
import { eraseMe, salon } from "./session.ts";
import { said } from "./words.ts";

export function YourData({ inbox, close }: { inbox: Inbox; close: () => void }) {
  const [erasing, erase] = useState(false);
  if (erasing) return <Erase inbox={inbox} close={close} />;
  return (
    <Dialog title="Your data" close={close}>
      <p>
        You are <bdi>{inbox.me.name}</bdi> here, with the id <code>{inbox.me.id}</code>.
      </p>
      <KeepLinks inbox={inbox} words="You are a guest. Sign in, and these conversations are your account’s." />
      <Download />
      <h3>Be erased</h3>
      <p>All that you have said, your files and your name are deleted, in all conversations.</p>
      <div class="buttons">
        <button type="button" class="button danger" onClick={() => erase(true)}>
          Erase me…
        </button>
        <button type="button" class="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function Download() {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState("");
  const take = async (): Promise<void> => {
    setBusy(true);
    setFailure("");
    try {
      await save(salon, "/me/export", "my-data.zip");
    } catch (error) {
      setFailure(said(error));
    }
    setBusy(false);
  };
  return (
    <>
      <h3>Take it along</h3>
      <p>One ZIP archive: what you have said and done, your conversations, your files. What others have said is not in it.</p>
      <Failure text={failure} />
      <div class="buttons">
        <button type="button" class="button" disabled={busy} onClick={() => void take()}>
          {busy ? "Collecting…" : "Download my data"}
        </button>
      </div>
    </>
  );
}

function Erase({ inbox, close }: { inbox: Inbox; close: () => void }) {
  const waiting = inbox.waiting();
  const run = async (): Promise<void> => {
    await eraseMe(() => inbox.abandon());
    go(null, true);
  };
  return (
    <Question title="Erase yourself?" action="Erase me" word="erase" run={run} close={close}>
      <p>
        Your messages, files, reactions and your name are deleted, in all conversations, for everybody. You leave them, and are signed out
        everywhere. <b>Nobody can undo it.</b>
      </p>
      <details>
        <summary>What is kept, and why</summary>
        <ul>
          <li>Your id, at the places that were yours: what others did keeps its meaning. It is not your name.</li>
          <li>The numbers that your browser gave your messages, so that a late retry does not store one again.</li>
          <li>What others wrote about you: it is theirs.</li>
          <li>Bans and mutes, under your id; and what agents’ answers for you have cost, as figures.</li>
          <li>What a legal hold keeps, until it is released.</li>
        </ul>
      </details>
      {waiting > 0 && <p class="failure">{waiting} of your messages have not been sent yet, and never will be.</p>}
    </Question>
  );
}
