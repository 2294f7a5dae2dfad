/** The chat page as the environment of its conversations. */

import { away, notify, notifyOfCall, voice } from "./alert.ts";
import type { Environment } from "./environment.ts";
import { isMuted } from "./preferences.ts";
import { address, go, here, inviteAddress } from "./route.ts";
import { arrival, identify, lose, remembered, salon, shelf, who } from "./session.ts";
import { toasts } from "./toast.ts";

export const page: Environment = {
  salon,
  root: document,
  shelf,
  voice,
  here,
  arrival,
  away,
  byCookie: true,
  go,
  address,
  inviteAddress,
  toast: toasts.show,
  heard: (room, message, isInLog) => {
    const kept = room.home.line(room.id) ?? room.preferences.value;
    if (kept && isMuted(kept)) return;
    const me = who.value.kind === "somebody" ? who.value.identity.id : "";
    // An answer in a thread is news to whom it names.
    if (isInLog || message.mentions?.includes(me)) notify(room, message, me);
  },
  called: notifyOfCall,
  turned: () => {},
  lost: lose,
  doubted: () => void identify(),
  hasLeft: () => remembered() === null,
};
