/** What a room tells the inbox that it is in. */

import type { Event, State } from "../sdk/types.ts";
import type { Call } from "./calls.ts";
import type { Room } from "./room.ts";

export interface Hooks {
  /** Each new event, once, before it is on the screen. */
  happened(room: Room, event: Event): void;
  refused(text: string): void;
  /** There is more to be read out. */
  heard(room: Room, text: string): void;
  /** These tool calls wait for this person. */
  waits(room: Room, calls: readonly Call[]): void;
  /** The same person has read that far, in another tab or on another device. */
  read(room: Room, sequence: number): void;
  turned(state: State): void;
}
