/** What a person's conversations need of the page that they are shown in: the chat page, or a page of somebody else. */

import type { ReadonlySignal, Signal } from "@preact/signals";
import type { Salon } from "../sdk/salon.ts";
import type { Message, State } from "../sdk/types.ts";
import type { Call } from "./calls.ts";
import type { Room } from "./room.ts";
import type { Shelf } from "./shelf.ts";
import type { Voice } from "./voice.ts";

export interface Environment {
  readonly salon: Salon;
  /** What all of it is drawn in. */
  readonly root: Document | ShadowRoot;
  /** Of the browser, whoever sits there. */
  readonly shelf: Shelf;
  readonly voice: Voice;
  /** The conversation that is open; null on the list. */
  readonly here: ReadonlySignal<string | null>;
  /** As of `Home`. */
  readonly arrival: Signal<string | null>;
  /** Nobody sees the page. */
  readonly away: ReadonlySignal<boolean>;
  /** Whether a session cookie says who is here, so that the browser's own streams may be used. */
  readonly byCookie: boolean;
  go(id: string | null, replace?: boolean): void;
  address(id: string): string;
  inviteAddress(code: string): string;
  toast(text: string): void;
  /** Somebody else has just said something; `isInLog`: not only in a thread. */
  heard(room: Room, message: Message, isInLog: boolean): void;
  /** A tool call begins to wait for this person. */
  called(room: Room, call: Call): void;
  /** The state of the connection. */
  turned(state: State): void;
  /** The server does not know the session any more. */
  lost(): void;
  /** A connection was refused for want of a session: find out whether it is so. */
  doubted(): void;
  /** Whether they have signed out in another tab: nothing of theirs may be written any more. */
  hasLeft(): boolean;
}
