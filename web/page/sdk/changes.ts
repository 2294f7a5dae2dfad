/** What somebody does to messages while earlier deeds still wait: one may take the place of another, or undo it. */
import type { Change, Outgoing, OutgoingChange } from "./types.ts";

export type Entry = Outgoing | OutgoingChange;

export function isChange(entry: Entry): entry is OutgoingChange {
  return "change" in entry;
}

/** Whether it may still be taken back here: the server has never been told of it, or has refused it. */
export function isHere({ state, tried }: Entry): boolean {
  return state === "refused" || (state === "waiting" && !tried);
}

/** The message that a change is of: by its id, or by its key as long as it has none. */
export function targetOf({ message_id, message_key }: OutgoingChange): string {
  return message_id ?? message_key ?? "";
}

export interface Plan {
  /** Keys of those that are not wanted any more. */
  drop: string[];
  /** The one that has the new change in its place. */
  instead?: OutgoingChange;
  /** Whether the new change is to be sent by itself. */
  add: boolean;
}

/** What a new change makes of the earlier ones of the same message, oldest first. */
export function plan(earlier: readonly OutgoingChange[], change: Change): Plan {
  const here = earlier.filter(isHere);
  const keys = (entries: readonly OutgoingChange[]): string[] => entries.map(({ key }) => key);
  if (change.type === "message_deleted") {
    const again = earlier.some((each) => each.change.type === "message_deleted" && !isHere(each));
    return { drop: keys(here), add: !again };
  }
  if (change.type === "message_edited") {
    const refused = here.filter((each) => each.change.type === "message_edited" && each.state === "refused");
    const waits = here.findLast((each) => each.change.type === "message_edited" && each.state === "waiting");
    return waits ? { drop: keys(refused), instead: merged(waits, change), add: false } : { drop: keys(refused), add: true };
  }
  const alike = earlier.filter((each) => isAbout(each.change, change));
  const last = alike.findLast((each) => each.state !== "refused");
  const refused = keys(alike.filter((each) => each.state === "refused"));
  if (last?.change.type === change.type) return { drop: refused, add: false };
  return last && isHere(last) ? { drop: [...refused, last.key], add: false } : { drop: refused, add: true };
}

/** An edit that waits, with what a later one says; it is based on what the first one was based on. */
function merged(waits: OutgoingChange, change: Extract<Change, { type: "message_edited" }>): OutgoingChange {
  const { revision: _, ...later } = change;
  return { ...waits, change: { ...waits.change, ...later } as Change };
}

/** Whether both are about the same reaction, or both about the pin. */
function isAbout(one: Change, other: Change): boolean {
  if ("emoji" in one && "emoji" in other) return one.emoji === other.emoji;
  return one.type.endsWith("pinned") && other.type.endsWith("pinned");
}
