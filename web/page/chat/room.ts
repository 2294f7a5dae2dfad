/** One conversation as this page lives it: its events, its outbox, who is here, and what of that outlives a reload. */

import { batch, computed, signal } from "@preact/signals";
import type { Salon } from "../sdk/salon.ts";
import type { Conversation, ConversationObject, Event, Outgoing, Participant, Preferences, State } from "../sdk/types.ts";
import { Around } from "./around.ts";
import { Answering } from "./answering.ts";
import { Deeds } from "./deeds.ts";
import type { Home } from "./home.ts";
import type { Hooks } from "./hooks.ts";
import { Keeping } from "./keeping.ts";
import { Kept, type Place } from "./kept.ts";
import { Marker } from "./marker.ts";
import { namesOf } from "./names.ts";
import { Past } from "./past.ts";
import { pinnedNow } from "./pinned.ts";
import type { Standing } from "./rank.ts";
import { Reading } from "./reading.ts";
import { changesOthers, settled } from "./settled.ts";
import type { Shelf } from "./shelf.ts";
import { Thread } from "./thread.ts";
import { arrange, titleOf, type View } from "./timeline.ts";
import { Typists } from "./typists.ts";
import { Uploads } from "./uploads.ts";

const KEPT = 6000; // events held while reading on; older ones are paged again when somebody scrolls there
const TRIMMED = 5000;
const UNSEEN = 200; // milliseconds without a frame
const SAVE_AFTER = 1500; // milliseconds without a change

