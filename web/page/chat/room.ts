/** One conversation as this page lives it: its events, its outbox, who is here, and what of that outlives a reload. */

import { batch, computed, signal } from "@preact/signals";
import type { Salon } from "../sdk/salon.ts";
import type {
  Conversation,
  ConversationObject,
  Event,
  Outgoing,
  Participant,
  State,
} from "../sdk/types.ts";
import type { Shelf } from "./shelf.ts";
import { arrange, readBefore } from "./timeline.ts";
import { Typists } from "./typists.ts";
import { said } from "./words.ts";

const PAGE = 100; // events that one look back asks for: the most the server gives
const CACHED = 200; // events kept over a reload: a screen's worth of scrolling without the network
const KEPT = 6000; // events held while reading on; older ones are paged again when somebody scrolls there
const TRIMMED = 5000;
const SAVE_AFTER = 1500; // milliseconds without a change

interface Cached {
  epoch: string;
  title: string;
  events: Event[];
  members: Participant[];
}

/** Where the reader was: a row and how far it was scrolled past, in pixels; null is the end. */
export type Place = { key: string; offset: number } | null;

export interface Hooks {
  /** Each new event, once, before it is on the screen. */
  happened(room: Room, event: Event): void;
  refused(text: string): void;
  turned(state: State): void;
}

/** Connected from its making until `close`. */
export class Room {
  readonly events = signal<readonly Event[]>([]);
  readonly outbox = signal<readonly Outgoing[]>([]);
  readonly state = signal<State>({ status: "connecting" });
  readonly members = signal<readonly Participant[]>([]);
  /** The names of those who are writing. */
  readonly typists = computed(() => {
    const names = new Map(this.members.value.map((each) => [each.participantId, each.displayName]));
    return this.#typists.ids.value.map((id) => names.get(id) ?? "Somebody");
  });
  readonly facts = signal<ConversationObject | null>(null);
  readonly title = signal("");
  /** Whether there is more above, which `older` fetches. */
  readonly more = computed(() => (this.events.value[0]?.sequence_id ?? 1) > 1);
  /** What this person may do here; undefined until it is known. */
  readonly role = computed(() => this.members.value.find((who) => who.participantId === this.me)?.role);
  readonly paging = signal(false);
  readonly pagingFailed = signal("");
  /** The reader's marker: what follows this sequence is new to them. */
  readonly divider = signal<number | null>(null);
  /** How many there are; `members` names at most a hundred. */
  readonly count = signal(0);
  /** Counts what was said here, so that the log can show it wherever the reader is. */
  readonly spoken = signal(0);
  readonly replyTo = signal<{ id: string; name: string; content: string } | null>(null);
  readonly rows = computed(() =>
    arrange(this.events.value, this.outbox.value, {
      me: this.me,
      readBefore: this.divider.value,
      more: this.more.value,
      starts: this.#starts,
    }),
  );

  readonly #conversation: Conversation;
  readonly #starts = new Set<number>();
  readonly #incoming: Event[] = [];
  readonly #typists = new Typists();
  #flushing = false;
  #saving = 0;
  #read = 0;
  #counted: number | null = null;
  #opening = false;
  #lastVisit: number | null = null; // the last event that was here before the page was opened
  #looking = false;
  /** Set by the log while the last row is in sight: only then may old events go. */
  atEnd = true;
  #locate: (() => Place) | null = null;

  readonly id: string;
  readonly me: string;
  readonly #salon: Salon;
  readonly #shelf: Shelf;
  readonly #hooks: Hooks;

