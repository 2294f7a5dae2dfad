/** salon.js for React: `useConversation` gives a conversation as it is now, and draws anew when it changes. */
import { useMemo, useSyncExternalStore } from "react";
import { Salon } from "../sdk/salon.ts";
import type { Conversation, Message, OpenOptions, OpenRun, Outgoing, OutgoingChange, Participant, State } from "../sdk/salon.ts";

type Actions = Pick<Conversation, "send" | "edit" | "delete" | "react" | "unreact" | "pin" | "unpin" | "retry" | "discard" | "typing" | "read" | "reconnect">;

/** What changes: a new object after each change, and the same one until then. */
export interface Snapshot {
  /** what was said and not deleted, oldest first, replies in threads too */ readonly messages: readonly Message[];
  /** what this person has written and is no message yet: it follows the others */ readonly outbox: readonly Outgoing[];
  /** what this person has done to messages and is on its way, or was refused */ readonly changes: readonly OutgoingChange[];
  /** the answers of agents in the making */ readonly runs: readonly OpenRun[];
  readonly members: readonly Participant[];
  readonly state: State;
  readonly status: State["status"];
}

/** `older` fetches up to 100 events before the first that is known: whether there are more. Throws `Refused`. */
export type UsedConversation = Snapshot & Actions & { readonly client: Salon; older(): Promise<boolean> };

const NOTHING: Snapshot = { messages: [], outbox: [], changes: [], runs: [], members: [], state: { status: "connecting" }, status: "connecting" };
const ACTIONS = ["send", "edit", "delete", "react", "unreact", "pin", "unpin", "retry", "discard", "typing", "read", "reconnect"] as const;

/** One connection for as long as anybody is drawn with it; all who name the same client and conversation share it. */
class Shared {
  readonly actions: Pick<UsedConversation, (typeof ACTIONS)[number] | "client" | "older">;
  private readonly listeners = new Set<() => void>();
  private readonly messages = new Map<string, Message>();
  private readonly make: () => Conversation;
  private conversation: Conversation | undefined;
  private first = Infinity; // the first event that is known
  private now = NOTHING;

  constructor(client: Salon, id: string, options: OpenOptions) {
    this.make = () => client.open(id, { resume: "newest", ...options });
    const act = (name: (typeof ACTIONS)[number]) => [name, (...given: never[]) => (this.open()[name] as (...given: never[]) => unknown)(...given)];
    const older = async (): Promise<boolean> => {
      const { events, has_more } = await client.messages(id, { limit: 100, ...(this.first < Infinity && { before: this.first }) });
      this.first = Math.min(this.first, ...events.map(({ sequence_id }) => sequence_id));
      this.open().learn(events);
      return has_more;
    };
    this.actions = { ...(Object.fromEntries(ACTIONS.map(act)) as unknown as Actions), client, older };
  }

  readonly snapshot = (): Snapshot => this.now;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    this.open();
    return () => void (this.listeners.delete(listener), this.closeSoon());
  };

  private open(): Conversation {
    if (!this.listeners.size) this.closeSoon();
    if (this.conversation) return this.conversation;
    const it = (this.conversation = this.make());
    const tell = (part: Partial<Snapshot>): void => {
      this.now = { ...this.now, ...part };
      for (const listener of this.listeners) listener();
    };
    const begin = (): void => (this.messages.clear(), void (this.first = Infinity));
    begin();
    it.on("event", ({ sequence_id }) => void (this.first = Math.min(this.first, sequence_id)));
    it.on("message", (message) => {
      this.messages.set(message.message_id, message);
      tell({ messages: [...this.messages.values()].filter((each) => !each.deleted).sort((one, other) => one.sequence_id - other.sequence_id) });
    });
    it.on("reset", () => (begin(), tell({ messages: [] })));
    for (const name of ["outbox", "changes", "runs"] as const) it.on(name, (value) => tell({ [name]: value }));
    it.on("participants", (members) => tell({ members: [...members] }));
    it.on("state", (state) => tell({ state, status: state.status }));
    tell({ ...NOTHING, outbox: it.outbox, changes: it.changes });
    return it;
  }

  /** Unless somebody is back at once, as in StrictMode and with a new key. */
  private closeSoon(): void {
    queueMicrotask(() => {
      if (this.listeners.size) return;
      this.conversation?.close();
      this.conversation = undefined;
    });
  }
}

const shared = new WeakMap<Salon, Map<string, Shared>>();

/** Connected while it is drawn. An address stands for a client of its own, with the session cookie; the first `options` hold. */
export function useConversation(client: Salon | string, id: string, options: OpenOptions = {}): UsedConversation {
  const salon = useMemo(() => (typeof client === "string" ? new Salon({ url: client }) : client), [client]);
  const known = shared.get(salon) ?? shared.set(salon, new Map()).get(salon)!;
  const it = known.get(id) ?? known.set(id, new Shared(salon, id, options)).get(id)!;
  const now = useSyncExternalStore(it.subscribe, it.snapshot, () => NOTHING);
  return useMemo(() => ({ ...now, ...it.actions }), [now, it]);
}
