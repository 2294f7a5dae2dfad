/** The whole page: the way in, or the list beside the open conversation. */

import { useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import type { Identity } from "../sdk/types.ts";
import { Boundary } from "../shared/boundary.tsx";
import { Wordmark } from "../shared/wordmark.tsx";
import { Invited } from "./doorbell.tsx";
import { hush, showInTitle, voice } from "./alert.ts";
import { Announcements } from "./announcements.tsx";
import { ConversationView } from "./conversation.tsx";
import { Inbox } from "./inbox.ts";
import { jump } from "./listing.tsx";
import { RecoveryCode } from "./recovery.tsx";
import { page } from "./page.ts";
import { invited } from "./route.ts";
import { asksForSearch, SearchDialog } from "./search.tsx";
import { shelf, who } from "./session.ts";
import { Sidebar } from "./sidebar.tsx";
import { toasts } from "./toast.ts";
import { Unreachable, Welcome } from "./welcome.tsx";

export function App() {
  const now = who.value;
  return (
    <Boundary broken={<Broken />}>
      {now.kind === "asking" && <Loading />}
      {now.kind === "unreachable" && <Unreachable who={now} />}
      {now.kind === "nobody" && <Welcome who={now} />}
      {now.kind === "somebody" && <Home key={now.identity.id} me={now.identity} />}
      <Announcements toasts={toasts} voice={voice} />
    </Boundary>
  );
}

function Home({ me }: { me: Identity }) {
  const [inbox] = useState(() => new Inbox(me, page));
  const [search, setSearch] = useState<{ here: boolean } | null>(null);
  useEffect(() => () => inbox.close(), [inbox]);
  // With the first paint: an effect after it would miss a quick hand.
  useLayoutEffect(() => {
    const keys = (event: KeyboardEvent): void => {
      jump(event, inbox);
      if (!asksForSearch(event)) return;
      event.preventDefault();
      setSearch({ here: false });
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, [inbox]);
  useSignalEffect(() => showInTitle(inbox.unread.value, inbox.open.value?.title.value ?? ""));
  useEffect(() => hush, []);
  const room = inbox.open.value;
  const find = (here: boolean): void => setSearch({ here });
  return (
    <div class={room || invited.value !== null ? "home in-room" : "home"}>
      <Sidebar inbox={inbox} search={() => find(false)} />
      {room ? <ConversationView key={room.id} room={room} search={() => find(true)} above={<RecoveryCode />} /> : invited.value !== null ? <Invited code={invited.value} inbox={inbox} /> : <Nowhere inbox={inbox} />}
      {search && <SearchDialog inbox={inbox} here={search.here} close={() => setSearch(null)} />}
    </div>
  );
}

/** The space beside the list, with no conversation open. */
function Nowhere({ inbox }: { inbox: Inbox }) {
  const none = inbox.loaded.value && inbox.lines.value.length === 0;
  return (
    <main class="nowhere" aria-label="No conversation is open">
      <div>
        <h1>{none ? "A quiet room" : "Pick up where you were"}</h1>
        <p>
          {none
            ? "Begin a conversation, and send its address to whom you want in it. Or open an address that you were given."
            : "Choose a conversation from the list. Alt with an arrow key goes from one to the next."}
        </p>
      </div>
    </main>
  );
}

function Loading() {
  return (
    <main class="welcome" aria-busy="true">
      <div class="welcome-card loading">
        <Wordmark />
        <p role="status">One moment…</p>
      </div>
    </main>
  );
}

/** What somebody sees whose page has thrown: what it keeps for speed alone goes, in case that is what it fell over. */
function Broken() {
  const again = (): void => {
    while (shelf.makeRoom());
    location.reload();
  };
  return (
    <main class="welcome">
      <div class="welcome-card">
        <Wordmark />
        <h1>This page has broken</h1>
        <p class="welcome-lead">That is our fault. What you wrote is kept, and nothing that was sent is lost.</p>
        <button type="button" class="button primary big" onClick={again}>
          Load it again
        </button>
      </div>
    </main>
  );
}
