/** The lines of the list: what each conversation is called, what was said in it last, and how much of it is new. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { ConversationLine } from "../sdk/types.ts";
import { Icon } from "./icon.tsx";
import type { Inbox } from "./inbox.ts";
import { isMuted } from "./preferences.ts";
import { brief, precise } from "./time.ts";
import { plain } from "./timeline.ts";

const FILTER_FROM = 8; // conversations: fewer are seen at a glance

/** `above` stands between the field and the list. */
export function Listed({ inbox, above }: { inbox: Inbox; above?: ComponentChildren }) {
  const [filter, setFilter] = useState("");
  const all = inbox.lines.value;
  const wanted = filter.trim().toLocaleLowerCase();
  const lines = wanted ? all.filter((line) => line.title.toLocaleLowerCase().includes(wanted)) : all;
  const filtered = wanted !== "";
  const open = inbox.open.value?.id;
  return (
    <>
      {all.length >= FILTER_FROM && (
        <div class="filter">
          <input
            type="search"
            class="field"
            placeholder="Find a conversation"
            aria-label="Find a conversation"
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </div>
      )}
      {above}
      <div class="list" aria-busy={!inbox.loaded.value}>
        {inbox.failure.value && (
          <p class="list-note" role="status">
            The list may be old: {inbox.failure.value}{" "}
            <button type="button" class="link" onClick={() => void inbox.refresh()}>
              Try again
            </button>
          </p>
        )}
        {!inbox.loaded.value && !inbox.failure.value && <p class="list-note">Fetching your conversations…</p>}
        {inbox.loaded.value && lines.length === 0 && (
          <p class="list-note">{filtered ? "None of these has that in its title." : "You are in no conversation yet: begin one, or open an address that you were given."}</p>
        )}
        <Lines inbox={inbox} lines={lines} open={open} />
        {inbox.total.value > inbox.lines.value.length && (
          <button type="button" class="link more" onClick={() => void inbox.showMore()}>
            {filtered
              ? `Only the newest ${inbox.lines.value.length} of ${inbox.total.value} were looked through: look further`
              : `Show more of ${inbox.total.value}`}
          </button>
        )}
        {inbox.archive.total.value > 0 && <Archived inbox={inbox} wanted={wanted} open={open} />}
      </div>
    </>
  );
}

function Lines({ inbox, lines, open }: { inbox: Inbox; lines: readonly ConversationLine[]; open: string | undefined }) {
  return (
    <ul>
      {lines.map((line) => (
        <li key={line.conversation_id}>
          <Line inbox={inbox} line={line} open={line.conversation_id === open} calls={inbox.calls.unseen(line.conversation_id)} />
        </li>
      ))}
    </ul>
  );
}

/** What was put away, below all else: with the number of what is new there, since nothing else tells of it. */
function Archived({ inbox, wanted, open }: { inbox: Inbox; wanted: string; open: string | undefined }) {
  const [unfolded, setUnfolded] = useState(false);
  const { lines, total, unread } = inbox.archive;
  const shown = lines.value.filter((line) => line.title.toLocaleLowerCase().includes(wanted));
  const more = (): void => {
    inbox.archive.more();
    void inbox.refresh();
  };
  return (
    <section class="archived" aria-label="Archive">
      <button type="button" class="archived-head" aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
        <Icon name="archive" /> <span class="archived-words">Archived <span class="soft">{total}</span></span>
        {unread.value > 0 && (
          <span class="line-unread">
            {unread.value > 99 ? "99+" : unread}
            <span class="visually-hidden"> unread</span>
          </span>
        )}
      </button>
      {unfolded && <Lines inbox={inbox} lines={shown} open={open} />}
      {unfolded && total.value > lines.value.length && (
        <button type="button" class="link more" onClick={more}>
          Show more of {total}
        </button>
      )}
    </section>
  );
}

/** `calls` are tool calls that wait for who reads this. */
function Line({ inbox, line, open, calls }: { inbox: Inbox; line: ConversationLine; open: boolean; calls: number }) {
  const at = Date.parse(line.last_message_at ?? line.created_at);
  return (
    <a
      href={inbox.address(line.conversation_id)}
      class={`line${open ? " open" : ""}${line.unread_count || calls ? " unread" : ""}`}
      aria-current={open ? "page" : undefined}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
        event.preventDefault();
        inbox.go(line.conversation_id);
      }}
    >
      <span class="line-title" dir="auto">
        {line.title}
        {line.pinned && <Mark icon="pin" words="pinned" />}
        {isMuted(line) && <Mark icon="bellOff" words="muted" />}
      </span>
      <time class="line-time" dateTime={new Date(at).toISOString()} title={precise(at)}>
        {brief(at)}
      </time>
      <span class="line-preview" dir="auto">
        {preview(line) ?? `${line.participant_count} ${line.participant_count === 1 ? "person" : "people"}, nothing said yet`}
      </span>
      {(line.unread_count > 0 || calls > 0) && (
        <span class="line-unread">
          {calls > 0 && <span aria-hidden="true">? </span>}
          {calls > 0 && <span class="visually-hidden">An agent waits for your decision. </span>}
          {line.unread_count > 0 && <Unread line={line} />}
        </span>
      )}
    </a>
  );
}

function Mark({ icon, words }: { icon: "pin" | "bellOff"; words: string }) {
  return (
    <span class="line-mark" title={words}>
      <Icon name={icon} />
      <span class="visually-hidden">, {words}</span>
    </span>
  );
}

function Unread({ line }: { line: ConversationLine }) {
  return (
    <>
      {line.mention_count > 0 && <span aria-hidden="true">@ </span>}
      {line.unread_count > 99 ? "99+" : line.unread_count}
      <span class="visually-hidden"> unread{line.mention_count > 0 && `, ${line.mention_count} with your name`}</span>
    </>
  );
}

function preview(line: ConversationLine): string | null {
  return line.last_message_preview === null ? null : plain(line.last_message_preview) || "A file";
}

/** Alt with an arrow goes through the list. */
export function jump(event: KeyboardEvent, inbox: Inbox): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!event.altKey || step === undefined) return;
  event.preventDefault();
  const ids = inbox.lines.value.map((line) => line.conversation_id);
  const open = inbox.open.value?.id;
  const at = open === undefined ? -1 : ids.indexOf(open);
  const next = ids[Math.min(Math.max(at + step, 0), ids.length - 1)];
  if (next !== undefined) inbox.go(next);
}
