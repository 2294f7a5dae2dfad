/** What the reader may do here by their role. The server judges; this only shows what is possible. */

import type { Action, Participant, Permissions, Role } from "../sdk/types.ts";
import type { Said } from "./timeline.ts";

const RANK: Record<Role, number> = { observer: 0, member: 1, moderator: 2, owner: 3 };
/** Until the conversation's own are known. */
const LEAST: Permissions = {
  post: "member",
  edit_own: "member",
  delete_own: "member",
  delete_any: "moderator",
  react: "member",
  pin: "moderator",
  invite: "member",
  remove: "moderator",
  ban: "moderator",
  mute: "moderator",
  read_members: "observer",
};

/** Of a room, what this depends on. */
export interface Standing {
  role: Role | undefined;
  /** The conversation's own least roles. */
  permissions: Permissions | undefined;
}

export function may(action: Action, { role, permissions }: Standing): boolean {
  const least = permissions?.[action] ?? LEAST[action] ?? "owner";
  return role !== undefined && RANK[role] >= RANK[least];
}

/** Whether one acts on the other: nobody does on an equal. */
export function outranks(one: Role | undefined, other: Role): boolean {
  return one !== undefined && RANK[one] > RANK[other];
}

/** From the highest down. */
export function rolesUpTo(role: Role | undefined): Role[] {
  const all: Role[] = ["owner", "moderator", "member", "observer"];
  return role === undefined ? [] : all.filter((each) => RANK[each] <= RANK[role]);
}

/** One's own, or as a moderator that of somebody of a lower rank. */
export function mayDelete(row: Said, standing: Standing, members: readonly Participant[]): boolean {
  if (row.own) return may("delete_own", standing);
  const sender = members.find((who) => who.participantId === row.sender);
  const outranked = sender === undefined || RANK[sender.role] < RANK[standing.role ?? "observer"];
  return outranked && may("delete_any", standing);
}
