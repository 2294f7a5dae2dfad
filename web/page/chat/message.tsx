/** One message: who, what, when, and for one's own what has become of it. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { markdown } from "../shared/markdown.ts";
import { Actions } from "./actions.tsx";
import { endOf } from "./answers.ts";
import { Approval } from "./approval.tsx";
import { Avatar, hue } from "./avatar.tsx";
import { Files } from "./files.tsx";
import { useFocusStays } from "./focus.ts";
import { Icon } from "./icon.tsx";
import { Edited, Gone, RefusedEdit, ThreadLink } from "./outcome.tsx";
import { Quote } from "./quote.tsx";
import { Reactions } from "./reactions.tsx";
import { Results } from "./results.tsx";
import type { Room } from "./room.ts";
import { hour, precise } from "./time.ts";
import type { Said } from "./timeline.ts";
import { allower, used, type ToolUse } from "./usage.ts";
import { said } from "./words.ts";

/** Letters and plain punctuation alone: no need to look for Markdown in it. */
const PLAIN = /^(?!www\.)[\p{L}\p{M}"'(][\p{L}\p{M}\p{N} ,;?!'"()…–—%€$،؟。、！？]*\.?$/u;

export function MessageRow({ row, room, inThread = false }: { row: Said; room: Room; inThread?: boolean }) {
  const state = row.outgoing?.state;
  const end = endOf(row.status);
  const { tokens, cost, model } = used(row.usage);
  const sought = inThread ? room.thread.value?.found.value : room.found.value;
  const found = row.sequence !== undefined && sought?.sequence === row.sequence;
  const editing = room.deeds.editing.value?.id === (row.id ?? row.key);
  const kind = ["message", row.own && "own", row.first && "first", row.last && "last", found && "found", row.mentioned && "mentioned", row.making && "making", row.gone && "gone", editing && "editing", state];
  if (row.gone) {
    return (
      <article class={kind.filter(Boolean).join(" ")} aria-label={label(row)} tabIndex={-1}>
        {!row.own && row.first && <Avatar id={row.sender} name={row.name} />}
        <div class="bubble">
          {!row.own && row.first && <Sender row={row} />}
          <Gone row={row} room={room} />
          {!inThread && <ThreadLink row={row} room={room} />}
        </div>
      </article>
    );
  }
  return (
    <article class={kind.filter(Boolean).join(" ")} aria-label={label(row)} tabIndex={-1}>
      {!row.own && row.first && <Avatar id={row.sender} name={row.name} />}
      <div class="bubble">
        {!row.own && row.first && <Sender row={row} />}
        {row.reply_to && <Quote id={row.reply_to} room={room} />}
        <div class={row.run === undefined && !row.files ? "body" : "body stacked"}>
          {(row.content.trim() !== "" || !row.files) && <Prose text={row.content} rich={row.run !== undefined} />}
          {row.files && <Files files={row.files} conversation={room.id} home={room.home} />}
          {row.making?.asking && <Approval key={row.making.asking.id} asking={row.making.asking} run={row.run!} name={row.name} mine={row.making.mine} room={room} />}
          {row.making && <Doing row={row} room={room} />}
          {row.results && <Results results={row.results} name={row.name} />}
          {row.tools && <Tools tools={row.tools} room={room} />}
          {!row.making && (row.last || row.outgoing || row.run !== undefined || row.edited !== undefined || row.edit || row.pinned) && (
            <p class="meta">
              {end && <span class="end">{end}</span>}
              {row.pinned && (
                <span class="pin-mark">
                  <Icon name="pin" /> pinned
                </span>
              )}
              <Edited row={row} />
              {tokens && <span class="used">{tokens}</span>}
              {cost && <span class="cost">{cost}</span>}
              {model && (
                <bdi class="model" title="The model">
                  {model}
                </bdi>
              )}
              <time dateTime={new Date(row.at).toISOString()} title={precise(row.at)}>
                {hour(row.at)}
              </time>
              {row.own && <Receipt row={row} />}
            </p>
          )}
        </div>
        {state === "refused" && <Refusal row={row} room={room} />}
        <RefusedEdit row={row} room={room} />
        {row.reactions && <Reactions row={row} room={room} />}
        {!inThread && <ThreadLink row={row} room={room} />}
        {!row.making && <Actions row={row} room={room} inThread={inThread} />}
      </div>
      {row.again && <Again run={row.run!} name={row.name} room={room} />}
    </article>
  );
}

