/** One person in a page of somebody else: who they are, and what is drawn for them: one conversation, or all of theirs. */

import { type Signal, signal } from "@preact/signals";
import type { Environment } from "../chat/environment.ts";
import { Inbox } from "../chat/inbox.ts";
import type { Room } from "../chat/room.ts";
import { Shelf } from "../chat/shelf.ts";
import { Toasts } from "../chat/toast.ts";
import { Voice } from "../chat/voice.ts";
import { said } from "../chat/words.ts";
import { Refused, type Salon } from "../sdk/salon.ts";
import type { Identity, Message, State } from "../sdk/types.ts";
import { Backoff } from "../sdk/verdict.ts";
import { Single } from "./single.ts";

/** Where somebody is: with the list of their conversations, or in the only one. */
export type Stay = Inbox | Single;

export type Phase =
  | { is: "asking" }
  | { is: "unreachable"; error: string; retryAt: number }
  /** `guests`: one may say a name and come in. */
  | { is: "nobody"; guests: boolean }
  | { is: "in"; stay: Stay };

/** What the page around it provides and is told. */
export interface Surroundings {
  /** A token for this person, where the page can get one. */
  token(): (() => string | Promise<string>) | undefined;
  state(state: State): void;
  message(message: Message): void;
  /** Somebody has gone to a conversation of the list, or back to it. */
  opened(id: string | null): void;
}

export class Visit implements Environment {
  readonly phase = signal<Phase>({ is: "asking" });
  readonly toasts = new Toasts();
  readonly voice = new Voice();
  readonly arrival = signal<string | null>(null);
  readonly away = signal(document.hidden);
  readonly here = signal<string | null>(null);
  /** The recovery code of somebody who has come in as a guest, until they have kept it; over a reload, no longer. */
  readonly code: Signal<string | null>;
  readonly toast = this.toasts.show;
  readonly shelf = new Shelf();
  readonly salon: Salon;
  readonly root: ShadowRoot;
  readonly #list: boolean;
  readonly #surroundings: Surroundings;
  readonly #failing = new Backoff();
  readonly #end = new AbortController();
  #timer = 0;
  #attempt = 0; // only the last one counts

  /** `id` is the conversation that is shown first; null only with `list`. */
  constructor(salon: Salon, root: ShadowRoot, { id, list }: { id: string | null; list: boolean }, surroundings: Surroundings) {
    this.salon = salon;
    this.root = root;
    this.here.value = id;
    this.#list = list;
    this.#surroundings = surroundings;
    this.code = signal(fleeting()?.getItem(this.#codeKept) ?? null);
    const until = { signal: this.#end.signal };
    addEventListener("pagehide", () => this.#stay?.save(), until);
    document.addEventListener("visibilitychange", () => (this.away.value = document.hidden), until);
  }

  /** Find out who is here, by this token if there is one, and show them what is theirs. */
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
      this.#stay?.close();
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
    const { token, recovery_code } = await this.salon.guest(name.trim() || undefined);
    this.code.value = recovery_code;
    fleeting()?.setItem(this.#codeKept, recovery_code);
    await this.#admit(token);
  }

  /** Come back as a guest. Throws `Refused`. */
  async recover(code: string): Promise<void> {
    await this.#admit((await this.salon.recover(code.trim())).token);
  }

  /** They have written the code down. */
  keepCode(): void {
    this.code.value = null;
    fleeting()?.removeItem(this.#codeKept);
  }

  /** Nothing of this person stays in this browser. */
  forget(): void {
    this.#stay?.abandon();
    this.salon.shelf.forget(); // what waits to be sent
    this.shelf.removeItem(this.#kept);
    this.keepCode();
    this.#stop();
  }

  close(): void {
    this.#stay?.close();
    this.#stop();
  }

  readonly go = (id: string | null): void => {
    if (id === this.here.value) return;
    this.here.value = id;
    this.#surroundings.opened(id);
  };

  readonly address = (id: string): string => `${this.salon.url}/c/${encodeURIComponent(id)}`;

  readonly inviteAddress = (code: string): string => `${this.salon.url}/invites/${encodeURIComponent(code)}`;

  readonly heard = (_: Room, message: Message): void => this.#surroundings.message(message);

  readonly called = (): void => {};

  readonly turned = (state: State): void => this.#surroundings.state(state);

  lost(): void {
    void this.#expired();
  }

  doubted(): void {
    void this.#expired();
  }

  hasLeft(): boolean {
    return false; // the page around it says when: `forget`
  }

  /** No `EventSource` takes a token along, or the cookie to another origin. */
  get byCookie(): boolean {
    return this.#atHome && this.salon.token === undefined;
  }

  get #stay(): Stay | null {
    return this.phase.value.is === "in" ? this.phase.value.stay : null;
  }

  async #admit(token: string): Promise<void> {
    // At home the cookie carries the session, elsewhere there is nothing but the token.
    if (!this.#atHome) this.shelf.setItem(this.#kept, token);
    await this.enter(this.#atHome ? undefined : token);
  }

  async #identify(): Promise<Identity | null> {
    const token = this.#surroundings.token();
    if (token) this.salon.token ??= await token();
    else this.salon.token ??= this.shelf.getItem(this.#kept) ?? undefined;
    const me = await this.salon.me();
    if (me !== null || !token) return me;
    this.salon.token = await token(); // the one that was there has expired
    return this.salon.me();
  }

  #show(me: Identity): void {
    const now = this.#stay;
    // The same person with another token goes on where they were.
    if (now?.me.id === me.id) return now.reconnect();
    now?.close();
    const stay = this.#list ? new Inbox(me, this) : new Single(me, this.here.value!, this);
    this.phase.value = { is: "in", stay };
  }

  async #expired(): Promise<void> {
    if (!this.#surroundings.token()) this.shelf.removeItem(this.#kept);
    await this.enter(undefined);
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

  get #codeKept(): string {
    return `${this.#kept}.code`;
  }
}

/** The storage of this tab; null where it is forbidden. */
function fleeting(): Storage | null {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
