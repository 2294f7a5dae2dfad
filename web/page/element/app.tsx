/** What the element shows: the conversation, the list of them, or why there is none. */

import { useState } from "preact/hooks";
import { Announcements } from "../chat/announcements.tsx";
import { Code } from "../chat/code.tsx";
import { ConversationView } from "../chat/conversation.tsx";
import { Inbox } from "../chat/inbox.ts";
import { jump, Listed } from "../chat/listing.tsx";
import { SearchButton, SearchDialog } from "../chat/search.tsx";
import { Boundary } from "../shared/boundary.tsx";
import { Entry, Notice, Unreachable } from "./entry.tsx";
import type { Stay, Visit } from "./visit.ts";

export function App({ visit }: { visit: Visit }) {
  const now = visit.phase.value;
  return (
    <div class="chat">
      <Boundary broken={<Notice words="This chat has broken. Load the page again: what was written is kept." />}>
        {now.is === "asking" && <Notice words="One moment…" />}
        {now.is === "unreachable" && <Unreachable now={now} again={() => void visit.again()} />}
        {now.is === "nobody" && (now.guests ? <Entry visit={visit} /> : <Notice words="You are not signed in, so there is nothing to be shown." />)}
        {now.is === "in" && <Inside key={now.stay} stay={now.stay} visit={visit} />}
        <Announcements toasts={visit.toasts} voice={visit.voice} />
      </Boundary>
    </div>
  );
}

function Inside({ stay, visit }: { stay: Stay; visit: Visit }) {
  const [search, setSearch] = useState<{ here: boolean } | null>(null);
  const room = stay.open.value;
  const list = stay instanceof Inbox ? stay : null;
  const { value: code } = visit.code;
  const card = code !== null && <Code code={code} keep={() => visit.keepCode()} toast={visit.toast} />;
  return (
    <div class={`home${room ? " in-room" : ""}${list ? "" : " single"}`} onKeyDown={(event) => list && jump(event, list)}>
      {list && (
        <nav class="sidebar" aria-label="Conversations">
          <SearchButton open={() => setSearch({ here: false })} keys={false} />
          <Listed inbox={list} above={card} />
        </nav>
      )}
      {room && <ConversationView key={room} room={room} search={() => setSearch({ here: true })} above={card} />}
      {!room && list && (
        <section class="nowhere" aria-label="No conversation is open">
          <p>Choose a conversation from the list.</p>
        </section>
      )}
      {search && <SearchDialog inbox={stay} here={search.here} close={() => setSearch(null)} />}
    </div>
  );
}