function Sender({ row }: { row: Said }) {
  return (
    <p class="sender">
      <bdi class={`sender-name ink-${hue(row.sender)}`}>{row.name}</bdi>
      {row.agent && <span class="badge">agent</span>}
    </p>
  );
}

/** `rich` stays what it is while the text grows, so that its paragraphs do. */
function Prose({ text, rich }: { text: string; rich: boolean }) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = place.current!;
    if (!rich && PLAIN.test(text)) element.textContent = text;
    else grow(element, text.trim() ? markdown(text) : document.createDocumentFragment());
  }, [text]);
  return <div ref={place} class="prose" dir="auto" />;
}

/** What is there already stays, with what a reader has selected in it. */
function grow(element: HTMLElement, fragment: DocumentFragment): void {
  const made = [...fragment.childNodes];
  let same = 0;
  while (same < made.length && element.childNodes[same]?.isEqualNode(made[same]!)) same++;
  while (element.childNodes.length > same) element.lastChild!.remove();
  element.append(...made.slice(same));
}

/** What an agent does that has not ended its answer, and the way to end it. */
function Doing({ row, room }: { row: Said; room: Room }) {
  const { doing, mine } = row.making!;
  return (
    <p class="meta">
      {doing !== undefined && (
        <>
          <span class="typing-dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          <span class="doing-words" dir="auto">
            {doing}
          </span>
        </>
      )}
      {mine && <Stop run={row.run!} name={row.name} room={room} />}
    </p>
  );
}

/** Which tools it has used, and who has allowed them. */
function Tools({ tools, room }: { tools: readonly ToolUse[]; room: Room }) {
  return (
    <p class="tools">
      Used{" "}
      {tools.map(({ tool, by }, at) => (
        <span key={at}>
          {at > 0 && ", "}
          <code dir="ltr">{tool}</code>
          {by !== undefined && (
            <>
              {" (allowed by "}
              <bdi>{allower(by, room.me, room.names.value)}</bdi>)
            </>
          )}
        </span>
      ))}
    </p>
  );
}

function Stop({ run, name, room }: { run: string; name: string; room: Room }) {
  const button = useRef<HTMLButtonElement>(null);
  const [asked, setAsked] = useState(false);
  useFocusStays(button);
  const stop = (): void => {
    if (asked) return;
    setAsked(true);
    room.answers.cancel(run).catch((error: unknown) => {
      setAsked(false);
      room.home.toast(said(error));
    });
  };
  return (
    <button ref={button} type="button" class="link" aria-label={`Stop ${name}`} aria-disabled={asked} onClick={stop}>
      Stop
    </button>
  );
}

/** Asks the agent for another answer to the same message. */
function Again({ run, name, room }: { run: string; name: string; room: Room }) {
  const ask = (): void => {
    room.answers.regenerate(run).then(
      () => room.home.toast(`${name} is asked again`),
      (error: unknown) => room.home.toast(said(error)),
    );
  };
  return (
    <button type="button" class="tool" aria-label={`Ask ${name} again`} title="Ask again" onClick={ask}>
      <Icon name="again" />
    </button>
  );
}

function Receipt({ row }: { row: Said }) {
  const state = row.outgoing?.state ?? "sent";
  const words = { waiting: "Waiting", sending: "Sending…", sent: "Sent", held: "Waiting for a moderator", refused: "Not sent" }[state];
  const icon = ({ waiting: "clock", sending: "clock", sent: "check", held: "clock", refused: "warn" } as const)[state];
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
      {row.outgoing?.held_id === undefined && (
        <button type="button" class="link" onClick={() => room.retry(row.key)}>
          Send again
        </button>
      )}
      <button type="button" class="link" onClick={() => room.discard(row.key)}>
        Discard
      </button>
    </div>
  );
}

function label(row: Said): string {
  if (row.making) return `${row.name}, is answering`;
  const end = endOf(row.status);
  const more = [row.gone && "deleted", row.mentioned && "mentions you", row.edited !== undefined && "edited", row.pinned && "pinned", end.toLowerCase()];
  return [row.own ? "You" : row.name, hour(row.at), ...more].filter(Boolean).join(", ");
}
