/** What a guest is offered: to sign in and keep their conversations. Beside their name always, and once as a hint. */

import { useEffect, useState } from "preact/hooks";
import { Dialog } from "../shared/dialog.tsx";
import { ProviderLinks } from "../shared/provider.tsx";
import { Icon } from "./icon.tsx";
import type { Inbox } from "./inbox.ts";
import { path } from "./route.ts";
import { askWays, providers, recoveryCode, who } from "./session.ts";

const HINT_FROM = 2; // conversations: who has begun or joined a second one is likely to come back

/** The server knows who of them has an account; this browser may have been told before they had. */
function isGuest(inbox: Inbox): boolean {
  const { value: now } = who;
  return inbox.me.id.startsWith("guest_") && now.kind === "somebody" && !now.identity.account;
}

function mayKeep(inbox: Inbox): boolean {
  return isGuest(inbox) && providers.value.length > 0;
}

/** The links to the providers, for a guest. */
export function KeepLinks({ inbox, words }: { inbox: Inbox; words: string }) {
  if (!mayKeep(inbox)) return null;
  return (
    <>
      <p>
        {words} <span class="soft">An account that has been here before stays what it is, with its own conversations.</span>
      </p>
      <ProviderLinks providers={providers.value} returnTo={path()} keepGuest />
    </>
  );
}

/** Beside the name. */
export function KeepLink({ inbox }: { inbox: Inbox }) {
  const [asking, ask] = useState(false);
  useEffect(() => {
    if (isGuest(inbox)) void askWays();
  }, [isGuest(inbox)]);
  if (!mayKeep(inbox)) return null;
  return (
    <>
      <button type="button" class="link" aria-haspopup="dialog" onClick={() => ask(true)}>
        Sign in
      </button>
      {asking && <Keep inbox={inbox} close={() => ask(false)} />}
    </>
  );
}

/** Over the name, until they have answered it, whatever they have answered. */
export function GuestHint({ inbox }: { inbox: Inbox }) {
  const [asking, ask] = useState(false);
  const [answered, answer] = useState(() => inbox.hinted);
  const due = mayKeep(inbox) && inbox.lines.value.length >= HINT_FROM && recoveryCode.value === null; // one card at a time
  const done = (): void => {
    inbox.hinted = true;
    answer(true);
  };
  if (asking) return <Keep inbox={inbox} close={() => ask(false)} />;
  if (answered || !due) return null;
  return (
    <section class="code" aria-label="You are a guest">
      <h2>
        <Icon name="key" /> Keep these conversations
      </h2>
      <p>You are here as a guest, in this browser alone. Sign in, and they are your account’s, wherever you are.</p>
      <div class="buttons">
        <button type="button" class="link" onClick={done}>
          Not now
        </button>
        <button
          type="button"
          class="button"
          onClick={() => {
            done();
            ask(true);
          }}
        >
          Sign in…
        </button>
      </div>
    </section>
  );
}

function Keep({ inbox, close }: { inbox: Inbox; close: () => void }) {
  return (
    <Dialog title="Keep your conversations" close={close}>
      <KeepLinks inbox={inbox} words="Sign in, and what you have as a guest is your account’s: your conversations, your name in them, and what you have said." />
      <div class="buttons">
        <button type="button" class="button" onClick={close}>
          Not now
        </button>
      </div>
    </Dialog>
  );
}
