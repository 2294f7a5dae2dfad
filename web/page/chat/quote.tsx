/** What a message replies to, in one line, which leads there. */

import { useEffect } from "preact/hooks";
import { gist } from "./filewords.ts";
import type { Room } from "./room.ts";
import { plain } from "./timeline.ts";

const SHOWN = 160; // characters: more than a line has

export function Quote({ id, room }: { id: string; room: Room }) {
  const message = room.past.named(id);
  const live = room.state.value.status === "live";
  useEffect(() => {
    if (!message) void room.past.fetch(id);
  }, [id, message === null, live]);
  return (
    <blockquote class="quote" dir="auto">
      <button type="button" title="Go to this message" onClick={() => void room.jump(id)}>
        {message ? (
          <>
            <b>{message.sender_id === room.me ? "You" : message.sender_name}</b> {message.deleted ? "A deleted message" : plain(gist(message).slice(0, SHOWN))}
          </>
        ) : (
          "An earlier message"
        )}
      </button>
    </blockquote>
  );
}
