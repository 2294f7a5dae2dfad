/** Mentions while one writes: whose name is being written behind an @, and whom the text names at the end. Plain functions. */

import type { Participant } from "../sdk/types.ts";

/** What is written behind an @ before the caret, and where that @ stands. */
export interface Query {
  at: number;
  name: string;
}

const WRITTEN = /(?:^|[^\p{L}\p{M}\p{N}_])@([^@\n]{0,40})$/u;
const OFFERED = 6; // people: what fits above a phone's keyboard

export function queryAt(text: string, caret: number): Query | null {
  const found = WRITTEN.exec(text.slice(0, caret));
  return found && { at: caret - found[1]!.length - 1, name: found[1]! };
}

/** Those whose name begins with it, or has a word that does; first those who are here. */
export function offered(members: readonly Participant[], me: string, name: string): Participant[] {
  const wanted = name.toLocaleLowerCase();
  const fits = ({ displayName }: Participant): boolean => {
    const shown = displayName.toLocaleLowerCase();
    return shown !== wanted && (shown.startsWith(wanted) || shown.split(/\s+/).some((word) => word.startsWith(wanted)));
  };
  const others = members.filter((who) => who.participantId !== me && fits(who));
  return [...others].sort((a, b) => Number(b.isOnline) - Number(a.isOnline)).slice(0, OFFERED);
}

/** The text with a name in place of what was written of it, and where the caret goes. */
export function completed(text: string, caret: number, query: Query, name: string): { text: string; caret: number } {
  const before = `${text.slice(0, query.at)}@${name} `;
  return { text: before + text.slice(caret).replace(/^ /, ""), caret: before.length };
}

/** The ids of those picked whose names still stand in the text. */
export function named(text: string, picked: ReadonlyMap<string, string>): string[] {
  return [...picked].filter(([, name]) => text.includes(`@${name}`)).map(([id]) => id);
}
