/** The open conversation: its head, its messages, where one writes; or why it cannot be shown. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { AroundPanel } from "./around.tsx";
import { Choices } from "./choices.tsx";
import { Composer, focusComposer } from "./composer.tsx";
import { Copy } from "./copy.tsx";
import { Doorway, frameOf, MAY_JOIN } from "./doorway.tsx";
import { Icon } from "./icon.tsx";
import { Log } from "./log.tsx";
import { Members } from "./members.tsx";
import { Pins } from "./pins.tsx";
import { may } from "./rank.ts";
import type { Room } from "./room.ts";
import { Status } from "./status.tsx";
import { ThreadPanel } from "./threading.tsx";
import { Title } from "./title.tsx";
import { useDropping } from "./uploads.tsx";
import { said } from "./words.ts";

interface Shown {
  room: Room;
  /** Opens the search; absent where there is none. */
  search?: () => void;
  /** What stands above the log. */
  above?: ComponentChildren;
}

export function ConversationView({ room, search, above }: Shown) {
  const { go, arrival } = room.home;
  const Frame = frameOf(room);
  const [side, setSide] = useState<"people" | "pins" | null>(null);
  const peopleButton = useRef<HTMLButtonElement>(null);
  const pinsButton = useRef<HTMLButtonElement>(null);
  const people = side === "people";
  const thread = room.thread.value;
  const state = room.state.value;
  useEffect(() => {
    if (state.status === "live" && arrival.value === room.id) arrival.value = null; // they were in already
  }, [state.status]);
  const around = room.around.value;
  useEffect(() => {
    // One beside the log at a time.
    if (thread || around) setSide(null);
    if (thread) room.around.value = null;
  }, [thread, around]);
  const { shade, dropping } = useDropping(mayWrite(room) ? room.uploads : null, "Drop files here to send them");
  const outside = state.status === "ended" && room.events.value.length === 0;
  if (outside) return <Doorway room={room} />;
  const close = (): void => {
    (side === "pins" ? pinsButton : peopleButton).current?.focus();
    setSide(null);
  };
  const show = (which: "people" | "pins"): void => {
    room.thread.value = room.around.value = null;
    setSide(which);
  };
  const asking = room.keeping.requests.value.length;
  const held = room.keeping.held.value.length;
  const pinned = room.pinned.value.length;
  const title = room.title.value || room.home.line(room.id)?.title || "";
  // Without a connection nobody can say who is here.
  const connected = state.status === "live" || state.status === "catching-up";
  const here = connected ? room.members.value.filter((who) => who.isOnline || who.participantId === room.me).length : 0;
  return (
    <>
      <Frame class="room" aria-label={title || "Conversation"} {...dropping}>
        <header class="room-head">
          {go && (
            <button type="button" class="tool back" aria-label="Back to the list" onClick={() => go(null)}>
              <Icon name="back" />
            </button>
          )}
          <div class="room-name">
            <Title room={room} title={title} />
            <Status state={state} retry={() => room.reconnect()} />
          </div>
          {search && (
            <button type="button" class="tool" aria-label="Search this conversation" title="Search this conversation" onClick={search}>
              <Icon name="search" />
            </button>
          )}
          {(pinned > 0 || side === "pins") && (
            <button
              ref={pinsButton}
              type="button"
              class="tool wide"
              aria-expanded={side === "pins"}
              aria-label={`Pinned messages, ${pinned}`}
              title="Pinned messages"
              onClick={() => (side === "pins" ? close() : show("pins"))}
            >
              <Icon name="pin" />
              <span>{pinned}</span>
            </button>
          )}
          <button
            ref={peopleButton}
            type="button"
            class="tool wide"
            aria-expanded={people}
            aria-label={[here ? `People, ${here} here` : "People", asking && `${asking} asking to come in`, held && `${held} to decide about`].filter(Boolean).join(", ")}
            title="People"
            onClick={() => (people ? close() : show("people"))}
          >
            <Icon name="people" />
            {here > 0 && <span>{here}</span>}
            {asking + held > 0 && <i class="asking-dot" aria-hidden="true" />}
          </button>
          <Choices room={room} />
        </header>
        {above}
        {room.events.value.length || room.outbox.value.length ? (
          <Log key={room.id} room={room} />
        ) : (
          <Skeleton offline={state.status === "offline"} />
        )}
        {room.events.value.length > 0 && !room.rows.value.some((row) => row.kind === "said") && <Beginning room={room} />}
        <Foot room={room} />
        {shade}
      </Frame>
      {people && <Members room={room} close={close} />}
      {side === "pins" && <Pins room={room} close={close} />}
      {thread && <ThreadPanel key={thread.id} room={room} thread={thread} close={() => closeThread(room, thread.id)} />}
      {around && <AroundPanel key={around.sequence} room={room} around={around} close={() => closeAround(room)} />}
    </>
  );
}

