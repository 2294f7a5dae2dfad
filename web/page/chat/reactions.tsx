/** The reactions under a message: how many of each, whether one's own is among them, and who gave them. */

import type { Reaction } from "../sdk/types.ts";
import { listed } from "./notice.ts";
import { may } from "./rank.ts";
import type { Room } from "./room.ts";
import type { Said } from "./timeline.ts";

export function Reactions({ row, room }: { row: Said; room: Room }) {
  const able = may("react", room.standing.value) && row.id !== undefined;
  return (
    <div class="reactions" role="group" aria-label="Reactions">
      {Object.entries(row.reactions!).map(([emoji, kind]) => {
        const mine = kind.participants.includes(row.me);
        const names = giversOf(kind, room, 8);
        return (
          <button
            key={emoji}
            type="button"
            class={mine ? "reaction mine" : "reaction"}
            aria-pressed={mine}
            aria-disabled={!able}
            aria-label={`${emoji} ${kind.count}: ${names}`}
            title={names}
            onClick={() => able && room.deeds.toggle(row, emoji)}
          >
            <span class="emoji-shown">{emoji}</span>
            <span>{kind.count}</span>
          </button>
        );
      })}
    </div>
  );
}

/** "You, Ada and 3 others". */
export function giversOf({ count, participants }: Reaction, room: Room, shown: number): string {
  const names = participants.map((id) => (id === room.me ? "You" : (room.names.value.get(id) ?? "Somebody")));
  const sorted = names.sort((a, b) => Number(b === "You") - Number(a === "You"));
  const unknown = count - sorted.length;
  if (unknown > 0 && sorted.length < shown) return `${sorted.join(", ")} and ${unknown} more`;
  return listed(sorted, shown);
}
