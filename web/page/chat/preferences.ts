/** How somebody keeps a conversation for themselves. Plain functions, no page. */

import type { Preferences } from "../sdk/types.ts";

/** Whether nothing said there is worth a notification now. */
export function isMuted({ muted }: Pick<Preferences, "muted">, now = Date.now()): boolean {
  return typeof muted === "string" ? Date.parse(muted) > now : muted;
}

/** Those that are pinned first; else the order stays. */
export function pinnedFirst<Line extends Pick<Preferences, "pinned">>(lines: readonly Line[]): Line[] {
  return [...lines.filter(({ pinned }) => pinned), ...lines.filter(({ pinned }) => !pinned)];
}
