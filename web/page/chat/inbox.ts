/** This person's conversations: the list, the one that is open, and those that listen in the background. */

import { batch, computed, type Signal, signal } from "@preact/signals";
import { Refused, type Salon } from "../sdk/salon.ts";
import { isChange } from "../sdk/fold.ts";
import type { ChangeEvent, ConversationLine, Event, Identity, Message, NewConversation, State } from "../sdk/types.ts";
import { Backoff } from "../sdk/verdict.ts";
import { Archive, listed } from "./archive.ts";
import { isInLog } from "./belonging.ts";
import { Calls } from "./calls.ts";
import type { Environment } from "./environment.ts";
import type { Home } from "./home.ts";
import { Changes } from "./changes.ts";
import { changed, merged, read, renamed, told } from "./lines.ts";
import { aloud } from "./news.ts";
import { Pace } from "./pace.ts";
import { Poll } from "./poll.ts";
import { Room } from "./room.ts";
import type { Shelf } from "./shelf.ts";
import type { Voice } from "./voice.ts";
import { said } from "./words.ts";

const PAGE = 50;
/** Sockets besides the open one. A person may have 20: three tabs fit, with a phone. */
const LISTENING = 4;
const SOON = 500; // milliseconds: those that come back together are one look

/** Lives as long as one person is signed in. */
export class Inbox implements Home {
  readonly salon: Salon;
  readonly root: Document | ShadowRoot;
  readonly arrival: Signal<string | null>;
  readonly go: Environment["go"];
  readonly address: Environment["address"];
  readonly inviteAddress: Environment["inviteAddress"];
  readonly toast: Environment["toast"];
  readonly say: Voice["say"];
  readonly speak: Voice["speak"];

  readonly lines = signal<readonly ConversationLine[]>([]);
  readonly total = signal(0);
  readonly loaded = signal(false);
  readonly failure = signal("");
  readonly open = signal<Room | null>(null);
  /** Live where any conversation is; else of whichever changed last, or of the list where there is none. */
  readonly connection = signal<State>({ status: "connecting" });
  readonly archive: Archive;
  readonly calls: Calls;
  /** Messages and tool calls that this person has not seen. */
  readonly unread = computed(() => this.lines.value.reduce((sum, line) => sum + line.unread_count + this.calls.unseen(line.conversation_id), 0));

  readonly #rooms = new Map<string, Room>();
  readonly #stop: (() => void)[] = [];
  readonly #pace = new Pace(); // of looks at the list, for what no socket tells
  readonly #failing = new Backoff();
  readonly #since = new Set<string>(); // what has changed here since the server was last asked
  readonly #poll = new Poll(() => this.#ask());
  #wanted = PAGE;

  readonly me: Identity;
  readonly #shelf: Shelf;
  readonly #environment: Environment;

