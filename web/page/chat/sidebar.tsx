/** The list of conversations, and what is new in them. */

import { useEffect, useState } from "preact/hooks";
import type { ConversationLine } from "../sdk/types.ts";
import { Dialog } from "../shared/dialog.tsx";
import { Failure } from "../shared/failure.tsx";
import { Wordmark } from "../shared/wordmark.tsx";
import { focusComposer } from "./composer.tsx";
import { Foot } from "./foot.tsx";
import { GuestHint } from "./guest.tsx";
import { Icon } from "./icon.tsx";
import type { Inbox } from "./inbox.ts";
import { listed } from "./notice.ts";
import { go } from "./route.ts";
import { RecoveryCode } from "./recovery.tsx";
import { SearchButton } from "./search.tsx";
import { agents, askWays } from "./session.ts";
import { brief, precise } from "./time.ts";
import { plain } from "./timeline.ts";
import { said } from "./words.ts";

const FILTER_FROM = 8; // conversations: fewer are seen at a glance

export function Sidebar({ inbox, search }: { inbox: Inbox; search: () => void }) {
  const [creating, setCreating] = useState(false);
  const [filter, setFilter] = useState("");
  const lines = inbox.lines.value;
  const wanted = filter.trim().toLocaleLowerCase();
  const shown = wanted ? lines.filter((line) => line.title.toLocaleLowerCase().includes(wanted)) : lines;
  return (
    <nav class="sidebar" aria-label="Conversations">
      <header class="sidebar-head">
        <Wordmark />
        <button type="button" class="button primary new" onClick={() => setCreating(true)}>
          <Icon name="plus" /> New
        </button>
      </header>
      <SearchButton open={search} />
      {lines.length >= FILTER_FROM && (
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
      <RecoveryCode />
      <Listed inbox={inbox} lines={shown} filtered={wanted !== ""} create={() => setCreating(true)} />
      <GuestHint inbox={inbox} />
      <Foot inbox={inbox} />
      {creating && <Create inbox={inbox} close={() => setCreating(false)} />}
    </nav>
  );
}

function Listed(props: { inbox: Inbox; lines: readonly ConversationLine[]; filtered: boolean; create: () => void }) {
  const { inbox, lines } = props;
  const open = inbox.open.value?.id;
  return (
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
        <p class="list-note">{props.filtered ? "None of these has that in its title." : "You are in no conversation yet: begin one, or open an address that you were given."}</p>
      )}
      <ul>
        {lines.map((line) => (
          <li key={line.conversation_id}>
            <Line line={line} open={line.conversation_id === open} calls={inbox.calls.unseen(line.conversation_id)} />
          </li>
        ))}
      </ul>
      {inbox.total.value > inbox.lines.value.length && (
        <button type="button" class="link more" onClick={() => void inbox.showMore()}>
          {props.filtered
            ? `Only the newest ${inbox.lines.value.length} of ${inbox.total.value} were looked through: look further`
            : `Show more of ${inbox.total.value}`}
        </button>
      )}
    </div>
  );
}

/** `calls` are tool calls that wait for who reads this. */
function Line({ line, open, calls }: { line: ConversationLine; open: boolean; calls: number }) {
  const at = Date.parse(line.last_message_at ?? line.created_at);
  return (
    <a
      href={`/c/${encodeURIComponent(line.conversation_id)}`}
      class={`line${open ? " open" : ""}${line.unread_count || calls ? " unread" : ""}`}
      aria-current={open ? "page" : undefined}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
        event.preventDefault();
        go(line.conversation_id);
      }}
    >
      <span class="line-title" dir="auto">
        {line.title}
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

function Create({ inbox, close }: { inbox: Inbox; close: () => void }) {
  const [title, setTitle] = useState("");
  const [join, setJoin] = useState<"open" | "invite">("open");
  const [withAgents, setWithAgents] = useState(false);
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const names = agents.value;
  useEffect(() => void askWays(), []);
  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await inbox.create({ title: title.trim(), join, ...(withAgents && names.length > 0 && { enable_ai: true }) });
      close();
      focusComposer(document);
    } catch (error) {
      setFailure(said(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title="A new conversation" close={close}>
      <form onSubmit={(event) => void create(event)}>
        <label for="new-title">What is it about?</label>
        <input
          id="new-title"
          class="field"
          required
          maxLength={200}
          dir="auto"
          value={title}
          autoFocus
          onInput={(event) => setTitle(event.currentTarget.value)}
        />
        <fieldset class="choice">
          <legend>Who may come in?</legend>
          <label>
            <input type="radio" name="join" checked={join === "open"} onChange={() => setJoin("open")} />
            <span>
              Whoever has the address
              <small>Send it to those you want here.</small>
            </span>
          </label>
          <label>
            <input type="radio" name="join" checked={join === "invite"} onChange={() => setJoin("invite")} />
            <span>
              Only those who are brought in
              <small>The address alone opens nothing.</small>
            </span>
          </label>
        </fieldset>
        {names.length > 0 && (
          <div class="choice">
            <label>
              <input type="checkbox" checked={withAgents} onChange={(event) => setWithAgents(event.currentTarget.checked)} />
              <span>
                With AI
                <small>
                  <bdi>{listed(names)}</bdi> {names.length === 1 ? "is" : "are"} here from the start, and {names.length === 1 ? "reads" : "read"} what is asked.
                </small>
              </span>
            </label>
          </div>
        )}
        <Failure text={failure} />
        <div class="buttons">
          <button type="button" class="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={busy || !title.trim()}>
            Begin
          </button>
        </div>
      </form>
    </Dialog>
  );
}
