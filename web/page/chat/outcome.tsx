/** What has become of a message since it was sent: deleted, edited, an edit that waits or was refused, a thread under it. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { focused, useFocusStays } from "./focus.ts";
import { Icon } from "./icon.tsx";
import type { Room } from "./room.ts";
import { brief, precise } from "./time.ts";
import type { Said } from "./timeline.ts";

/** In the place of a deleted message; for a moment it can be had back. */
export function Gone({ row, room }: { row: Said; room: Room }) {
  if (row.gone === "deleted") return <p class="gone-words">This message was deleted</p>;
  return (
    <p class="gone-words">
      <span role="status">{row.own ? "You deleted this" : `You deleted what ${row.name} said`}</span>
      <Undo run={() => room.deeds.undo(row)} />
    </p>
  );
}

function Undo({ run }: { run: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    // The menu that it came from is gone with the message's text; whoever was there goes on here.
    const article = button.current?.closest(".message");
    if (article?.contains(focused(article)) || document.activeElement === document.body) button.current?.focus({ preventScroll: true });
  }, []);
  useFocusStays(button);
  return (
    <button ref={button} type="button" class="link" onClick={run}>
      Undo
    </button>
  );
}

export function Edited({ row }: { row: Said }) {
  if (row.edit && row.edit.state !== "refused") {
    const state = row.edit.state === "held" ? "held" : "waiting";
    return (
      <span class={`receipt ${state}`} data-state={state}>
        <Icon name="clock" />
        <span>{state === "held" ? "The edit waits for a moderator" : "Saving…"}</span>
      </span>
    );
  }
  return row.edited === undefined ? null : (
    <span class="edited" title={`Edited ${precise(row.edited)}`}>
      edited
    </span>
  );
}

/** An edit that the server did not take: the text is not lost. */
export function RefusedEdit({ row, room }: { row: Said; room: Room }) {
  const { edit } = row;
  if (edit?.state !== "refused" || edit.change.type !== "message_edited") return null;
  return (
    <div class="refusal">
      <p>
        {edit.refusal?.error ?? "The server did not take it."} Not saved: “{edit.change.content.slice(0, 200)}”
      </p>
      {edit.held_id === undefined && (
        <button type="button" class="link" onClick={() => room.deeds.retry(edit.key)}>
          Save it anyway
        </button>
      )}
      <button type="button" class="link" onClick={() => room.deeds.discard(edit.key)}>
        Discard
      </button>
    </div>
  );
}

/** How many replies are in its thread, which opens it. */
export function ThreadLink({ row, room }: { row: Said; room: Room }) {
  const root = row.thread_id ?? row.id;
  if (root === undefined || (!row.thread && row.thread_id === undefined)) return null;
  const count = row.thread?.replies;
  return (
    <button type="button" class="thread-link" onClick={() => room.follow(root)}>
      <Icon name="thread" />
      {count === undefined ? "Said in a thread" : `${count} ${count === 1 ? "answer" : "answers"}`}
      {row.thread && <span class="soft">last {brief(Date.parse(row.thread.last_at))}</span>}
    </button>
  );
}
