/** Where a conversation is shown: the chat page, or a page of somebody else that has it as an element. */

import type { Signal } from "@preact/signals";
import type { Salon } from "../sdk/salon.ts";
import type { Message, Preferences } from "../sdk/types.ts";
import type { Room } from "./room.ts";

export interface Home {
  readonly salon: Salon;
  /** What all of it is drawn in. */
  readonly root: Document | ShadowRoot;
  /** The conversation by whose address somebody came who had to say first who they are. */
  readonly arrival: Signal<string | null>;
  /** To another conversation, or to none; null where there is only this one. */
  readonly go: ((id: string | null, replace?: boolean) => void) | null;
  /** The conversation's own address: whoever opens it may come in. */
  address(id: string): string;
  /** Whoever opens it may come in by the invite. */
  inviteAddress(code: string): string;
  /** Short words about what just happened. */
  toast(text: string): void;
  /** Read it out, without the marks of its Markdown. */
  say(markdown: string): void;
  /** Read out what somebody said; `rest` is what was not read yet. */
  speak(message: Message, rest?: string | null): void;
  /** What is known of a conversation before it is here. */
  line(id: string): ({ title: string } & Preferences) | undefined;
  /** The reader is at the end of the conversation and looks at it. */
  seen(room: Room): void;
  /** Ask the server again for what no socket tells. */
  refresh(): Promise<void>;
  /** This person keeps a conversation in another way from now on. */
  preferred(): Promise<void>;
  /** Each throws `Refused`. */
  rename(room: Room, title: string): Promise<void>;
  join(id: string): Promise<void>;
  leave(room: Room): Promise<void>;
  deleteConversation(room: Room): Promise<void>;
}
