/** What is read out of the things that others do to messages. */

import type { ChangeEvent } from "../sdk/types.ts";
import { describe, inLine } from "./notice.ts";
import type { Room } from "./room.ts";

/** Empty for what the reader has done, and for reactions to what others have said: a reader has other things to hear. */
export function aloud(event: ChangeEvent, room: Room): string {
  if (event.by === room.me) return "";
  const sequence = room.past.sequenceOf(event.message_id);
  const message = sequence === null ? undefined : room.past.at(sequence);
  const own = message?.type === "message" && message.message.sender_id === room.me;
  if (event.type.startsWith("reaction_") && !own) return "";
  const what = event.type === "message_edited" ? `: ${event.content ?? ""}` : own ? " of yours" : "";
  return inLine(describe(event, room.me, room.names.value)) + what;
}
