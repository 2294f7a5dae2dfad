/** What moderation holds in a conversation, for those who may decide about it. */

import { useState } from "preact/hooks";
import type { HeldMessage } from "../sdk/types.ts";
import { Asked, Reason } from "./asked.tsx";
import type { Room } from "./room.ts";
import { brief } from "./time.ts";
import { said } from "./words.ts";

export function Held({ room }: { room: Room }) {
  const held = room.keeping.held.value;
  if (held.length === 0) return null;
  return (
    <section class="asking" aria-label="Messages to decide about">
      <h3>Messages to decide about</h3>
      <ul>
        {held.map((each) => (
          <Waiting key={each.held_id} held={each} room={room} />
        ))}
      </ul>
    </section>
  );
}

function Waiting({ held, room }: { held: HeldMessage; room: Room }) {
  const [denying, setDenying] = useState(false);
  const [reason, setReason] = useState("");
  const { salon, toast } = room.home;
  const { name } = held.sender;
  const look = (): void => void room.keeping.look();
  const post = (): void =>
    void salon.approveHeld(room.id, held.held_id).then(({ outcome, why }) => {
      if (outcome === "refused") toast(why ?? "It could not be posted any more.");
      look();
    }, (error: unknown) => {
      toast(said(error));
      look(); // somebody else may have decided
    });
  const deny = async (): Promise<void> => {
    await salon.denyHeld(room.id, held.held_id, reason.trim() || undefined);
    look();
  };
  return (
    <li>
      <p>
        <bdi>{name}</bdi> <time class="soft">{brief(Date.parse(held.held_at))}</time>
        {held.kind === "edit" && <span class="soft"> would edit a message</span>}
      </p>
      <p class="held-text" dir="auto">
        {held.content}
      </p>
      {held.reason && (
        <p class="soft" dir="auto">
          {held.reason}
        </p>
      )}
      <div class="asking-buttons">
        <button type="button" class="button primary" aria-label={`Post what ${name} wrote`} onClick={post}>
          Post
        </button>
        <button type="button" class="button" aria-label={`Deny what ${name} wrote`} onClick={() => setDenying(true)}>
          Deny
        </button>
      </div>
      {denying && (
        <Asked title={`Deny what ${name} wrote?`} action="Deny" danger run={deny} close={() => setDenying(false)}>
          <p>Nobody will see it.</p>
          <Reason value={reason} set={setReason} label="Why? The sender reads it" />
        </Asked>
      )}
    </li>
  );
}
