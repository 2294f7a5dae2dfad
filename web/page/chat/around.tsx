/** Beside the log: a place far back in it, with the message that was looked for. */

import { useLayoutEffect, useRef } from "preact/hooks";
import type { Around } from "./around.ts";
import { onEscape } from "./escape.ts";
import { Icon } from "./icon.tsx";
import type { Room } from "./room.ts";
import { Drawn } from "./row.tsx";

export function AroundPanel({ room, around, close }: { room: Room; around: Around; close: () => void }) {
  const list = useRef<HTMLDivElement>(null);
  const closing = useRef<HTMLButtonElement>(null);
  const rows = around.rows.value;
  const there = rows.length > 0;
  useLayoutEffect(() => closing.current?.focus(), []);
  useLayoutEffect(() => {
    const message = list.current?.querySelector<HTMLElement>(`[data-sequence="${around.sequence}"] .message`);
    message?.scrollIntoView({ block: "center" });
    message?.focus({ preventScroll: true });
  }, [there]);
  return (
    <aside class="members thread" aria-label="From long ago" onKeyDown={onEscape(close)}>
      <header class="members-head">
        <h2>From long ago</h2>
        <button ref={closing} type="button" class="tool" aria-label="Close what was said long ago" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div ref={list} class="thread-log" role="region" aria-label="Messages from long ago" tabIndex={0}>
        {around.failed.value && (
          <p class="failure">
            {around.failed.value}{" "}
            <button type="button" class="link" onClick={() => void around.load()}>
              Try again
            </button>
          </p>
        )}
        {around.more.value.earlier && (
          <button type="button" class="link" onClick={() => void around.earlier()}>
            Earlier
          </button>
        )}
        {rows.map((row) => (
          <div key={row.key} data-sequence={"sequence" in row ? row.sequence : undefined} class={"sequence" in row && row.sequence === around.sequence ? "sought" : undefined}>
            <Drawn row={row} room={room} />
          </div>
        ))}
        {around.more.value.later && (
          <button type="button" class="link" onClick={() => void around.later()}>
            Later
          </button>
        )}
      </div>
    </aside>
  );
}
