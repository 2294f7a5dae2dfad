/** What can be done to a message: a few buttons at its edge while it is looked at, and a menu with the rest. */

import type { TargetedKeyboardEvent } from "preact";
import { useRef, useState } from "preact/hooks";
import { Dialog } from "../shared/dialog.tsx";
import { around } from "./arrows.ts";
import { EmojiPicker } from "./emoji.tsx";
import { gist } from "./filewords.ts";
import { type Drawing, Icon } from "./icon.tsx";
import { Popover } from "./popover.tsx";
import { may, mayDelete } from "./rank.ts";
import { giversOf } from "./reactions.tsx";
import { Report } from "./report.tsx";
import type { Room } from "./room.ts";
import type { Said } from "./timeline.ts";

interface Item {
  name: string;
  icon: Drawing;
  run: () => void;
  danger?: boolean;
}

export function Actions({ row, room, inThread }: { row: Said; room: Room; inThread: boolean }) {
  const [open, setOpen] = useState<"emoji" | "menu" | "givers" | "report" | null>(null);
  const react = useRef<HTMLButtonElement>(null);
  const more = useRef<HTMLButtonElement>(null);
  const stored = row.id !== undefined;
  const close = (): void => setOpen(null);
  const items = itemsOf(row, room, setOpen);
  const reply = (): void => void (room.replyTo.value = { id: row.id!, name: row.own ? "yourself" : row.name, content: gist(row) });
  const title = row.own ? "yourself" : row.name;
  return (
    <div class="actions" role="toolbar" aria-label="What to do with this message" data-open={open !== null} onKeyDown={along}>
      {stored && !inThread && <Tool name={`Reply to ${title}`} title="Reply" icon="reply" run={reply} first />}
      {stored && may("react", room.standing.value) && (
        <button ref={react} type="button" class="tool" aria-label="React" title="React" aria-haspopup="dialog" tabIndex={inThread ? 0 : -1} onClick={() => setOpen("emoji")}>
          <Icon name="smile" />
        </button>
      )}
      {stored && !inThread && (
        <Tool name="Thread" title="Thread" icon="thread" run={() => room.follow(row.thread_id ?? row.id!)} />
      )}
      {items.length > 0 && (
        <button ref={more} type="button" class="tool" aria-label="More" title="More" aria-haspopup="menu" aria-expanded={open === "menu"} tabIndex={stored ? -1 : 0} onClick={() => setOpen("menu")}>
          <Icon name="more" />
        </button>
      )}
      {open === "emoji" && <EmojiPicker from={react.current!} pick={(emoji) => room.deeds.react(row, emoji)} close={close} />}
      {open === "menu" && <Menu from={more.current!} items={items} close={close} />}
      {open === "report" && <Report row={row} room={room} close={close} />}
      {open === "givers" && <Givers row={row} room={room} close={close} />}
    </div>
  );
}

function itemsOf(row: Said, room: Room, show: (what: "givers" | "report") => void): Item[] {
  const { deeds } = room;
  const standing = room.standing.value;
  const sequence = row.sequence;
  return [
    ...(row.own && may("edit_own", standing) && row.outgoing?.state !== "refused" ? [{ name: "Edit", icon: "pen" as const, run: () => deeds.edit(row) }] : []),
    ...(row.reactions ? [{ name: "Who reacted", icon: "people" as const, run: () => show("givers") }] : []),
    ...(row.id && may("pin", standing) ? [{ name: row.pinned ? "Unpin" : "Pin", icon: "pin" as const, run: () => deeds.pin(row) }] : []),
    ...(sequence !== undefined && row.thread_id === undefined ? [{ name: "Mark as unread from here", icon: "unread" as const, run: () => room.unread(sequence) }] : []),
    ...(!row.own && row.id ? [{ name: "Report", icon: "warn" as const, run: () => show("report") }] : []),
    ...(mayDelete(row, standing, room.members.value) ? [{ name: "Delete", icon: "bin" as const, run: () => deeds.remove(row), danger: true }] : []),
  ];
}

function Tool({ name, title, icon, run, first = false }: { name: string; title: string; icon: Drawing; run: () => void; first?: boolean }) {
  return (
    <button type="button" class="tool" aria-label={name} title={title} tabIndex={first ? 0 : -1} onClick={run}>
      <Icon name={icon} />
    </button>
  );
}

export function Menu({ from, items, close, label = "What to do with this message" }: { from: HTMLElement; items: readonly Item[]; close: () => void; label?: string }) {
  return (
    <Popover from={from} role="menu" label={label} close={close} onKeyDown={down}>
      {items.map(({ name, icon, run, danger }) => (
        <button
          key={name}
          type="button"
          role="menuitem"
          class={danger ? "menu-item danger" : "menu-item"}
          tabIndex={-1}
          onClick={() => {
            close();
            from.focus({ preventScroll: true });
            run();
          }}
        >
          <Icon name={icon} />
          {name}
        </button>
      ))}
    </Popover>
  );
}

/** Who has given which reaction. */
function Givers({ row, room, close }: { row: Said; room: Room; close: () => void }) {
  return (
    <Dialog title="Who reacted" close={close}>
      <ul class="givers">
        {Object.entries(row.reactions ?? {}).map(([emoji, kind]) => (
          <li key={emoji}>
            <span class="emoji-shown">{emoji}</span> <bdi>{giversOf(kind, room, 20)}</bdi>
          </li>
        ))}
      </ul>
      <div class="buttons">
        <button type="button" class="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

/** Arrows go along the buttons, so that Tab goes from message to message. */
function along(event: TargetedKeyboardEvent<HTMLDivElement>): void {
  around(event, ":scope > .tool", { ArrowRight: 1, ArrowLeft: -1 });
}

function down(event: TargetedKeyboardEvent<HTMLDivElement>): void {
  around(event, ".menu-item", { ArrowDown: 1, ArrowUp: -1 });
}
