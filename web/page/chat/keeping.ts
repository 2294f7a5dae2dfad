/** What those who keep order have to know of a room: who asks to be let in, who is muted, who is banned, which messages are held. */

import { batch, computed, signal } from "@preact/signals";
import type { Salon } from "../sdk/salon.ts";
import type { Event, HeldMessage, JoinRequest, Sanction } from "../sdk/types.ts";
import { may, type Standing } from "./rank.ts";

const OF_REQUESTS = new Set<Event["type"]>(["join_requested", "join_denied", "participant_role_changed"]);
const OF_SANCTIONS = new Set<Event["type"]>(["participant_banned", "participant_unbanned", "participant_muted", "participant_unmuted", "participant_role_changed"]);
const HELD = 100; // held messages that are shown at once
const SOON = 300; // milliseconds: many who come at once are one look

export class Keeping {
  readonly requests = signal<readonly JoinRequest[]>([]);
  readonly held = signal<readonly HeldMessage[]>([]);
  readonly bans = signal<readonly Sanction[]>([]);
  readonly mutes = signal<readonly Sanction[]>([]);
  readonly muted = computed(() => new Set(this.mutes.value.map((each) => each.participant.id)));
  readonly #salon: Salon;
  readonly #id: string;
  readonly #me: string;
  readonly #standing: () => Standing;
  #asked = 0;
  #timer = 0;
  #listed = false; // the list of people has been opened: only it shows who is banned and muted

  constructor(salon: Salon, id: string, me: string, standing: () => Standing) {
    this.#salon = salon;
    this.#id = id;
    this.#me = me;
    this.#standing = standing;
  }

  /** An event has come that may change it. */
  happened(event: Event): void {
    const answered = event.type === "participant_joined" && this.requests.value.some((each) => each.participant.id === event.participant.id);
    if (!answered && !OF_REQUESTS.has(event.type) && !(this.#listed && OF_SANCTIONS.has(event.type))) return;
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.look(), SOON);
  }

  /** The list of people is there. */
  list(): void {
    this.#listed = true;
    void this.look();
  }

  /** Ask for what the reader may know; what cannot be had stays as it was. */
  async look(): Promise<void> {
    const asked = ++this.#asked;
    const standing = this.#standing();
    const [requests, held, bans, mutes] = await Promise.allSettled([
      may("invite", standing) ? this.#salon.joinRequests(this.#id) : [],
      may("delete_any", standing) ? this.#heldOfOthers() : [],
      this.#listed && may("ban", standing) ? this.#salon.bans(this.#id) : [],
      this.#listed && may("mute", standing) ? this.#salon.mutes(this.#id) : [],
    ]);
    if (asked !== this.#asked) return;
    batch(() => {
      if (requests.status === "fulfilled") this.requests.value = requests.value;
      if (held.status === "fulfilled") this.held.value = held.value;
      if (bans.status === "fulfilled") this.bans.value = bans.value;
      if (mutes.status === "fulfilled") this.mutes.value = mutes.value;
    });
  }

  /** The oldest last, as they are listed: nobody decides about their own. */
  async #heldOfOthers(): Promise<readonly HeldMessage[]> {
    const { held } = await this.#salon.held(this.#id, { limit: HELD });
    return held.filter(({ sender }) => sender.id !== this.#me);
  }
}
