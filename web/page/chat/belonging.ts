/** Which of the events have a row, in the main log or in a thread. Plain functions, no page. */

import { isChange } from "../sdk/fold.ts";
import type { Event } from "../sdk/types.ts";

/** What is arranged: the thread of this root, or the main log. */
interface Place {
  thread?: string;
}

/** What has no line of its own: runs are shown as long as they are open, and most changes on the message that they change. */
export function isShown(event: Event, view: Place): boolean {
  if (event.type === "message") return belongs(event.message, view) || event.message.message_id === view.thread;
  if (isChange(event)) return event.type === "message_pinned" || event.type === "message_unpinned";
  return event.type !== "run_started";
}

/** Whether it is one of those that are arranged: of the main log, or of a thread. */
export function belongs({ thread_id, also_in_channel }: { thread_id?: string | undefined; also_in_channel?: boolean | undefined }, { thread }: Place): boolean {
  return thread === undefined ? isInLog({ thread_id, also_in_channel }) : thread_id === thread;
}

/** Whether the main log shows a message. */
export function isInLog({ thread_id, also_in_channel }: { thread_id?: string | undefined; also_in_channel?: boolean | undefined }): boolean {
  return thread_id === undefined || also_in_channel === true;
}
