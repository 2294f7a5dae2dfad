/** Invites: making a link and taking it along, and those that are still open. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Invite, NewInvite, Role } from "../sdk/types.ts";
import { Dialog } from "../shared/dialog.tsx";
import { Failure } from "../shared/failure.tsx";
import { Length } from "./asked.tsx";
import { Copy } from "./copy.tsx";
import { Icon } from "./icon.tsx";
import { rolesUpTo } from "./rank.ts";
import type { Room } from "./room.ts";
import { precise } from "./time.ts";
import { said } from "./words.ts";

const HOUR = 3600;
const LENGTHS = [[HOUR, "An hour"], [24 * HOUR, "A day"], [7 * 24 * HOUR, "A week"], [null, "Without an end"]] as const;
const USES = [[1, "One person"], [10, "Ten people"], [null, "Any number"]] as const;

export function Invites({ room, close }: { room: Room; close: () => void }) {
  const [made, setMade] = useState<NewInvite | null>(null);
  const [open, setOpen] = useState<readonly Invite[]>([]);
  const [failure, setFailure] = useState("");
  const look = async (): Promise<void> => {
    try {
      setOpen(await room.home.salon.invites(room.id));
    } catch (error) {
      setFailure(said(error));
    }
  };
  useEffect(() => void look(), []);
  const end = async (id: string): Promise<void> => {
    try {
      await room.home.salon.revokeInvite(room.id, id);
      if (made?.invite_id === id) setMade(null);
      setFailure("");
    } catch (error) {
      setFailure(said(error));
    }
    await look();
  };
  const place = useRef<HTMLElement>(null);
  // The button that made it is gone: the link is selected, to be copied.
  useLayoutEffect(() => place.current?.querySelector("input")?.focus(), [made]);
  const rest = open.filter((each) => each.invite_id !== made?.invite_id);
  return (
    <Dialog title="Invite links" close={close}>
      {made ? (
        <section ref={place} class="invite-made" aria-label="The new link">
          <p role="status">This link is shown only now: take it along.</p>
          <Copy text={room.home.inviteAddress(made.code)} label="Copy" name="Invite link" toast={room.home.toast} />
          <p class="soft">{terms(made)}</p>
          <button type="button" class="link" onClick={() => void end(made.invite_id)}>
            End it
          </button>
        </section>
      ) : (
        <Make
          room={room}
          made={(invite) => {
            setMade(invite);
            setFailure("");
          }}
        />
      )}
      <Failure text={failure} />
      {rest.length > 0 && (
        <section>
          <h3>Still open</h3>
          <ul class="invites">
            {rest.map((each) => (
              <li key={each.invite_id}>
                <span>
                  {room.names.value.get(each.by) ?? "Somebody"}’s, {terms(each)}
                </span>
                <button type="button" class="tool" aria-label={`End the invite of ${room.names.value.get(each.by) ?? "somebody"}, ${terms(each)}`} title="End it" onClick={() => void end(each.invite_id)}>
                  <Icon name="close" />
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      <div class="buttons">
        <button type="button" class="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function Make({ room, made }: { room: Room; made: (invite: NewInvite) => void }) {
  const [seconds, setSeconds] = useState<number | null>(7 * 24 * HOUR);
  const [uses, setUses] = useState<number | null>(null);
  const [role, setRole] = useState<Exclude<Role, "owner">>("member");
  const [failure, setFailure] = useState("");
  const make = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      made(await room.home.salon.createInvite(room.id, { expires_in: seconds, role, ...(uses !== null && { max_uses: uses }) }));
    } catch (error) {
      setFailure(said(error));
    }
  };
  const roles = rolesUpTo(room.role.value).filter((each) => each !== "owner");
  return (
    <form onSubmit={(event) => void make(event)}>
      <Length label="Good for" value={seconds} set={setSeconds} choices={LENGTHS} />
      <label for="uses">For</label>
      <select id="uses" class="field" value={String(uses)} onChange={(event) => setUses(event.currentTarget.value === "null" ? null : Number(event.currentTarget.value))}>
        {USES.map(([count, words]) => (
          <option key={words} value={String(count)}>
            {words}
          </option>
        ))}
      </select>
      <label for="as">Who comes in by it is</label>
      <select id="as" class="field" value={role} onChange={(event) => setRole(event.currentTarget.value as typeof role)}>
        {roles.map((each) => (
          <option key={each} value={each}>
            {each === "observer" ? "an observer" : `a ${each}`}
          </option>
        ))}
      </select>
      <Failure text={failure} />
      <div class="buttons">
        <button type="submit" class="button primary">
          Make a link
        </button>
      </div>
    </form>
  );
}

function terms({ role, expires_at, max_uses, uses }: Invite): string {
  const left = max_uses === null ? `used ${uses} times` : `${uses} of ${max_uses} used`;
  return `as ${role}, ${left}, ${expires_at === null ? "without an end" : `until ${precise(Date.parse(expires_at))}`}`;
}
