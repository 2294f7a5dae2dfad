/** Who is in a conversation, who of them is here now, and bringing in others. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Participant } from "../sdk/types.ts";
import { Failure } from "../shared/failure.tsx";
import { Avatar } from "./avatar.tsx";
import { Copy } from "./copy.tsx";
import { Icon } from "./icon.tsx";
import type { Room } from "./room.ts";
import { address } from "./route.ts";
import { salon } from "./session.ts";
import { toast } from "./toast.ts";
import { said } from "./words.ts";

export function Members({ room, close }: { room: Room; close: () => void }) {
  const first = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => first.current?.focus(), []);
  const members = inOrder(room.members.value, room.me);
  const online = members.filter((who) => who.isOnline).length;
  const total = Math.max(room.count.value, members.length);
  return (
    <aside class="members" aria-label="People" onKeyDown={(event) => event.key === "Escape" && close()}>
      <header class="members-head">
        <h2>People</h2>
        <button ref={first} type="button" class="tool" aria-label="Close the list of people" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <p class="members-count">
        {room.state.value.status === "live"
          ? `${online} of ${total} here now`
          : `${online} of ${total} were here when this page was last connected`}
      </p>
      <ul class={room.state.value.status === "live" ? "members-list" : "members-list stale"}>
        {members.map((who) => (
          <li key={who.participantId} class={who.isOnline ? "member on" : "member"}>
            <Avatar id={who.participantId} name={who.displayName} online={who.isOnline} />
            <span class="member-name">
              <bdi>{who.displayName}</bdi>
              {who.participantId === room.me && <span class="soft"> you</span>}
            </span>
            <span class="member-facts">
              {who.type === "agent" && <span class="badge">agent</span>}
              {who.role !== "member" && <span class="badge quiet">{who.role}</span>}
              <span class={who.isOnline ? "visually-hidden" : "soft"}>{who.isOnline ? "online" : "offline"}</span>
            </span>
          </li>
        ))}
      </ul>
      {total > members.length && <p class="soft">and {total - members.length} more</p>}
      <Invite room={room} />
    </aside>
  );
}

export function Invite({ room }: { room: Room }) {
  const facts = room.facts.value;
  const open = facts === null || facts.join === "open";
  const role = room.role.value;
  const mayBring = facts !== null && (role === "owner" || (role === "member" && facts.members_invite));
  return (
    <section class="invite">
      <h3>Bring somebody in</h3>
      {open ? (
        <>
          <p class="soft">Whoever opens this address may join.</p>
          <Copy text={address(room.id)} label="Copy" name="The conversation’s address" />
        </>
      ) : (
        <p class="soft">Only by invitation: an owner{facts.members_invite ? " or a member" : ""} brings people in by their id.</p>
      )}
      {mayBring && !open && <Bring room={room} />}
    </section>
  );
}

function Bring({ room }: { room: Room }) {
  const [id, setId] = useState("");
  const [failure, setFailure] = useState("");
  const bring = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      await salon.join(room.id, { user_id: id.trim() });
      setId("");
      setFailure("");
      toast("They are in.");
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
