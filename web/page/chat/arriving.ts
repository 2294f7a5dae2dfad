/** From something that was found to its place: the conversation opens, the log or the thread goes there. */

import { effect, type ReadonlySignal } from "@preact/signals";
import type { Room } from "./room.ts";

/** A message, by what the server says of where it is. */
export interface Whereabouts {
  conversation_id: string;
  message_id: string;
  /** The root of the thread that it is in. */
  thread_id?: string;
}

/** Where one goes from one conversation to another. */
export interface Place {
  readonly open: ReadonlySignal<Room | null>;
  /** As of `Home`. */
  readonly go: ((id: string) => void) | null;
}

export async function arriveAt({ open, go }: Place, { conversation_id, message_id, thread_id }: Whereabouts): Promise<void> {
  go?.(conversation_id);
  const room = open.value;
  if (room?.id !== conversation_id || !(await filled(room))) return;
  if (thread_id === undefined) return room.visit(message_id);
  room.follow(thread_id);
  await room.thread.value?.reach(message_id);
}

/** Until it has something to show; whether it does, and is the one that is open still. */
function filled(room: Room): Promise<boolean> {
  return new Promise((resolve) => {
    const stop = effect(() => {
      const ended = room.state.value.status === "ended";
      if (room.events.value.length === 0 && !ended) return;
      // In the next frame, so that the log has been drawn.
      requestAnimationFrame(() => {
        stop();
        resolve(room.events.value.length > 0);
      });
    });
  });
}
