/** What the members of a conversation are called. */

import { computed, type ReadonlySignal } from "@preact/signals";
import type { Participant } from "../sdk/types.ts";

type Names = ReadonlyMap<string, string>;

/** By their ids; the same map until a name changes, since all rows depend on it and presence changes often. */
export function namesOf(members: ReadonlySignal<readonly Participant[]>): ReadonlySignal<Names> {
  let names: Names = new Map();
  return computed(() => {
    const now = members.value;
    const same = now.length === names.size && now.every((each) => names.get(each.participantId) === each.displayName);
    if (!same) names = new Map(now.map((each) => [each.participantId, each.displayName]));
    return names;
  });
}
