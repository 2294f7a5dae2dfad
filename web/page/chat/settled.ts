/** The events of a room with each message as it is now. Plain functions, no page. */

import { isChange, Messages, targetsOf } from "../sdk/fold.ts";
import type { ChangeEvent, Event } from "../sdk/types.ts";

/** Whether an event changes another one. */
export function changesOthers(event: Event): boolean {
  return targetsOf(event).length > 0;
}

/** The same events; what was deleted is in none of them any more, so that nothing of it is kept in the browser. */
export function settled(events: readonly Event[]): Event[] {
  const messages = new Messages();
  messages.take(events);
  return events.map((event) => {
    if (event.type === "message") {
      const message = messages.get(event.message.message_id);
      return message === undefined || message === event.message ? event : { ...event, message };
    }
    if (!isChange(event) || event.type !== "message_edited" || !messages.get(event.message_id)?.deleted) return event;
    const { content, mentions, metadata, ...rest } = event;
    return rest as ChangeEvent;
  });
}
