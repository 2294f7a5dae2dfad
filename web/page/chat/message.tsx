/** One message: who, what, when, and for one's own what has become of it. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { markdown } from "../shared/markdown.ts";
import { Avatar, hue } from "./avatar.tsx";
import { Icon } from "./icon.tsx";
import { Quote } from "./quote.tsx";
import type { Room } from "./room.ts";
import { hour, precise } from "./time.ts";
import type { Said } from "./timeline.ts";

/** Letters and plain punctuation alone: no need to look for Markdown in it. */
const PLAIN = /^(?!www\.)[\p{L}\p{M}"'(][\p{L}\p{M}\p{N} ,;?!'"()…–—%€$،؟。、！？]*\.?$/u;

export function MessageRow({ row, room }: { row: Said; room: Room }) {
  const state = row.outgoing?.state;
  const found = row.sequence !== undefined && room.found.value?.sequence === row.sequence;
  const kind = ["message", row.own && "own", row.first && "first", row.last && "last", found && "found", row.mentioned && "mentioned", state];
  return (
    <article class={kind.filter(Boolean).join(" ")} aria-label={label(row)} tabIndex={-1}>
      {!row.own && row.first && <Avatar id={row.sender} name={row.name} />}
      <div class="bubble">
        {!row.own && row.first && (
          <p class="sender">
            <bdi class={`sender-name ink-${hue(row.sender)}`}>{row.name}</bdi>
            {row.agent && <span class="badge">agent</span>}
          </p>
        )}
        {row.reply_to && <Quote id={row.reply_to} room={room} />}
        <div class="body">
          <Prose text={row.content} />
          {(row.last || row.outgoing) && (
            <p class="meta">
              <time dateTime={new Date(row.at).toISOString()} title={precise(row.at)}>
                {hour(row.at)}
              </time>
              {row.own && <Receipt row={row} />}
            </p>
          )}
        </div>
        {state === "refused" && <Refusal row={row} room={room} />}
      </div>
      {row.id !== undefined && (
        <button
          type="button"
          class="tool"
          aria-label={`Reply to ${row.own ? "yourself" : row.name}`}
          title="Reply"
          onClick={() => (room.replyTo.value = { id: row.id!, name: row.own ? "yourself" : row.name, content: row.content })}
        >
          <Icon name="reply" />
        </button>
      )}
    </article>
  );
}

function Prose({ text }: { text: string }) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = place.current!;
    if (PLAIN.test(text)) element.textContent = text;
    else element.replaceChildren(markdown(text));
  }, [text]);
  return <div ref={place} class="prose" dir="auto" />;
}

function Receipt({ row }: { row: Said }) {
  const state = row.outgoing?.state ?? "sent";
  const words = { waiting: "Waiting", sending: "Sending…", sent: "Sent", refused: "Not sent" }[state];
  const icon = ({ waiting: "clock", sending: "clock", sent: "check", refused: "warn" } as const)[state];
  return (
    <span class={`receipt ${state}`} data-state={state}>
      <Icon name={icon} />
      <span class={state === "sent" ? "visually-hidden" : ""}>{words}</span>
    </span>
  );
}

function Refusal({ row, room }: { row: Said; room: Room }) {
  return (
    <div class="refusal">
      <p>{row.outgoing?.refusal?.error ?? "The server did not take it."}</p>
      <button type="button" class="link" onClick={() => room.retry(row.key)}>
        Send again
      </button>
      <button type="button" class="link" onClick={() => room.discard(row.key)}>
        Discard
      </button>
    </div>
  );
}

function label(row: Said): string {
  return `${row.own ? "You" : row.name}, ${hour(row.at)}${row.mentioned ? ", mentions you" : ""}`;
}
