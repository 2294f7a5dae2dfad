/** Which messages are pinned. Plain functions, no page. */

import type { ConversationObject, Event, OutgoingChange } from "../sdk/types.ts";

/** Their ids, in the order of pinning, with what has happened since the server was asked and what the reader has done. */
export function pinnedNow(facts: ConversationObject | null, events: readonly Event[], changes: readonly OutgoingChange[]): readonly string[] {
  const pinned = new Set(facts?.pinned ?? []);
  const apply = (type: string, id: string): void => {
    if (type === "message_pinned") pinned.add(id);
    else if (type === "message_unpinned" || type === "message_deleted") pinned.delete(id);
  };
  for (const event of events) {
    if ("message_id" in event && event.sequence_id > (facts?.head_sequence_id ?? 0)) apply(event.type, event.message_id);
  }
  for (const { change, message_id, state } of changes) if (message_id && state !== "refused") apply(change.type, message_id);
  return [...pinned];
}
