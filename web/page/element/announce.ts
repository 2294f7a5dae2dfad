/** What somebody hears of the events of the conversation that is open. */

import { isInLog } from "../chat/belonging.ts";
import type { Home } from "../chat/home.ts";
import { aloud } from "../chat/news.ts";
import type { Room } from "../chat/room.ts";
import { isChange } from "../sdk/fold.ts";
import type { Event, Message } from "../sdk/types.ts";

/** Read an event of the open room out; what somebody else has just said is the answer. `looked`: the reader sees it come. */
export function announce(room: Room, event: Event, { home, looked }: { home: Home; looked: boolean }): Message | null {
  const live = room.state.value.status === "live";
  if (isChange(event)) {
    if (live) home.say(aloud(event, room));
    return null;
  }
  if (event.type !== "message" || event.message.deleted) return null;
  const { message } = event;
  const news = live && message.sender_id !== room.me;
  if (!isInLog(message)) {
    if (news && room.thread.value?.id === message.thread_id) home.speak(message);
    return news ? message : null;
  }
  const rest = room.answering.rest(message);
  if (!news) return null;
  if (!looked) room.marker.begin(event.sequence_id - 1);
  home.speak(message, rest);
  return message;
}
