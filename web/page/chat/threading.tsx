/** A thread beside the log: the message that it is about, the replies, and where one answers. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { Composer } from "./composer.tsx";
import { onEscape } from "./escape.ts";
import { Icon } from "./icon.tsx";
import { MessageRow } from "./message.tsx";
import { may } from "./rank.ts";
import type { Room } from "./room.ts";
import type { Thread } from "./thread.ts";
import { useDropping } from "./uploads.tsx";
import { day } from "./time.ts";

const STANDS_OUT = 2000; // milliseconds that a reply is marked which was asked for

export function ThreadPanel({ room, thread, close }: { room: Room; thread: Thread; close: () => void }) {
  const list = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const rows = thread.rows.value;
  const { last } = thread;
  const closing = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    // On a touch screen the field does not take the focus, which would bring the keyboard up.
    if (!matchMedia("(pointer: fine)").matches) closing.current?.focus();
  }, []);
  useLayoutEffect(() => {
    const element = list.current!;
    if (atEnd.current) element.scrollTop = element.scrollHeight;
  }, [rows, room.spoken.value]);
  useLayoutEffect(() => {
    if (!document.hidden && atEnd.current) room.reading.seenThread(thread.id, last);
  }, [last, thread.loaded.value]);
  useLayoutEffect(() => () => thread.uploads.stop(), [thread]);
  const found = thread.found.value;
  useLayoutEffect(() => {
    const message = found && list.current?.querySelector<HTMLElement>(`[data-sequence="${found.sequence}"] .message`);
    if (!message) return;
    atEnd.current = false;
    message.scrollIntoView({ block: "center" });
    message.focus({ preventScroll: true });
    const timer = setTimeout(() => (thread.found.value = null), STANDS_OUT);
    return () => clearTimeout(timer);
  }, [found]);
  const writes = room.state.value.status !== "ended" && may("post", room.standing.value);
  const { shade, dropping } = useDropping(writes ? thread.uploads : null, "Drop files here to answer with them");
  return (
    <aside class="members thread" aria-label="Thread" onKeyDown={onEscape(close)} {...dropping}>
      <header class="members-head">
        <h2>Thread</h2>
        <button ref={closing} type="button" class="tool" aria-label="Close the thread" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div
        ref={list}
        class="thread-log"
        role="region"
        aria-label="Messages in the thread"
        tabIndex={0}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => (atEnd.current = scrollHeight - scrollTop - clientHeight < 60)}
      >
        {thread.failed.value && (
          <p class="failure">
            {thread.failed.value}{" "}
            <button type="button" class="link" onClick={() => void thread.load()}>
              Try again
            </button>
          </p>
        )}
        {rows.map((row) => (
          <div key={row.key} data-sequence={row.kind === "said" ? row.sequence : undefined}>
            {row.kind === "day" && (
              <h3 class="day">
                <span>{day(row.at)}</span>
              </h3>
            )}
            {row.kind === "said" && <MessageRow row={row} room={room} inThread />}
            {row.kind === "said" && row.id === thread.id && thread.more.value && (
              <button type="button" class="link" onClick={() => void thread.earlier()}>
                Earlier replies
              </button>
            )}
          </div>
        ))}
      </div>
      {writes && <Composer key={thread.id} room={room} thread={thread.id} />}
      {shade}
    </aside>
  );
}
