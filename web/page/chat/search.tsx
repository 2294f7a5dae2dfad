/** Over the page: a field for words, the conversations that are called so, and the messages that have them. */

import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Salon } from "../sdk/salon.ts";
import type { ConversationLine, SearchHit } from "../sdk/types.ts";
import { Dialog } from "../shared/dialog.tsx";
import { arriveAt, type Place } from "./arriving.ts";
import { focused } from "./focus.ts";
import { Icon } from "./icon.tsx";
import { Search } from "./search.ts";
import { brief, precise } from "./time.ts";

const CALLED = 4; // conversations that are named above what was said

const LAST_DAY = "9999-12-31"; // years have four digits

const APPLE = /Mac|iP(hone|ad|od)/.test(navigator.platform);

/** What is looked through. */
export interface Searched extends Place {
  readonly salon: Salon;
  readonly me: { id: string };
  readonly lines: ReadonlySignal<readonly ConversationLine[]>;
}

/** In the list: looks like a field, and opens one. `keys`: it has keys of its own. */
export function SearchButton({ open, keys }: { open: () => void; keys: boolean }) {
  return (
    <button type="button" class="search-open" aria-keyshortcuts={keys ? (APPLE ? "Meta+K" : "Control+K") : undefined} onClick={open}>
      <Icon name="search" />
      <span>Search messages</span>
      {keys && <kbd aria-hidden="true">{APPLE ? "⌘K" : "Ctrl K"}</kbd>}
    </button>
  );
}

/** Whether a key asks for it: Ctrl or Cmd with K anywhere, a slash where nobody writes. */
export function asksForSearch(event: KeyboardEvent): boolean {
  if (event.isComposing || event.altKey || document.querySelector("dialog[open]")) return false;
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey) return event.key.toLowerCase() === "k";
  const writes = (event.target as HTMLElement | null)?.closest?.("input, textarea, select, [contenteditable]");
  return event.key === "/" && !event.ctrlKey && !event.metaKey && !writes;
}

/** `here`: only in the conversation that is open. */
export function SearchDialog({ inbox, here, close }: { inbox: Searched; here: boolean; close: () => void }) {
  const [search] = useState(() => new Search(inbox.salon));
  const room = inbox.open.value;
  useEffect(() => {
    if (here && room) search.narrow({ conversation: room.id });
    return () => search.close();
  }, []);
  const place = useRef<HTMLDivElement>(null);
  const [more, setMore] = useState(false);
  const { conversation, files, from, since, until } = search.scope.value;
  const wanted = search.text.value.trim().toLocaleLowerCase();
  const called = wanted && conversation === undefined && !files && !from && !since && !until ? inbox.lines.value.filter((line) => line.title.toLocaleLowerCase().includes(wanted)).slice(0, CALLED) : [];
  const choose = (act: () => void): void => {
    close();
    act();
  };
  return (
    <Dialog title="Search" close={close} kind="search">
      <div ref={place} onKeyDown={(event) => walk(event, place.current!)}>
        <div class="search-field" role="search">
          <Icon name="search" />
          <input
            type="search"
            class="field"
            aria-label="Search messages"
            aria-describedby="search-hint"
            placeholder={conversation === undefined ? "Search all conversations" : `Search ${room?.title.value || "this conversation"}`}
            dir="auto"
            maxLength={200}
            autoFocus
            autocomplete="off"
            enterkeyhint="search"
            value={search.text.value}
            onInput={(event) => search.type(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.isComposing) return;
              if (event.key === "Enter") search.now();
              if (event.key !== "Escape") return;
              event.preventDefault(); // browsers would empty the field first
              close();
            }}
          />
          <button type="button" class="tool" aria-label="Close the search" onClick={close}>
            <Icon name="close" />
          </button>
        </div>
        <div class="search-scope" role="group" aria-label="Where and what">
          {room && inbox.go && (
            <button type="button" class="chip" aria-pressed={conversation !== undefined} onClick={() => narrow(search, conversation === undefined ? room.id : undefined)}>
              Only <bdi>{room.title.value || "this conversation"}</bdi>
            </button>
          )}
          <button type="button" class="chip" aria-pressed={files} onClick={() => search.narrow({ files: !files })}>
            With files
          </button>
          <button type="button" class="chip" aria-expanded={more} aria-controls="search-more" onClick={() => setMore(!more)}>
            Who and when
          </button>
        </div>
        {more && <WhoAndWhen search={search} inbox={inbox} />}
        <Told search={search} />
        <div class="search-found" aria-busy={search.busy.value}>
          {called.length > 0 && (
            <ul aria-label="Conversations" class="search-called">
              {called.map((line) => (
                <li key={line.conversation_id}>
                  <Called line={line} choose={() => choose(() => inbox.go?.(line.conversation_id))} />
                </li>
              ))}
            </ul>
          )}
          <ul aria-label="Messages">
            {search.hits.value.map((hit) => (
              <li key={hit.message_id}>
                <Hit hit={hit} me={inbox.me.id} choose={() => choose(() => void arriveAt(inbox, hit))} />
              </li>
            ))}
          </ul>
          {search.next.value !== null && (
            <button type="button" class="link more" disabled={search.busy.value} onClick={() => search.more()}>
              {search.hits.value.length ? "Show more" : "Look further back"}
            </button>
          )}
        </div>
      </div>
    </Dialog>
  );
}