function closeAround(room: Room): void {
  room.around.value = null;
  focusComposer(room.home.root);
}

/** The focus goes back to the message, or to where one writes. */
function closeThread(room: Room, id: string): void {
  const { root } = room.home;
  room.thread.value = null;
  const sequence = room.past.sequenceOf(id);
  const row = room.rows.value.find((each) => each.kind === "said" && each.sequence === sequence);
  const article = row && root.querySelector<HTMLElement>(`.log [data-key="${CSS.escape(row.key)}"] .message`);
  if (article) article.focus({ preventScroll: true });
  else focusComposer(root);
}

/** Whether their role may write here; as long as it is not known, nothing says that it may not. */
function isHeard(room: Room): boolean {
  return room.role.value === undefined || may("post", room.standing.value);
}

function mayWrite(room: Room): boolean {
  return room.state.value.status !== "ended" && isHeard(room) && room.deeds.editing.value === null;
}

/** Where one writes, or why one cannot. */
function Foot({ room }: { room: Room }) {
  if (room.home.arrival.value === room.id) return null; // not in yet: what is written now would be refused
  if (room.state.value.status === "ended") return <Ended room={room} />;
  if (!isHeard(room)) return <p class="ended">You are here to listen: your role may not write here.</p>;
  return <Composer key={room.id} room={room} />;
}

/** Shapes of messages, while the first ones are on their way; the truth, where they are not. */
function Skeleton({ offline }: { offline: boolean }) {
  if (offline) {
    return (
      <p class="skeleton absent" role="status">
        This browser has kept nothing of this conversation. It comes when the server can be reached again.
      </p>
    );
  }
  return (
    <div class="skeleton" role="status" aria-label="Fetching messages">
      {["a", "b", "c", "d", "e"].map((each) => (
        <span key={each} class={`bone ${each}`} />
      ))}
    </div>
  );
}

function Beginning({ room }: { room: Room }) {
  const open = room.facts.value?.join !== "invite";
  return (
    <section class="beginning">
      <h2>Nothing has been said yet</h2>
      {open ? (
        <>
          <p>Send this address to whom you want here, or just begin.</p>
          <Copy text={room.home.address(room.id)} label="Copy address" name="The conversation’s address" toast={room.home.toast} />
        </>
      ) : (
        <p>Only those who are brought in can see this. Open the list of people to add somebody.</p>
      )}
    </section>
  );
}

/** What was kept can still be read, though nothing more comes. */
function Ended({ room }: { room: Room }) {
  const reason = room.state.value.reason;
  const out = MAY_JOIN.has(reason?.code ?? "");
  const back = (): void => {
    if (!out) return room.reconnect();
    room.home.join(room.id).catch((error: unknown) => room.home.toast(said(error)));
  };
  return (
    <div class="ended" role="status">
      <p>{reason?.error ?? "You are no longer in this conversation."}</p>
      <button type="button" class="button" onClick={back}>
        {out ? "Join again" : "Connect again"}
      </button>
    </div>
  );
}
