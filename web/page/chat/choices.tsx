/** What one can do with the open conversation: keep it for oneself in some way, leave it, delete it for everybody. */

import { useRef, useState } from "preact/hooks";
import type { Preferences } from "../sdk/types.ts";
import { Menu } from "./actions.tsx";
import { Asked, Length } from "./asked.tsx";
import { Icon } from "./icon.tsx";
import { Question } from "./question.tsx";
import { isMuted } from "./preferences.ts";
import type { Room } from "./room.ts";
import { said } from "./words.ts";

const HOUR = 3600;
const LENGTHS = [[HOUR, "An hour"], [8 * HOUR, "8 hours"], [7 * 24 * HOUR, "A week"], [null, "Until I end it"]] as const;

type Open = "menu" | "mute" | "leave" | "delete";

export function Choices({ room }: { room: Room }) {
  const [open, setOpen] = useState<Open | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const items = itemsOf(room, setOpen);
  const close = (): void => setOpen(null);
  if (items.length === 0) return null;
  return (
    <>
      <button ref={button} type="button" class="tool" aria-label="What to do with this conversation" title="More" aria-haspopup="menu" aria-expanded={open === "menu"} onClick={() => setOpen("menu")}>
        <Icon name="more" />
      </button>
      {open === "menu" && <Menu from={button.current!} items={items} label="What to do with this conversation" close={close} />}
      {open === "mute" && <Mute room={room} close={close} />}
      {open === "leave" && <Leave room={room} close={close} />}
      {open === "delete" && <Delete room={room} close={close} />}
    </>
  );
}

function itemsOf(room: Room, ask: (what: Open) => void): Parameters<typeof Menu>[0]["items"] {
  const now = room.preferences.value;
  const inList = room.home.go !== null;
  const direct = room.facts.value?.direct ?? false;
  const ended = room.state.value.status === "ended";
  const keep = (changes: Partial<Preferences>, words: string) => (): void =>
    void room.keep(changes).then(() => room.home.toast(words), (error: unknown) => room.home.toast(said(error)));
  return [
    ...(now && inList ? [now.pinned ? { name: "Unpin from the list", icon: "pin" as const, run: keep({ pinned: false }, "It is unpinned") } : { name: "Pin to the top of the list", icon: "pin" as const, run: keep({ pinned: true }, "It is pinned") }] : []),
    ...(now && inList ? [isMuted(now) ? { name: "Notify me again", icon: "bell" as const, run: keep({ muted: false }, "You are notified again") } : { name: "Mute", icon: "bellOff" as const, run: () => ask("mute") }] : []),
    ...(now && inList ? [now.archived ? { name: "Take out of the archive", icon: "archive" as const, run: keep({ archived: false }, "It is back in the list") } : { name: "Archive", icon: "archive" as const, run: keep({ archived: true }, "It is archived") }] : []),
    ...(direct ? [] : [{ name: "Leave", icon: "door" as const, run: () => ask("leave") }]),
    ...(!direct && !ended && room.role.value === "owner" ? [{ name: "Delete for everybody", icon: "bin" as const, danger: true, run: () => ask("delete") }] : []),
  ];
}

function Mute({ room, close }: { room: Room; close: () => void }) {
  const [seconds, setSeconds] = useState<number | null>(8 * HOUR);
  const run = async (): Promise<void> => {
    await room.keep({ muted: seconds === null ? true : new Date(Date.now() + seconds * 1000).toISOString() });
    room.home.toast("It is muted");
  };
  return (
    <Asked title="Mute this conversation?" action="Mute" run={run} close={close}>
      <p>You are not notified of what is said here. It is counted as ever, and nobody else is told.</p>
      <Length label="For how long?" value={seconds} set={setSeconds} choices={LENGTHS} />
    </Asked>
  );
}

function Leave({ room, close }: { room: Room; close: () => void }) {
  const alone = room.count.value <= 1;
  return (
    <Question title={`Leave “${room.title.value}”?`} action="Leave" run={() => room.home.leave(room)} close={close}>
      <p>
        {alone
          ? "You are the last one here: the conversation ends with you, and nobody can come back to it."
          : "The others are told. By the conversation’s address you can come back."}
      </p>
    </Question>
  );
}

function Delete({ room, close }: { room: Room; close: () => void }) {
  return (
    <Question title={`Delete “${room.title.value}”?`} action="Delete for everybody" word="delete" run={() => room.home.deleteConversation(room)} close={close}>
      <p>All that was said here and all files are erased, for everybody and for good. Nobody can undo it.</p>
    </Question>
  );
}