  constructor(salon: Salon, shelf: Shelf, id: string, me: string, hooks: Hooks) {
    this.id = id;
    this.me = me;
    this.#salon = salon;
    this.#shelf = shelf;
    this.#hooks = hooks;
    const cached = shelf.get<Cached>(`room.${id}`);
    if (cached) {
      this.events.value = cached.events;
      this.members.value = cached.members.map((who) => ({ ...who, isOnline: false }));
      this.title.value = cached.title;
    }
    const last = cached?.events.at(-1)?.sequence_id;
    this.#lastVisit = last ?? null;
    this.#conversation = salon.open(
      id,
      cached && last !== undefined
        ? { lastSequenceId: last, epoch: cached.epoch, resume: "newest" }
        : { resume: "newest" },
    );
    this.#listen();
  }

  /** Say it; it shows at once and stays until its receipt is here. Throws where too much waits already. */
  send(content: string): void {
    const reply = this.replyTo.value;
    this.#conversation.send(content, reply ? { reply_to: reply.id } : {});
    batch(() => {
      this.replyTo.value = null;
      this.divider.value = null;
      this.spoken.value++;
    });
  }

  retry(key: string): void {
    this.#conversation.retry(key);
  }

  discard(key: string): void {
    this.#conversation.discard(key);
  }

  reconnect(): void {
    this.#conversation.reconnect();
  }

  /** Unicode code points that a message may have; 0 for no bound that is known. */
  get longest(): number {
    return this.#conversation.maxMessageSize;
  }

  typing(is: boolean): void {
    this.#conversation.typing(is);
  }

  /** The reader has seen this far. */
  seen(sequence: number): void {
    if (sequence <= this.#read) return;
    this.#read = sequence;
    this.#conversation.read(sequence);
  }

  /** The reader opens it, with that many unread messages; null where nobody has counted yet. */
  unreadFrom(count: number | null): void {
    this.divider.value = null;
    this.#counted = count;
    this.#opening = true;
    if (this.state.value.status === "live") this.#caughtUp();
  }

  /** From now on what arrives is new: the reader looks elsewhere. */
  markFrom(sequence: number): void {
    if (this.divider.value === null) this.divider.value = sequence;
  }

  /** One page further back. */
  async older(): Promise<void> {
    const first = this.events.value[0]?.sequence_id;
    if (first === undefined || first <= 1 || this.paging.value) return;
    this.paging.value = true;
    try {
      const page = await this.#salon.messages(this.id, { before: first, limit: PAGE });
      batch(() => {
        this.pagingFailed.value = "";
        // What was dropped meanwhile, by a reset, is not to be glued to what is here now.
        if (this.events.value[0]?.sequence_id === first) {
          this.#starts.add(first);
          this.events.value = [...page.events, ...this.events.value];
        }
      });
    } catch (error) {
      this.pagingFailed.value = said(error);
    } finally {
      this.paging.value = false;
    }
  }

  /** The conversation's own data, when it is opened. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const facts = await this.#salon.look(this.id);
      batch(() => {
        this.facts.value = facts;
        this.title.value = facts.title;
      });
    } catch {
      // The socket says what is wrong; this only decorates.
    } finally {
      this.#looking = false;
    }
  }

  get draft(): string {
    return this.#shelf.get<string>(`draft.${this.id}`) ?? "";
  }

  set draft(text: string) {
    if (text) this.#shelf.put(`draft.${this.id}`, text);
    else this.#shelf.drop(`draft.${this.id}`);
  }

  /** Where the reader was when this was last open. */
  get place(): Place {
    return this.#shelf.get<Place>(`place.${this.id}`);
  }

  /** The log on the screen tells where the reader is, to be found again after a reload; null where it goes. */
  watch(locate: (() => Place) | null): void {
    if (locate === null) this.#savePlace();
    this.#locate = locate;
  }

  /** The reader has moved. */
  moved(): void {
    this.#saveSoon();
  }

  save(): void {
    clearTimeout(this.#saving);
    this.#saving = 0;
    this.#flush();
    this.#savePlace();
    const epoch = this.#conversation.epoch;
    if (epoch === undefined || !this.events.value.length) return;
    const value: Cached = {
      epoch,
      title: this.title.value,
      events: this.events.value.slice(-CACHED),
      members: [...this.members.value],
    };
    this.#shelf.put(`room.${this.id}`, value);
  }

  close(): void {
    this.save();
    this.#conversation.close();
  }

  /** Gone for this person: nothing of it stays here. */
  forget(): void {
    clearTimeout(this.#saving);
    this.#conversation.close();
    for (const kind of ["room", "place", "draft"]) this.#shelf.drop(`${kind}.${this.id}`);
  }

  #listen(): void {
    const conversation = this.#conversation;
    this.outbox.value = conversation.outbox;
    this.state.value = conversation.state;
    conversation.on("event", (event) => this.#take(event));
    conversation.on("outbox", (outbox) => {
      // A message leaves the outbox with its event, and both have to be on the screen in the same frame.
      this.#flush();
      this.outbox.value = outbox;
    });
    conversation.on("participants", (members) => {
      this.members.value = members;
      this.count.value = conversation.participantCount;
    });
    conversation.on("typing", ({ participant_id, is_typing }) => {
      if (participant_id !== this.me) this.#typists.set(participant_id, is_typing);
    });
    conversation.on("read", ({ participant_id, sequence_id }) => {
      if (participant_id === this.me) this.#read = Math.max(this.#read, sequence_id);
    });
    conversation.on("reset", () => this.#begin());
    conversation.on("refused", (refusal) => this.#hooks.refused(refusal.error));
    conversation.on("state", (state) => {
      this.#flush();
      this.state.value = state;
      if (state.status === "live") this.#caughtUp();
      else if (state.status !== "catching-up") this.#typists.clear();
      this.#hooks.turned(state);
    });
  }

  /** What was kept belongs to another log, or has a hole after it. */
  #begin(): void {
    this.#incoming.length = 0;
    this.events.value = [];
  }

  #take(event: Event): void {
    this.#incoming.push(event);
    this.#hooks.happened(this, event);
    if (this.#flushing) return;
    this.#flushing = true;
    // A hundred messages in one frame are drawn once; a hidden page is given no frames.
    if (document.hidden) setTimeout(() => this.#flush(), 100);
    else requestAnimationFrame(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.#incoming.length) return;
    let events = [...this.events.value];
    for (const event of this.#incoming.splice(0)) {
      const last = events.at(-1)?.sequence_id;
      if (last !== undefined && event.sequence_id <= last) continue;
      if (last !== undefined && event.sequence_id > last + 1) events = [];
      events.push(event);
      if (event.type === "message") this.#typists.set(event.message.sender_id, false);
    }
    if (this.atEnd && events.length > KEPT) events = events.slice(-TRIMMED);
    batch(() => {
      this.events.value = events;
      const first = events[0];
      if (first?.type === "conversation_created") this.title.value = first.title;
    });
    this.#saveSoon();
  }

  #savePlace(): void {
    if (this.#locate === null) return;
    const place = this.#locate();
    if (place) this.#shelf.put(`place.${this.id}`, place);
    else this.#shelf.drop(`place.${this.id}`);
  }

  #saveSoon(): void {
    if (!this.#saving) this.#saving = window.setTimeout(() => this.save(), SAVE_AFTER);
  }

  /** Once after the opening: the marker stands before what the server counts as unread, or what came since the last visit. */
  #caughtUp(): void {
    if (!this.#opening) return;
    this.#opening = false;
    const events = this.events.value;
    const since = this.#lastVisit;
    const came = (event: Event): boolean =>
      event.type === "message" && event.message.sender_id !== this.me && event.sequence_id > (since ?? Infinity);
    if (this.#counted) this.divider.value = readBefore(events, this.#counted);
    else if (since !== null && events.some(came)) this.divider.value = since;
    this.#counted = this.#lastVisit = null;
  }
}
