/** Tells somebody who looks elsewhere: a number in the title, and a notification where they have asked for it. */

import { signal } from "@preact/signals";
import type { Message } from "../sdk/types.ts";
import { gist } from "./filewords.ts";
import type { Call } from "./calls.ts";
import type { Room } from "./room.ts";
import { go } from "./route.ts";
import { shelf } from "./session.ts";
import { notifyFor } from "./standby.ts";
import { LONGEST, Voice } from "./voice.ts";

export type Permission = "unsupported" | "off" | "on" | "blocked";

export const permission = signal<Permission>(now());
/** Nobody sees the page. */
export const away = signal(document.hidden);
document.addEventListener("visibilitychange", () => (away.value = document.hidden));
export const voice = new Voice();

/** Asked by a click, as browsers want it; a second click turns it off again. */
export async function toggle(): Promise<void> {
  if (permission.value === "on") {
    shelf.setItem("salon.page.quiet", "1");
  } else if (permission.value === "off") {
    shelf.removeItem("salon.page.quiet");
    await Notification.requestPermission();
  }
  permission.value = now();
}

/** `me` is who reads this page: to be mentioned is said as such. */
export function notify(room: Room, message: Message, me: string): void {
  const did = message.mentions?.includes(me) ? "mentioned you in" : "in";
  show(room, `${message.sender_name} ${did} ${room.title.value}`, { body: gist(message).slice(0, LONGEST), tag: room.id });
}

/** A tool call waits for who reads this page. Its tag keeps several tabs from showing it beside each other. */
export function notifyOfCall(room: Room, { id, name, tool }: Call): void {
  show(room, `${name} in ${room.title.value} wants to use ${tool}`, { body: "Allow it or refuse it.", tag: `${room.id} ${id}` });
}

function show(room: Room, title: string, options: NotificationOptions): void {
  if (!document.hidden && document.hasFocus()) return;
  if (permission.value !== "on") return;
  try {
    const notification = new Notification(title, options);
    notification.addEventListener("click", () => {
      window.focus();
      go(room.id);
      notification.close();
    });
  } catch {
    // Android's browsers have the class but let only service workers use it.
    void notifyFor(room.id, title, options).catch(() => {});
  }
}

/** Somebody leaves: the title names no conversation of theirs any more, and nothing that was said to them is read out. */
export function hush(): void {
  voice.spoken.value = "";
  showInTitle(0, "");
}

export function showInTitle(unread: number, title: string): void {
  document.title = `${unread ? `(${unread > 99 ? "99+" : unread}) ` : ""}${title ? `${title} · ` : ""}salon`;
}

function now(): Permission {
  if (!("Notification" in window)) return "unsupported";
  if (Notification.permission === "denied") return "blocked";
  return Notification.permission === "granted" && !shelf.getItem("salon.page.quiet") ? "on" : "off";
}
