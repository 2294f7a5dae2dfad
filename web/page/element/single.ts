/** One person in one conversation, in a page of somebody else: the element is nowhere else. */

import { signal } from "@preact/signals";
import type { Environment } from "../chat/environment.ts";
import type { Home } from "../chat/home.ts";
import { Room } from "../chat/room.ts";
import type { Shelf } from "../chat/shelf.ts";
import { Refused, type Salon } from "../sdk/salon.ts";
import type { ConversationLine, Event, Identity } from "../sdk/types.ts";
import { announce } from "./announce.ts";

export class Single implements Home {
  readonly salon: Salon;
  readonly root: Document | ShadowRoot;
  readonly arrival = signal<string | null>(null);
  readonly go = null;
  readonly address: Environment["address"];
  readonly inviteAddress: Environment["inviteAddress"];
  readonly toast: Environment["toast"];
  readonly say: Environment["voice"]["say"];
  readonly speak: Environment["voice"]["speak"];
  readonly me: Identity;
  /** There always is one. */
  readonly open = signal<Room | null>(null);
  readonly lines = signal<readonly ConversationLine[]>([]);
  readonly #id: string;
  readonly #shelf: Shelf;
  readonly #environment: Environment;

  constructor(me: Identity, id: string, environment: Environment) {
    this.me = me;
    this.#id = id;
    this.#environment = environment;
    ({ salon: this.salon, root: this.root, toast: this.toast } = environment);
    ({ address: this.address, inviteAddress: this.inviteAddress } = environment);
    ({ say: this.say, speak: this.speak } = environment.voice);
    this.#shelf = environment.shelf.of(me.id);
    this.#begin();
  }

  line(): undefined {}

  seen(room: Room): void {
    const last = room.events.value.at(-1)?.sequence_id;
    if (last !== undefined && !room.reading.held) room.reading.seen(last);
  }

  async refresh(): Promise<void> {}

  async preferred(): Promise<void> {}

  reconnect(): void {
    this.open.value?.reconnect();
  }

  async rename(room: Room, title: string): Promise<void> {
    room.title.value = (await this.salon.update(room.id, { title })).title;
  }

  async join(id: string): Promise<void> {
    try {
      await this.salon.join(id);
    } catch (error) {
      if (!(error instanceof Refused && error.refusal.code === "ALREADY_PARTICIPANT")) throw error;
    }
    this.close();
    this.#begin();
  }

  async leave(room: Room): Promise<void> {
    await this.salon.leave(room.id);
    room.forget();
    this.#begin();
  }

  async deleteConversation(room: Room): Promise<void> {
    await this.salon.deleteConversation(room.id);
    room.forget();
    this.#begin();
  }

  save(): void {
    this.open.value?.deeds.finish(); // nobody can undo it any more
    this.open.value?.save();
  }

  abandon(): void {
    this.open.value?.forget();
    this.open.value = null;
    this.#shelf.clear();
  }

  close(): void {
    this.open.value?.close();
    this.open.value = null;
  }

  #begin(): void {
    const { turned, called } = this.#environment;
    const room = new Room(this, this.#shelf, this.#id, this.me.id, {
      happened: (which, event) => this.#happened(which, event),
      refused: this.toast,
      heard: (_, text) => this.say(text),
      waits: (which, calls) => calls.filter(({ fresh }) => fresh).forEach((call) => called(which, call)),
      read: () => {},
      turned: (state) => {
        turned(state);
        if (state.status === "ended" && state.reason?.code === "UNAUTHENTICATED") this.#environment.doubted();
      },
    });
    room.unreadFrom(null);
    this.open.value = room;
    void room.look();
  }

  #happened(room: Room, event: Event): void {
    const looked = room.atEnd && !room.reading.held && !document.hidden;
    const news = announce(room, event, { home: this, looked });
    if (news) this.#environment.heard(room, news, true);
  }
}
