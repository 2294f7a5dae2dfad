/** The rules of a conversation: slow mode, what late joiners read, and which role each action needs. */

import { useState } from "preact/hooks";
import type { Action, ConversationChanges, ConversationObject, History, Permissions, Role } from "../sdk/types.ts";
import { Asked } from "./asked.tsx";
import { Icon } from "./icon.tsx";
import { may, rolesUpTo } from "./rank.ts";
import type { Room } from "./room.ts";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const PAUSES: readonly (readonly [number, string])[] = [
  [0, "Off"],
  [10, "10 seconds"],
  [30, "30 seconds"],
  [MINUTE, "A minute"],
  [5 * MINUTE, "5 minutes"],
  [15 * MINUTE, "15 minutes"],
  [HOUR, "An hour"],
  [6 * HOUR, "6 hours"],
];
const HISTORY: Record<History, string> = { all: "Everything", since_join: "What is said after they came in" };
const ACTIONS: Record<Action, string> = {
  post: "Write messages",
  edit_own: "Edit their own messages",
  delete_own: "Delete their own messages",
  delete_any: "Delete messages of others",
  react: "React",
  pin: "Pin messages",
  invite: "Bring others in",
  remove: "Remove others",
  ban: "Ban others",
  mute: "Mute others, set slow mode",
  rename: "Change the title",
  change_roles: "Give roles",
  read_members: "See who the members are",
};
const FROM: Record<Role, string> = { observer: "Everybody", member: "Members and above", moderator: "Moderators and owners", owner: "Owners" };

/** What holds now, and for those who may, the way to change it. */
export function Rules({ room }: { room: Room }) {
  const [open, setOpen] = useState(false);
  const facts = room.facts.value;
  if (facts === null || facts.direct) return null;
  const owns = room.role.value === "owner";
  const changes = room.state.value.status === "live" && (owns || may("mute", room.standing.value));
  const told = [facts.slow_mode > 0 && `Slow mode: one message in ${inWords(facts.slow_mode)}.`, facts.history === "since_join" && "Who comes in reads what is said after that."];
  const words = told.filter(Boolean).join(" ");
  if (!words && !changes) return null;
  return (
    <section class="invite">
      <h3>Rules</h3>
      {words && <p class="soft">{words}</p>}
      {changes && (
        <button type="button" class="button" onClick={() => setOpen(true)}>
          <Icon name="pen" /> Change the rules
        </button>
      )}
      {open && <RulesDialog room={room} facts={facts} owns={owns} close={() => setOpen(false)} />}
    </section>
  );
}

/** It shows what held when it was opened, and sends what was changed in it: what somebody else changes meanwhile stays. */
function RulesDialog({ room, facts, owns, close }: { room: Room; facts: ConversationObject; owns: boolean; close: () => void }) {
  const [before] = useState(facts);
  const [pause, setPause] = useState(before.slow_mode);
  const [history, setHistory] = useState(before.history);
  const [roles, setRoles] = useState<Permissions>(before.permissions);
  const save = async (): Promise<void> => {
    const changes = changed(before, pause, history, roles);
    if (Object.keys(changes).length > 0) room.facts.value = await room.home.salon.update(room.id, changes);
  };
  const pauses = PAUSES.some(([seconds]) => seconds === before.slow_mode) ? PAUSES : [...PAUSES, [before.slow_mode, inWords(before.slow_mode)] as const];
  return (
    <Asked title="Rules of this conversation" action="Save" run={save} close={close}>
      {may("mute", room.standing.value) && (
        <>
          <label for="slow">Slow mode: one message of a member in</label>
          <select id="slow" class="field" value={String(pause)} onChange={(event) => setPause(Number(event.currentTarget.value))}>
            {pauses.map(([seconds, words]) => (
              <option key={seconds} value={String(seconds)}>
                {words}
              </option>
            ))}
          </select>
        </>
      )}
      {owns && (
        <>
          <label for="late">Who comes in reads</label>
          <select id="late" class="field" value={history} onChange={(event) => setHistory(event.currentTarget.value as History)}>
            {(Object.keys(HISTORY) as History[]).map((each) => (
              <option key={each} value={each}>
                {HISTORY[each]}
              </option>
            ))}
          </select>
          <Roles roles={roles} set={(action, role) => setRoles({ ...roles, [action]: role })} />
        </>
      )}
    </Asked>
  );
}

function Roles({ roles, set }: { roles: Permissions; set: (action: Action, role: Role) => void }) {
  return (
    <table class="rules">
      <caption>Who may do what</caption>
      <tbody>
        {(Object.keys(ACTIONS) as Action[]).map((action) => (
          <tr key={action}>
            <th scope="row" id={`may-${action}`}>
              {ACTIONS[action]}
            </th>
            <td>
              <select class="field" aria-labelledby={`may-${action}`} value={roles[action] ?? "owner"} onChange={(event) => set(action, event.currentTarget.value as Role)}>
                {rolesUpTo("owner").map((role) => (
                  <option key={role} value={role}>
                    {FROM[role]}
                  </option>
                ))}
              </select>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function changed(before: ConversationObject, slow_mode: number, history: History, roles: Permissions): ConversationChanges {
  const other = (Object.entries(roles) as [Action, Role][]).filter(([action, role]) => before.permissions[action] !== role);
  return {
    ...(slow_mode !== before.slow_mode && { slow_mode }),
    ...(history !== before.history && { history }),
    ...(other.length > 0 && { permissions: Object.fromEntries(other) as Permissions }),
  };
}

function inWords(seconds: number): string {
  const [, words] = PAUSES.find(([each]) => each === seconds) ?? [];
  return words?.toLowerCase() ?? (seconds % MINUTE === 0 ? `${seconds / MINUTE} minutes` : `${seconds} seconds`);
}