/** Connected from its making until `close`. */
export class Room {
  readonly events = signal<readonly Event[]>([]);
  readonly outbox = signal<readonly Outgoing[]>([]);
  readonly state = signal<State>({ status: "connecting" });
  readonly members = signal<readonly Participant[]>([]);
  /** The names of those who are writing. */
  readonly typists = computed(() => this.#typists.ids.value.map((id) => this.names.value.get(id) ?? "Somebody"));
  readonly names = namesOf(this.members);
  readonly facts = signal<ConversationObject | null>(null);
  readonly title = signal("");
  /** What this person may do here; undefined until it is known. */
  readonly role = computed(() => this.members.value.find((who) => who.participantId === this.me)?.role);
  readonly standing = computed((): Standing => ({ role: this.role.value, permissions: this.facts.value?.permissions }));
  /** How many there are; `members` names at most a hundred. */
  readonly count = signal(0);
  /** How this person keeps it for themselves; null until it is known. */
  readonly preferences = signal<Preferences | null>(null);
  /** Counts what was said here, so that the log can show it wherever the reader is. */
  readonly spoken = signal(0);
  readonly replyTo = signal<{ id: string; name: string; content: string } | null>(null);
  readonly #settled = computed(() => arrange(this.events.value, this.outbox.value, this.view()));
  readonly answering = new Answering(this, (text) => this.#hooks.heard(this, text), (calls) => this.#hooks.waits(this, calls));
  readonly rows = computed(() => this.answering.after(this.#settled.value));

  /** The ids of the pinned messages, in the order of pinning. */
  readonly pinned = computed(() => pinnedNow(this.facts.value, this.events.value, this.deeds.changes.value));
  /** A message that the log is to bring into sight; anew for each time it is asked for. */
  readonly found = signal<{ sequence: number } | null>(null);
  /** The thread that is open beside the log. */
  readonly thread = signal<Thread | null>(null);
  /** A place far back that is open beside the log. */
  readonly around = signal<Around | null>(null);
  readonly keeping: Keeping;
  readonly reading = new Reading(() => this.#conversation);
  /** The files that go with the next message. */
  readonly uploads: Uploads;
  readonly past: Past;
  readonly kept: Kept;
  readonly deeds: Deeds;
  readonly marker: Marker;

  readonly #conversation: Conversation;
  readonly #incoming: Event[] = [];
  readonly #typists = new Typists();
  #flushing = false;
  #saving = 0;
  #looking = false;
  #gone = false; // this person has left, or signed out: nothing is kept any more, whatever is still under way
  /** Set by the log while the last row is in sight: only then may old events go. */
  atEnd = true;
  #locate: (() => Place) | null = null;

  readonly id: string;
  readonly me: string;
  readonly home: Home;
  readonly #salon: Salon;
  readonly #hooks: Hooks;

  constructor(home: Home, shelf: Shelf, id: string, me: string, hooks: Hooks) {
    this.id = id;
    this.me = me;
    const { salon } = home;
    this.home = home;
    this.#salon = salon;
    this.#hooks = hooks;
    this.keeping = new Keeping(salon, id, me, () => this.standing.value);
    this.past = new Past(salon, id, this.events);
    this.kept = new Kept(shelf, id);
    this.uploads = new Uploads(home, id, this.kept.files, (files) => void (this.kept.files = files));
    const { cached } = this.kept;
    if (cached) {
      this.events.value = cached.events;
      this.members.value = cached.members.map((who) => ({ ...who, isOnline: false }));
      this.title.value = cached.title;
    }
    const last = cached?.events.at(-1)?.sequence_id;
    this.marker = new Marker(last ?? null);
    this.#conversation = salon.open(
      id,
      cached && last !== undefined
        ? { lastSequenceId: last, epoch: cached.epoch, resume: "newest" }
        : { resume: "newest" },
    );
    this.deeds = new Deeds(this.#conversation, hooks.refused);
    this.#listen();
  }

  /** How the reader sees it. */
  view(): View {
    return {
      me: this.me,
      readBefore: this.marker.after.value,
      more: this.past.more.value,
      starts: this.past.starts,
      names: this.names.value,
      changes: this.deeds.changes.value,
      deleting: this.deeds.deleting.value,
    };
  }

  /** Say it; it shows at once and stays until its receipt is here. Throws where too much waits already. */
  send(content: string, mentions: readonly string[] = []): void {
    const reply = this.replyTo.value;
    const files = this.uploads.given();
    this.#conversation.send(content, { ...(reply && { reply_to: reply.id }), ...(mentions.length > 0 && { mentions }), ...(files.length > 0 && { files }) });
    this.uploads.clear();
    this.reading.held = false;
    batch(() => {
      this.replyTo.value = null;
      this.marker.clear();
      this.spoken.value++;
    });
  }

  /** Say it in the open thread. Throws as `send` does. */
  answer(thread: string, content: string, mentions: readonly string[], inLog: boolean): void {
    const uploads = this.thread.value?.uploads;
    const files = uploads?.given() ?? [];
    const more = { ...(files.length > 0 && { files }), thread_id: thread, ...(inLog && { also_in_channel: true }), ...(mentions.length > 0 && { mentions }) };
    this.#conversation.send(content, more);
    uploads?.clear();
    this.spoken.value++;
  }

  /** Open the thread of a message beside the log. */
  follow(id: string): void {
    if (this.thread.value?.id !== id) this.thread.value = new Thread(this.#salon, this, id);
  }

  retry(key: string): void {
    this.#conversation.retry(key);
  }

  discard(key: string): void {
    this.#conversation.discard(key);
  }

  /** To stop an answer, to ask for another, to allow what it waits for. */
  get answers(): Pick<Conversation, "cancel" | "regenerate" | "approve"> {
    return this.#conversation;
  }

  reconnect(): void {
    this.#conversation.reconnect();
  }

  /** Unicode code points that a message may have; 0 for no bound that is known. */
  get longest(): number {
    return this.#conversation.maxMessageSize;
  }

  /** The last event that has come, on the screen or about to be. */
  get position(): number {
    return this.#conversation.position;
  }

  typing(is: boolean): void {
    this.#conversation.typing(is);
  }

  /** What follows the one before this is new to them again, here and on their other devices. */
  unread(sequence: number): void {
    this.reading.unreadAfter(sequence - 1);
    this.marker.after.value = sequence - 1;
  }

  /** The reader opens it, with that many unread messages; null where nobody has counted yet. */
  unreadFrom(count: number | null): void {
    this.reading.held = false;
    this.marker.open(count);
    if (this.state.value.status === "live") this.#caughtUp();
  }

  /** Keep it so for oneself from now on. Throws `Refused`. */
  async keep(changes: Partial<Preferences>): Promise<void> {
    this.preferences.value = await this.#salon.setPreferences(this.id, changes);
    await this.home.preferred();
  }

  /** Bring a message into sight, however far back it is; or say why not. */
  async jump(id: string): Promise<void> {
    const sequence = await this.past.reach(id);
    if (sequence === "too far") this.#hooks.refused("That was said more than ten thousand messages ago: it is too far back to go there.");
    else if (sequence !== null) this.found.value = { sequence };
  }

  /** Show a message that was looked for: in the log, or by itself where it is too far back. */
  async visit(id: string): Promise<void> {
    const sequence = this.past.sequenceOf(id);
    if (sequence === null || !this.past.isFar(sequence)) return this.jump(id);
    batch(() => {
      this.thread.value = null;
      this.around.value = new Around(this.#salon, this, sequence);
    });
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
        this.preferences.value = facts.me;
      });
      void this.keeping.look();
    } catch {
      // The socket says what is wrong; this only decorates.
    } finally {
      this.#looking = false;
    }
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
    if (this.#gone) return;
    clearTimeout(this.#saving);
    this.#saving = 0;
    this.#flush();
    this.#savePlace();
    const epoch = this.#conversation.epoch;
    if (epoch === undefined || !this.events.value.length) return;
    this.kept.cached = { epoch, title: this.title.value, events: this.events.value, members: this.members.value };
  }

  close(): void {
    this.deeds.finish();
    this.uploads.stop();
    this.save();
    this.#conversation.close();
    this.answering.take([]);
  }

  /** Gone for this person: nothing of it stays here. */
  forget(): void {
    this.#gone = true;
    this.uploads.stop();
    clearTimeout(this.#saving);
    this.#conversation.close();
    this.answering.take([]);
    this.kept.forget();
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
    conversation.on("runs", (runs) => {
      this.#flush(); // the message of a run takes its place in the same frame
      this.answering.take(runs);
    });
    conversation.on("participants", (members) => {
      this.members.value = members;
      this.count.value = conversation.participantCount;
    });
    conversation.on("typing", ({ participant_id, is_typing }) => {
      if (participant_id !== this.me) this.#typists.set(participant_id, is_typing);
    });
    conversation.on("read", ({ participant_id, sequence_id, thread_id }) => {
      if (participant_id !== this.me || thread_id !== undefined) return;
      this.reading.told(sequence_id);
      this.#hooks.read(this, sequence_id);
    });
    conversation.on("preferences", (preferences) => {
      this.preferences.value = preferences;
      void this.home.preferred();
    });
    conversation.on("reset", ({ why }) => this.#begin(why === "epoch"));
    conversation.on("refused", (refusal) => this.#hooks.refused(refusal.error));
    conversation.on("state", (state) => {
      this.#flush();
      this.state.value = state;
      if (state.reason?.code === "DELETED") this.#vanish();
      if (state.status === "live") {
        this.#caughtUp();
        void this.thread.value?.load();
      } else if (state.status !== "catching-up") this.#typists.clear();
      this.#hooks.turned(state);
    });
  }

  /** It was deleted for everybody: nothing of it stays on the screen or in the browser. */
  #vanish(): void {
    this.forget();
    batch(() => {
      this.events.value = [];
      this.thread.value = this.around.value = null;
    });
    void this.home.preferred();
  }

  /** What was kept belongs to another log, or has a hole after it. */
  #begin(anotherLog: boolean): void {
    if (anotherLog) this.reading.forget();
    this.#incoming.length = 0;
    this.events.value = [];
  }

  #take(event: Event): void {
    this.#incoming.push(event);
    if (event.type === "conversation_updated" && (event.permissions || event.history || event.slow_mode !== undefined)) void this.look();
    if (this.state.value.status === "live" && this.facts.value) this.keeping.happened(event);
    this.answering.happened(event, this.state.value.status === "live");
    this.#hooks.happened(this, event);
    if (this.#flushing) return;
    this.#flushing = true;
    // A hundred messages in one frame are drawn once; a page that nobody sees is given no frames.
    requestAnimationFrame(() => this.#flush());
    setTimeout(() => this.#flush(), UNSEEN);
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.#incoming.length) return;
    let events = [...this.events.value];
    const fresh = this.#incoming.splice(0);
    for (const event of fresh) {
      const last = events.at(-1)?.sequence_id;
      if (last !== undefined && event.sequence_id <= last) continue;
      if (last !== undefined && event.sequence_id > last + 1) events = [];
      events.push(event);
      if (event.type === "message") this.#typists.set(event.message.sender_id, false);
    }
    if (fresh.some(changesOthers)) {
      events = settled(events);
      this.past.changed(fresh);
    }
    if (this.atEnd && !this.past.searching && events.length > KEPT) events = events.slice(-TRIMMED);
    batch(() => {
      this.events.value = events;
      const title = titleOf(events);
      if (title !== undefined) this.title.value = title;
    });
    this.#saveSoon();
  }

  #savePlace(): void {
    if (this.#locate !== null && !this.#gone) this.kept.place = this.#locate();
  }

  #saveSoon(): void {
    if (!this.#saving) this.#saving = window.setTimeout(() => this.save(), SAVE_AFTER);
  }

  #caughtUp(): void {
    this.marker.caughtUp(this.events.value, this.me);
  }
}
