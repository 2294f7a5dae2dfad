/** The pinned messages of a conversation, each of which leads to its place. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { gist } from "./filewords.ts";
import { onEscape } from "./escape.ts";
import { Icon } from "./icon.tsx";
import { may } from "./rank.ts";
import type { Room } from "./room.ts";
import { hour, precise } from "./time.ts";
import { plain } from "./timeline.ts";

const SHOWN = 280; // characters of each

export function Pins({ room, close }: { room: Room; close: () => void }) {
  const first = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => first.current?.focus(), []);
  const pinned = room.pinned.value;
  return (
    <aside class="members" aria-label="Pinned messages" onKeyDown={onEscape(close)}>
      <header class="members-head">
        <h2>Pinned</h2>
        <button ref={first} type="button" class="tool" aria-label="Close the list of pinned messages" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      {pinned.length === 0 && <p class="soft">Nothing is pinned here.{may("pin", room.standing.value) && " A message’s menu has “Pin”."}</p>}
      <ul class="pins">
        {[...pinned].reverse().map((id) => (
          <Pin key={id} id={id} room={room} />
        ))}
      </ul>
    </aside>
  );
}

function Pin({ id, room }: { id: string; room: Room }) {
  const message = room.past.named(id);
  const live = room.state.value.status === "live";
  useEffect(() => {
    if (!message) void room.past.fetch(id);
  }, [id, message === null, live]);
  const at = message ? Date.parse(message.timestamp) : 0;
  return (
    <li class="pin">
      <button type="button" class="pin-text" dir="auto" title="Go to this message" onClick={() => void room.jump(id)}>
        {message ? (
          <>
            <b>{message.sender_id === room.me ? "You" : message.sender_name}</b> <time title={precise(at)}>{hour(at)}</time>
            <span>{plain(gist(message).slice(0, SHOWN))}</span>
          </>
        ) : (
          "A message from before"
        )}
      </button>
      {may("pin", room.standing.value) && (
        <button type="button" class="tool" aria-label="Unpin" title="Unpin" onClick={() => room.deeds.unpin(id)}>
          <Icon name="close" />
        </button>
      )}
    </li>
  );
}
