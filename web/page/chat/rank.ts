/** What the reader may do here by their role. The server judges; this only shows what is possible. */

import type { Participant } from "../sdk/types.ts";
import type { Said } from "./timeline.ts";

const RANK: Record<string, number> = { observer: 0, member: 1, moderator: 2, owner: 3 };

function rank(role: string | undefined): number {
  return RANK[role ?? ""] ?? 0;
}

export function maySpeak(role: string | undefined): boolean {
  return rank(role) >= rank("member");
}

export function mayPin(role: string | undefined): boolean {
  return rank(role) >= rank("moderator");
}

/** One's own, or as a moderator that of somebody of a lower rank. */
export function mayDelete(row: Said, role: string | undefined, members: readonly Participant[]): boolean {
  if (row.own) return maySpeak(role);
  const sender = members.find((who) => who.participantId === row.sender);
  return mayPin(role) && (sender === undefined || rank(sender.role) < rank(role));
}