  constructor(me: Identity, environment: Environment) {
    this.me = me;
    this.#environment = environment;
    ({ salon: this.salon, root: this.root, arrival: this.arrival } = environment);
    ({ go: this.go, address: this.address, inviteAddress: this.inviteAddress, toast: this.toast } = environment);
    ({ say: this.say, speak: this.speak } = environment.voice);
    this.archive = new Archive(this.salon);
    this.calls = new Calls(this.open, environment);
    this.#shelf = environment.shelf.of(me.id);
    const cached = this.#shelf.get<ConversationLine[]>("list");
    if (Array.isArray(cached)) {
      this.lines.value = cached;
      this.total.value = cached.length;
      this.loaded.value = true;
    }
    const look = (): void => {
      if (!document.hidden) void this.refresh();
    };
    const save = (): void => {
      for (const room of this.#rooms.values()) room.deeds.finish(); // nobody can undo it any more
      this.save();
    };
    for (const [target, name, act] of [[document, "visibilitychange", look], [window, "online", look], [window, "pagehide", save]] as const) {
      target.addEventListener(name, act);
      this.#stop.push(() => target.removeEventListener(name, act));
    }
    this.#stop.push(environment.here.subscribe((id) => this.#show(id)));
    if (environment.byCookie) {
      const changes = new Changes(`${this.salon.url}/me/events`, () => this.#poll.later(SOON));
      this.#stop.push(() => changes.stop());
    }
    void this.refresh();
  }

  preferred(): Promise<void> {
    this.archive.doubt();
    return this.refresh();
  }

  /** Look at the server's list. */
  refresh(): Promise<void> {
    return this.#poll.now();
  }

  /** Connect now. */
  reconnect(): void {
    for (const room of this.#rooms.values()) room.reconnect();
    void this.refresh();
  }

  async showMore(): Promise<void> {
    this.#wanted = this.lines.value.length + PAGE;
    await this.refresh();
  }

  async create(fields: NewConversation): Promise<void> {
    const created = await this.salon.create(fields);
    await this.refresh();
    this.go(created.conversation_id);
  }

  /** Change the title of one's own conversation. Throws `Refused`. */
  async rename(room: Room, title: string): Promise<void> {
    room.title.value = (await this.salon.update(room.id, { title })).title;
  }

  /** Come in by the conversation's address. Throws `Refused`. */
  async join(id: string): Promise<void> {
    try {
      await this.salon.join(id);
    } catch (error) {
      if (!(error instanceof Refused && error.refusal.code === "ALREADY_PARTICIPANT")) throw error;
    }
    this.#rooms.get(id)?.close();
    this.#rooms.delete(id);
    this.open.value = null;
    this.#show(id);
    await this.refresh();
  }

  async leave(room: Room): Promise<void> {
    await this.salon.leave(room.id);
    this.#drop(room);
  }

  async deleteConversation(room: Room): Promise<void> {
    await this.salon.deleteConversation(room.id);
    this.#drop(room);
  }

  /** The reader is at the end of the open conversation and looks at it. */
  seen(room: Room): void {
    const last = room.events.value.at(-1)?.sequence_id;
    if (last === undefined || room.reading.held) return;
    room.reading.seen(last);
    this.#change(room.id, read);
  }

  line(id: string): ConversationLine | undefined {
    const isIt = (each: ConversationLine): boolean => each.conversation_id === id;
    return this.lines.value.find(isIt) ?? this.archive.lines.value.find(isIt);
  }

  /** Whether a guest was asked, once, to sign in and keep what is theirs. */
  get hinted(): boolean {
    return this.#shelf.get<boolean>("hinted") ?? false;
  }
  set hinted(was: boolean) {
    this.#shelf.put("hinted", was);
  }

  /** How many messages and changes have no receipt yet, in all conversations that are open here. */
  waiting(): number {
    return [...this.#rooms.values()].reduce((sum, room) => sum + room.outbox.value.length + room.deeds.changes.value.length, 0);
  }

  save(): void {
    for (const room of this.#rooms.values()) room.save();
    if (this.loaded.value) this.#shelf.put("list", this.lines.value);
  }

  /** They have signed out: keep nothing. */
  abandon(): void {
    this.loaded.value = false;
    for (const room of this.#rooms.values()) room.forget();
    this.#end();
    this.#shelf.clear();
  }

  close(): void {
    if (this.#environment.hasLeft()) return this.abandon(); // another tab has signed out
    for (const room of this.#rooms.values()) room.close();
    this.#end();
  }

  /** It is no conversation of theirs any more. */
  #drop(room: Room): void {
    room.forget();
    this.#rooms.delete(room.id);
    batch(() => {
      this.lines.value = this.lines.value.filter((line) => line.conversation_id !== room.id);
      this.open.value = null;
    });
    this.go(null);
    this.archive.doubt();
    void this.refresh();
  }

  #end(): void {
    this.#poll.stop();
    for (const stop of this.#stop.splice(0)) stop();
    this.#rooms.clear();
  }

  #show(id: string | null): void {
    if (id === (this.open.value?.id ?? null)) return;
    this.open.value?.save();
    if (id === null) return void (this.open.value = null);
    const room = this.#room(id);
    room.unreadFrom(this.line(id)?.unread_count ?? null);
    this.open.value = room;
    void room.look();
  }

  #room(id: string): Room {
    let room = this.#rooms.get(id);
    if (room === undefined) {
      room = new Room(this, this.#shelf, id, this.me.id, {
        happened: (which, event) => this.#happened(which, event),
        refused: this.toast,
        heard: (which, text) => which === this.open.value && this.say(text),
        waits: (which, calls) => this.calls.take(which, calls),
        read: (which, sequence) => {
          if (which.position <= sequence) this.#change(which.id, read);
          else this.#poll.later(SOON); // it has moved back, or not all the way
        },
        turned: (state) => this.#turned(state),
      });
      this.#rooms.set(id, room);
    }
    return room;
  }

  /** Milliseconds until the next look. */
  async #ask(): Promise<number> {
    this.#since.clear();
    try {
      const { lines, total } = await listed(this.salon, this.#wanted, false);
      await this.archive.look();
      if (this.#poll.stopped) return Infinity; // signed out meanwhile: nothing of it may be kept
      this.#take(lines, total);
      this.#failing.reset();
      await this.#sendRest();
      return this.#pace.next(document.hidden);
    } catch (error) {
      return this.#poll.stopped ? Infinity : this.#failed(error);
    }
  }

  #failed(error: unknown): number {
    if (error instanceof Refused && error.status === 401) {
      this.#environment.lost(); // and where the same person comes back, `reconnect`
      return Infinity;
    }
    const after = error instanceof Refused ? error.refusal.retry_after : undefined;
    const wait = Math.max(this.#failing.delay(after), document.hidden ? this.#pace.next(true) : 0);
    this.failure.value = said(error);
    this.#told({ status: "offline", retryAt: Date.now() + wait });
    return wait;
  }

  #take(answered: readonly ConversationLine[], total: number): void {
    const lines = merged(answered, this.lines.value, this.#since);
    batch(() => {
      this.lines.value = lines.map((line) => (this.#isRead(line.conversation_id) ? read(line) : line));
      this.total.value = total;
      this.loaded.value = true;
      this.failure.value = "";
      if (!lines.length) this.#told({ status: "live" });
    });
    this.#shelf.put("list", this.lines.value);
    this.#listen();
  }

  /** A connection that is back may have missed what only the list tells; one that is over may mean that the session is. */
  #turned(state: State): void {
    if (state.status !== "ended") this.#told(state);
    if (state.status === "live") this.#poll.later(SOON);
    if (state.status === "ended" && state.reason?.code === "UNAUTHENTICATED") this.#environment.doubted();
  }

  /** One live connection shows that the server is there, whatever becomes of another. */
  #told(state: State): void {
    const live = [...this.#rooms.values()].find((room) => room.state.value.status === "live");
    this.connection.value = live?.state.value ?? state;
    this.#environment.turned(this.connection.value);
  }

  /** Sockets to the newest, and to whatever has something waiting to be sent. */
  #listen(): void {
    const newest = this.lines.value.slice(0, LISTENING).map((line) => line.conversation_id);
    const wanted = new Set(newest);
    if (this.open.value) wanted.add(this.open.value.id);
    for (const [id, room] of this.#rooms) {
      if (wanted.has(id) || room.outbox.value.length || room.deeds.changes.value.length) continue;
      room.close();
      this.#rooms.delete(id);
    }
    for (const id of newest) this.#room(id);
  }

  /** What was written before a reload, in conversations that nobody has opened since, goes out too: some at a time. */
  async #sendRest(): Promise<void> {
    const left = await this.salon.unsent();
    if (!this.#poll.stopped) for (const id of left.slice(0, LISTENING)) this.#room(id);
  }

  #isRead(id: string): boolean {
    const room = this.open.value;
    return room?.id === id && room.atEnd && !room.reading.held && !document.hidden;
  }

  #happened(room: Room, event: Event): void {
    // What comes while catching up has been counted by the server, in the list.
    const live = room.state.value.status === "live";
    if (isChange(event)) return this.#changed(room, event, live);
    if (event.type !== "message") {
      if (live && event.type === "participant_left" && event.participant.id === this.me.id) void this.refresh();
      return this.#change(room.id, (line) => renamed(line, event));
    }
    const message = event.message;
    const own = message.sender_id === this.me.id;
    if (message.deleted) return;
    if (!isInLog(message)) return this.#answered(room, message, live && !own);
    const unread = live && !own && !this.#isRead(room.id);
    this.#change(room.id, (line) => told(line, message, this.me.id, unread));
    const rest = room.answering.rest(message);
    if (!live || own) return;
    if (unread && room === this.open.value) room.marker.begin(event.sequence_id - 1);
    if (room === this.open.value) this.speak(message, rest);
    this.#environment.heard(room, message, true);
  }

  /** The server counts and previews anew what was deleted or edited. */
  #changed(room: Room, event: ChangeEvent, live: boolean): void {
    if (!live) return;
    if (event.type === "message_deleted" || event.type === "message_edited") this.#poll.later(SOON);
    if (room === this.open.value) this.say(aloud(event, room));
  }

  /** Somebody has answered in a thread, which the main log does not show. */
  #answered(room: Room, message: Message, news: boolean): void {
    if (!news) return;
    if (room === this.open.value && room.thread.value?.id === message.thread_id) this.speak(message);
    this.#environment.heard(room, message, false);
  }

  #change(id: string, change: (line: ConversationLine) => ConversationLine): void {
    const lines = changed(this.lines.value, id, change);
    if (lines === this.lines.value) return;
    this.#since.add(id);
    this.lines.value = lines;
  }
}
