/** Offers the people whose name one begins to write behind an @: by arrows and Enter, or by a click. */

import { useState } from "preact/hooks";
import type { Participant } from "../sdk/types.ts";
import { Avatar } from "./avatar.tsx";
import { completed, offered, type Query, queryAt } from "./mention.ts";
import type { Room } from "./room.ts";

const LIST = "mention-list";

export interface Picker {
  people: readonly Participant[];
  active: number;
  /** What the field needs, so that a screen reader follows. */
  field: { "aria-autocomplete": "list"; "aria-controls"?: string; "aria-activedescendant"?: string };
  /** The caret is there now; null closes the list. */
  look: (text: string, caret: number | null) => void;
  /** Whether the key was the list's. */
  key: (event: KeyboardEvent) => boolean;
  pick: (who: Participant) => void;
}

/** `write` takes the new text and where the caret goes, and who was picked. */
export function usePicker(
  room: Room,
  field: { current: HTMLTextAreaElement | null },
  write: (text: string, caret: number, who: Participant) => void,
): Picker {
  const [query, setQuery] = useState<Query | null>(null);
  const [active, setActive] = useState(0);
  const people = query ? offered(room.members.value, room.me, query.name) : [];
  const close = (): void => setQuery(null);
  const look = (text: string, caret: number | null): void => {
    setQuery(caret === null ? null : queryAt(text, caret));
    setActive(0);
  };
  const pick = (who: Participant): void => {
    const element = field.current;
    if (!element || !query) return;
    const next = completed(element.value, element.selectionEnd, query, who.displayName);
    close();
    write(next.text, next.caret, who);
  };
  const key = (event: KeyboardEvent): boolean => {
    if (!people.length || event.isComposing) return false;
    if (event.key === "ArrowDown") setActive((active + 1) % people.length);
    else if (event.key === "ArrowUp") setActive((active + people.length - 1) % people.length);
    else if (event.key === "Escape") close();
    else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey) pick(people[active]!);
    else return false;
    event.preventDefault();
    return true;
  };
  const open = people.length ? { "aria-controls": LIST, "aria-activedescendant": optionId(people[active]!) } : {};
  return { people, active, field: { "aria-autocomplete": "list", ...open }, look, key, pick };
}

export function People({ picker }: { picker: Picker }) {
  if (!picker.people.length) return null;
  return (
    <ul id={LIST} class="mention-list" role="listbox" aria-label="People to mention">
      {picker.people.map((who, index) => (
        <li
          key={who.participantId}
          id={optionId(who)}
          class={index === picker.active ? "mention-option active" : "mention-option"}
          role="option"
          aria-selected={index === picker.active}
          onMouseDown={(event) => {
            event.preventDefault(); // the field keeps the focus
            picker.pick(who);
          }}
        >
          <Avatar id={who.participantId} name={who.displayName} online={who.isOnline} />
          <bdi>{who.displayName}</bdi>
          {who.type === "agent" && <span class="badge">agent</span>}
        </li>
      ))}
    </ul>
  );
}

function optionId(who: Participant): string {
  return `mention-${who.participantId}`;
}
