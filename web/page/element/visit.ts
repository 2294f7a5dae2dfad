/** One person in one conversation, in a page of somebody else: who they are, and the room that is drawn for them. */

import { signal } from "@preact/signals";
import type { Home } from "../chat/home.ts";
import { Room } from "../chat/room.ts";
import { Shelf } from "../chat/shelf.ts";
import { Toasts } from "../chat/toast.ts";
import { Voice } from "../chat/voice.ts";
import { said } from "../chat/words.ts";
import { Refused, type Salon } from "../sdk/salon.ts";
import type { Event, Message, State } from "../sdk/types.ts";
import { Backoff } from "../sdk/verdict.ts";
import { announce } from "./announce.ts";

export type Phase =
  | { is: "asking" }
  | { is: "unreachable"; error: string; retryAt: number }
  /** `guests`: one may say a name and come in. */
  | { is: "nobody"; guests: boolean }
  | { is: "in"; room: Room };

/** What the page around it provides and is told. */
export interface Surroundings {
  /** A token for this person, where the page can get one. */
  token(): (() => string | Promise<string>) | undefined;
  state(state: State): void;
  message(message: Message): void;
}

export class Visit implements Home {
  readonly phase = signal<Phase>({ is: "asking" });
  readonly toasts = new Toasts();
  readonly voice = new Voice();
  readonly arrival = signal<string | null>(null);
  readonly go = null;
  readonly toast = this.toasts.show;
  readonly say = this.voice.say;
  readonly speak = this.voice.speak;
  readonly salon: Salon;
  readonly root: ShadowRoot;
  readonly #id: string;
  readonly #surroundings: Surroundings;
  readonly #shelf = new Shelf();
  readonly #failing = new Backoff();
  readonly #end = new AbortController();
  #timer = 0;
  #attempt = 0; // only the last one counts

  constructor(salon: Salon, root: ShadowRoot, id: string, surroundings: Surroundings) {
    this.salon = salon;
    this.root = root;
    this.#id = id;
    this.#surroundings = surroundings;
    addEventListener("pagehide", () => this.#save(), { signal: this.#end.signal });
  }

  /** Find out who is here, by this token if there is one, and show them the conversation. */
  async enter(token: string | undefined): Promise<void> {
    clearTimeout(this.#timer);
    this.salon.token = token;
    const attempt = ++this.#attempt;
    const over = (): boolean => attempt !== this.#attempt || this.#end.signal.aborted;
    try {
      const me = await this.#identify();
      if (over()) return;
      this.#failing.reset();
      if (me !== null) return this.#show(me);
      const { guests } = await this.salon.request<{ guests: boolean }>("GET", "/auth/ways");
      if (over()) return;
      if (this.phase.value.is === "in") this.phase.value.room.close();
      this.phase.value = { is: "nobody", guests: guests && !this.#surroundings.token() };
    } catch (error) {
      if (over()) return;
      const wait = this.#failing.delay(error instanceof Refused ? error.refusal.retry_after : undefined);
      if (this.phase.value.is !== "in") this.phase.value = { is: "unreachable", error: said(error), retryAt: Date.now() + wait };
      this.#timer = window.setTimeout(() => void this.again(), wait);
    }
  }

  /** Try now. */
  again(): Promise<void> {
    return this.enter(this.salon.token);
  }

  /** Come in as a guest. Throws `Refused`. */
  async welcome(name: string): Promise<void> {
    const guest = await this.salon.guest(name.trim() || undefined);
    // At home the cookie carries the session, elsewhere there is nothing but the token.
    if (!this.#atHome) this.#shelf.setItem(this.#kept, guest.token);
    await this.enter(this.#atHome ? undefined : guest.token);
  }

  /** Nothing of this person stays in this browser. */
  forget(): void {
    const phase = this.phase.value;
    if (phase.is === "in") {
      phase.room.forget();
      this.#shelf.of(phase.room.me).clear();
    }
    this.salon.shelf.forget(); // what waits to be sent
    this.#shelf.removeItem(this.#kept);
    this.#stop();
  }

  close(): void {
    if (this.phase.value.is === "in") this.phase.value.room.close();
    this.#stop();
  }

  address(id: string): string {
    return `${this.salon.url}/c/${encodeURIComponent(id)}`;
  }

  inviteAddress(code: string): string {
    return `${this.salon.url}/invites/${encodeURIComponent(code)}`;
  }

  line(): undefined {}

  seen(room: Room): void {
    const last = room.events.value.at(-1)?.sequence_id;
    if (last !== undefined && !room.reading.held) room.reading.seen(last);
  }

  async refresh(): Promise<void> {}

  async rename(room: Room, title: string): Promise<void> {
    room.title.value = (await this.salon.update(room.id, { title })).title;
  }

  async join(id: string): Promise<void> {
    try {
      await this.salon.join(id);
    } catch (error) {
      if (!(error instanceof Refused && error.refusal.code === "ALREADY_PARTICIPANT")) throw error;
    }
    this.#again((room) => room.close());
  }

  async leave(room: Room): Promise<void> {
    await this.salon.leave(room.id);
    this.#again(() => room.forget());
  }

  async #identify(): Promise<string | null> {
    const token = this.#surroundings.token();
    if (token) this.salon.token ??= await token();
    else this.salon.token ??= this.#shelf.getItem(this.#kept) ?? undefined;
    const me = await this.salon.me();
    if (me !== null || !token) return me?.id ?? null;
    this.salon.token = await token(); // the one that was there has expired
    return (await this.salon.me())?.id ?? null;
  }

  #show(me: string): void {
    const now = this.phase.value;
    // The same person with another token goes on where they were.
    if (now.is === "in" && now.room.me === me) return now.room.reconnect();
    if (now.is === "in") now.room.close();
    const room = new Room(this, this.#shelf.of(me), this.#id, me, {
      happened: (which, event) => this.#happened(which, event),
      refused: this.toast,
      heard: (_, text) => this.say(text),
      waits: () => {},
      read: () => {},
      turned: (state) => this.#turned(state),
    });
    room.unreadFrom(null);
    this.phase.value = { is: "in", room };
    void room.look();
  }

  #again(end: (room: Room) => void): void {
    const now = this.phase.value;
    if (now.is !== "in") return;
    end(now.room);
    this.phase.value = { is: "asking" };
    if (!this.#end.signal.aborted) this.#show(now.room.me);
  }

  #happened(room: Room, event: Event): void {
    const looked = room.atEnd && !room.reading.held && !document.hidden;
    const news = announce(room, event, { home: this, looked });
    if (news) this.#surroundings.message(news);
  }

  #turned(state: State): void {
    this.#surroundings.state(state);
    if (state.status === "ended" && state.reason?.code === "UNAUTHENTICATED") void this.#expired();
  }

  async #expired(): Promise<void> {
    if (!this.#surroundings.token()) this.#shelf.removeItem(this.#kept);
    await this.enter(undefined);
  }

  #save(): void {
    if (this.phase.value.is !== "in") return;
    this.phase.value.room.deeds.finish(); // nobody can undo it any more
    this.phase.value.room.save();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#end.abort();
  }

  get #atHome(): boolean {
    return this.salon.url === location.origin;
  }

  /** Where the token of a guest is kept: by server. */
  get #kept(): string {
    return `salon.element.${this.salon.url}`;
  }
}
