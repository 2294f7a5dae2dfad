/** Who is in a conversation, who of them is here now, who wants to come in, and bringing in others. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Participant } from "../sdk/types.ts";
import { Failure } from "../shared/failure.tsx";
import { Menu } from "./actions.tsx";
import { Avatar } from "./avatar.tsx";
import { Copy } from "./copy.tsx";
import { onEscape } from "./escape.ts";
import { Held } from "./held.tsx";
import { Icon } from "./icon.tsx";
import { Invites } from "./invites.tsx";
import { may } from "./rank.ts";
import type { Room } from "./room.ts";
import { Rules } from "./rules.tsx";
import { type Deed, DeedDialog, itemsFor } from "./sanctions.tsx";
import { Asking, Barred } from "./waiting.tsx";
import { said } from "./words.ts";

export function Members({ room, close }: { room: Room; close: () => void }) {
  const first = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => first.current?.focus(), []);
  useLayoutEffect(() => void room.keeping.list(), [room, room.role.value]);
  const [more, setMore] = useState<readonly Participant[]>([]);
  const named = new Set(room.members.value.map((who) => who.participantId));
  const members = [...inOrder(room.members.value, room.me), ...more.filter((who) => !named.has(who.participantId))];
  const online = members.filter((who) => who.isOnline).length;
  const total = Math.max(room.count.value, members.length);
  return (
    <aside class="members" aria-label="People" onKeyDown={onEscape(close)}>
      <header class="members-head">
        <h2>People</h2>
        <button ref={first} type="button" class="tool" aria-label="Close the list of people" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <Asking room={room} />
      <Held room={room} />
      <p class="members-count">
        {room.state.value.status === "live"
          ? `${online} of ${total} here now`
          : `${online} of ${total} were here when this page was last connected`}
      </p>
      <ul class={room.state.value.status === "live" ? "members-list" : "members-list stale"} aria-label="Members">
        {members.map((who) => (
          <Member key={who.participantId} who={who} room={room} />
        ))}
      </ul>
      {total > members.length && <More room={room} left={total - members.length} known={new Set(members.map((who) => who.participantId))} add={(found) => setMore([...more, ...found])} />}
      <Invite room={room} />
      <Rules room={room} />
      <Barred room={room} />
    </aside>
  );
}

/** The socket names a hundred; the rest comes page by page. */
function More({ room, left, known, add }: { room: Room; left: number; known: ReadonlySet<string>; add: (found: readonly Participant[]) => void }) {
  const [busy, setBusy] = useState(false);
  const [after, setAfter] = useState<string | null>(null);
  const fetch = async (): Promise<void> => {
    setBusy(true);
    try {
      let place = after;
      let found: readonly Participant[] = [];
      do {
        const page = await room.home.salon.members(room.id, place === null ? {} : { after: place });
        place = page.after;
        found = page.participants.filter((who) => !known.has(who.participantId));
      } while (found.length === 0 && place !== null);
      setAfter(place);
      add(found);
    } catch (error) {
      room.home.toast(said(error));
    }
    setBusy(false);
  };
  return (
    <p class="soft">
      and {left} more{" "}
      {may("read_members", room.standing.value) && (
        <button type="button" class="link" disabled={busy} onClick={() => void fetch()}>
          Show more people
        </button>
      )}
    </p>
  );
}

function Member({ who, room }: { who: Participant; room: Room }) {
  const [open, setOpen] = useState<"menu" | Deed | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const items = itemsFor(who, room, setOpen);
  const close = (): void => setOpen(null);
  return (
    <li class={who.isOnline ? "member on" : "member"}>
      <Avatar id={who.participantId} name={who.displayName} online={who.isOnline} />
      <span class="member-name">
        <bdi>{who.displayName}</bdi>
        {who.participantId === room.me && <span class="soft"> you</span>}
      </span>
      <span class="member-facts">
        {who.type === "agent" && <span class="badge">agent</span>}
        {who.role !== "member" && <span class="badge quiet">{who.role}</span>}
        {room.keeping.muted.value.has(who.participantId) && <span class="badge quiet">muted</span>}
        <span class={who.isOnline ? "visually-hidden" : "soft"}>{who.isOnline ? "online" : "offline"}</span>
      </span>
      {items.length > 0 && room.state.value.status !== "ended" && (
        <button ref={button} type="button" class="tool" aria-label={`What to do with ${who.displayName}`} title="More" aria-haspopup="menu" aria-expanded={open === "menu"} onClick={() => setOpen("menu")}>
          <Icon name="more" />
        </button>
      )}
      {open === "menu" && <Menu from={button.current!} items={items} label={`What to do with ${who.displayName}`} close={close} />}
      {open !== null && open !== "menu" && <DeedDialog deed={open} who={who} room={room} close={close} />}
    </li>
  );
}

function Invite({ room }: { room: Room }) {
  const [links, setLinks] = useState(false);
  const facts = room.facts.value;
  const open = facts === null || facts.join === "open";
  if (facts?.direct) return null;
  const mayBring = facts !== null && may("invite", room.standing.value);
  return (
    <section class="invite">
      <h3>Bring somebody in</h3>
      {open ? (
        <>
          <p class="soft">Whoever opens this address may join.</p>
          <Copy text={room.home.address(room.id)} label="Copy" name="The conversation’s address" toast={room.home.toast} />
        </>
      ) : (
        <p class="soft">Only by invitation{mayBring ? ": by a link, by their id, or if they ask." : ": those who may invite bring people in."}</p>
      )}
      {mayBring && (
        <button type="button" class="button" onClick={() => setLinks(true)}>
          <Icon name="link" /> Invite links
        </button>
      )}
      {mayBring && !open && <Bring room={room} />}
      {links && <Invites room={room} close={() => setLinks(false)} />}
    </section>
  );
}

function Bring({ room }: { room: Room }) {
  const [id, setId] = useState("");
  const [failure, setFailure] = useState("");
  const bring = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      await room.home.salon.join(room.id, { user_id: id.trim() });
      setId("");
      setFailure("");
      room.home.toast("They are in.");
    } catch (error) {
      setFailure(said(error));
    }
  };
  return (
    <form class="bring" onSubmit={(event) => void bring(event)}>
      <label for="bring-id">Their id</label>
      <div class="copy">
        <input id="bring-id" class="field" value={id} required onInput={(event) => setId(event.currentTarget.value)} />
        <button type="submit" class="button">
          Add
        </button>
      </div>
      <Failure text={failure} />
    </form>
  );
}

/** Those online first, then by name; oneself where one belongs. */
function inOrder(members: readonly Participant[], me: string): Participant[] {
  const here = (who: Participant): Participant => (who.participantId === me ? { ...who, isOnline: true } : who);
  return members
    .map(here)
    .sort((a, b) => Number(b.isOnline) - Number(a.isOnline) || a.displayName.localeCompare(b.displayName));
}
