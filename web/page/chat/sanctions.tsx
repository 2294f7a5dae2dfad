/** What can be done to a member: another role, silence, the door. Only what the reader's own role and rank allow is shown. */

import { useState } from "preact/hooks";
import type { Participant, Role } from "../sdk/types.ts";
import { Asked, Length, Reason } from "./asked.tsx";
import type { Home } from "./home.ts";
import { type Drawing } from "./icon.tsx";
import { may, outranks, rolesUpTo, type Standing } from "./rank.ts";
import type { Room } from "./room.ts";
import { said } from "./words.ts";

export type Deed = "role" | "mute" | "remove" | "ban";

interface Item {
  name: string;
  icon: Drawing;
  danger?: boolean;
  run: () => void;
}

const HOUR = 3600;
const LENGTHS = [[HOUR, "An hour"], [24 * HOUR, "A day"], [7 * 24 * HOUR, "A week"], [null, "Until somebody ends it"]] as const;

/** What the menu of a member has; empty where there is nothing. `ask` opens the dialog of a deed. */
export function itemsFor(who: Participant, room: Room, ask: (deed: Deed) => void): Item[] {
  const standing = room.standing.value;
  const self = who.participantId === room.me;
  const { go } = room.home;
  const direct = room.facts.value?.direct ?? false;
  const able = (action: "mute" | "remove" | "ban"): boolean => !self && !direct && may(action, standing) && outranks(standing.role, who.role);
  const muted = room.keeping.muted.value.has(who.participantId);
  const roles = !direct && choicesFor(who, standing, self).length > 1;
  const unmute = (): void => void room.home.salon.unmute(room.id, who.participantId).then(() => room.keeping.look(), (error: unknown) => room.home.toast(said(error)));
  return [
    ...(go && !self && !direct && who.type === "human" ? [{ name: "Talk to them alone", icon: "thread" as const, run: () => void talk(who, room.home) }] : []),
    ...(roles ? [{ name: "Change role", icon: "key" as const, run: () => ask("role") }] : []),
    ...(able("mute") ? [muted ? { name: "Let them speak again", icon: "bell" as const, run: unmute } : { name: "Mute", icon: "bellOff" as const, run: () => ask("mute") }] : []),
    ...(able("remove") ? [{ name: "Remove", icon: "door" as const, danger: true, run: () => ask("remove") }] : []),
    ...(able("ban") ? [{ name: "Ban", icon: "close" as const, danger: true, run: () => ask("ban") }] : []),
  ];
}

/** The roles that the reader may give somebody, with the one that they have. */
function choicesFor(who: Participant, standing: Standing, self: boolean): Role[] {
  if (self) return rolesUpTo(who.role);
  return may("change_roles", standing) && outranks(standing.role, who.role) ? rolesUpTo(standing.role) : [];
}

async function talk(who: Participant, home: Home): Promise<void> {
  try {
    const { conversation_id } = await home.salon.direct(who.participantId, who.displayName);
    home.go?.(conversation_id);
    await home.refresh();
  } catch (error) {
    home.toast(said(error));
  }
}

export function DeedDialog({ deed, who, room, close }: { deed: Deed; who: Participant; room: Room; close: () => void }) {
  if (deed === "role") return <RoleDialog who={who} room={room} close={close} />;
  return <SanctionDialog deed={deed} who={who} room={room} close={close} />;
}

const WORDS: Record<Role, string> = {
  owner: "Sets the rules, gives roles",
  moderator: "Mutes, removes and bans, deletes what others have said, pins",
  member: "Writes",
  observer: "Only reads",
};

function RoleDialog({ who, room, close }: { who: Participant; room: Room; close: () => void }) {
  const self = who.participantId === room.me;
  const [role, setRole] = useState<Role>(who.role);
  const [reason, setReason] = useState("");
  const run = async (): Promise<void> => {
    if (role !== who.role) await room.home.salon.setRole(room.id, who.participantId, role, reason.trim() || undefined);
  };
  return (
    <Asked title={self ? "Your role" : `The role of ${who.displayName}`} action="Change role" run={run} close={close}>
      {self && <p>You may only go down, and cannot go up again by yourself.</p>}
      <fieldset class="choice">
        <legend>Role</legend>
        {choicesFor(who, room.standing.value, self).map((each) => (
          <label key={each}>
            <input type="radio" name="role" checked={role === each} autoFocus={each === who.role} onChange={() => setRole(each)} />
            <span>
              {each}
              <small>{WORDS[each]}</small>
            </span>
          </label>
        ))}
      </fieldset>
      <Reason value={reason} set={setReason} />
    </Asked>
  );
}

function SanctionDialog({ deed, who, room, close }: { deed: "mute" | "remove" | "ban"; who: Participant; room: Room; close: () => void }) {
  const [seconds, setSeconds] = useState<number | null>(deed === "mute" ? HOUR : null);
  const [reason, setReason] = useState("");
  const { participantId: id, displayName: name } = who;
  const why = reason.trim() || undefined;
  const terms = (): { until?: string; reason?: string } => ({
    ...(seconds !== null && { until: new Date(Date.now() + seconds * 1000).toISOString() }),
    ...(why !== undefined && { reason: why }),
  });
  const run = async (): Promise<void> => {
    if (deed === "remove") await room.home.salon.remove(room.id, id, why);
    else await room.home.salon[deed](room.id, id, terms());
    void room.keeping.look();
    room.home.toast({ mute: `${name} is muted`, remove: `${name} is removed`, ban: `${name} is banned` }[deed]);
  };
  const what = {
    mute: "What they write is refused. They can still read.",
    remove: room.facts.value?.join === "invite" ? "They read nothing more here, and come back only if somebody brings them in." : "They read nothing more here. They may come back by the address: to keep them out, ban them.",
    ban: "They read nothing more here, and may not come back.",
  }[deed];
  return (
    <Asked title={`${{ mute: "Mute", remove: "Remove", ban: "Ban" }[deed]} ${name}?`} action={{ mute: "Mute", remove: "Remove", ban: "Ban" }[deed]} danger run={run} close={close}>
      <p>{what}</p>
      {deed !== "remove" && <Length label="For how long?" value={seconds} set={setSeconds} choices={LENGTHS} />}
      <Reason value={reason} set={setReason} />
    </Asked>
  );
}