function narrow(search: Search, conversation: string | undefined): void {
  const { conversation: _, ...rest } = search.scope.value;
  search.scope.value = rest;
  search.narrow(conversation === undefined ? {} : { conversation });
}

/** Of whom, and of which days. The people are those of the open conversation, and those who are among the hits. */
function WhoAndWhen({ search, inbox }: { search: Search; inbox: Searched }) {
  const { from = "", since = "", until = "" } = search.scope.value;
  const people = new Map(inbox.open.value?.members.value.map((who) => [who.participantId, who.displayName]));
  for (const hit of search.hits.value) people.set(hit.sender_id, hit.sender_name);
  people.delete(inbox.me.id);
  const known = useRef(new Map<string, string>()); // who is chosen stays one of them
  for (const [id, name] of people) known.current.set(id, name);
  return (
    <div id="search-more" class="search-more" role="group" aria-label="Who and when">
      <div>
        <label for="search-from">From</label>
        <select id="search-from" class="field" value={from} onChange={(event) => search.narrow({ from: event.currentTarget.value })}>
          <option value="">Anybody</option>
          <option value={inbox.me.id}>You</option>
          {[...known.current].map(([id, name]) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <div>
        <label for="search-since">Since</label>
        <input id="search-since" type="date" class="field" value={since} max={until || LAST_DAY} onInput={(event) => search.narrow({ since: event.currentTarget.value })} />
      </div>
      <div>
        <label for="search-until">Until</label>
        <input id="search-until" type="date" class="field" value={until} min={since || undefined} max={LAST_DAY} onInput={(event) => search.narrow({ until: event.currentTarget.value })} />
      </div>
    </div>
  );
}

/** What has become of the question: said to those who cannot see the list, too. */
function Told({ search }: { search: Search }) {
  const count = search.hits.value.length;
  const { value: answer } = search.answer;
  const found = count === 0 ? "No message has that." : `${count}${search.next.value ? " or more" : ""} ${count === 1 && !search.next.value ? "message" : "messages"}`;
  return (
    <p id="search-hint" class={search.failure.value ? "search-told failure" : "search-told"} role="status">
      {search.failure.value ||
        (search.busy.value && count === 0
          ? "Searching…"
          : !search.wanted.value
            ? "Words, beginnings of words, or “a phrase in quotation marks”."
            : answer && found)}
      {answer && !answer.complete && !search.failure.value && " Older messages are still being indexed: some may be missing."}
    </p>
  );
}

function Called({ line, choose }: { line: ConversationLine; choose: () => void }) {
  return (
    <button type="button" class="hit" onClick={choose}>
      <span class="hit-called">
        <Icon name="thread" />
        <bdi>{line.title}</bdi>
      </span>
    </button>
  );
}

function Hit({ hit, me, choose }: { hit: SearchHit; me: string; choose: () => void }) {
  const at = Date.parse(hit.timestamp);
  return (
    <button type="button" class="hit" onClick={choose}>
      <span class="hit-head">
        <b>
          <bdi>{hit.sender_id === me ? "You" : hit.sender_name}</bdi>
        </b>{" "}
        <span class="soft">
          {hit.thread_id === undefined ? "in " : "in a thread of "}
          <bdi>{hit.title}</bdi>
        </span>{" "}
        <time class="soft" dateTime={hit.timestamp} title={precise(at)}>
          {brief(at)}
        </time>
      </span>
      <span class="hit-text" dir="auto">
        {hit.snippet.map(({ text, match }, index) => (match ? <mark key={index}>{text}</mark> : text))}
        {hit.snippet.length === 0 && <i>Only files</i>}
      </span>
    </button>
  );
}

/** Arrows go from the field through what was found, and back. */
function walk(event: KeyboardEvent, place: HTMLElement): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.isComposing) return;
  const stops = [...place.querySelectorAll<HTMLElement>(".search-field input, .hit, .search-found .more")];
  const at = stops.indexOf(focused(place) as HTMLElement);
  const next = stops[at + step];
  if (next === undefined || at < 0) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}
