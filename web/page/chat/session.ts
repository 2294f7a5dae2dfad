/** Who sits here: found by the session cookie, lost, and found again. */

import { signal } from "@preact/signals";
import { Refused, Salon } from "../sdk/salon.ts";
import type { Identity } from "../sdk/types.ts";
import { takeOutcome, type Outcome, type Provider, type Ways } from "../shared/provider.tsx";
import { here } from "./route.ts";
import { Shelf } from "./shelf.ts";

export type Who =
  | { kind: "asking" }
  | { kind: "unreachable"; error: string; retryAt: number }
  /** `before`: who this browser last knew; `ended`: they were here until a moment ago. */
  | { kind: "nobody"; before: Identity | null; ended: boolean }
  | { kind: "somebody"; identity: Identity };

interface Erasure {
  erasure_id: string;
  state: "running" | "held" | "done";
}

const ME = "salon.page.me";
const CODE = "salon.page.code"; // in sessionStorage: until it is written down, over a reload, no longer
const ARRIVAL = "salon.page.arrival"; // in sessionStorage: over the way to a provider and back
const FIRST_RETRY = 1000;
const LONGEST_RETRY = 30_000;

export const shelf = new Shelf();
export const salon = new Salon({ makeRoom: () => shelf.makeRoom() });
export const who = signal<Who>({ kind: "asking" });
/** Whether guests are let in here; true until the server has said. */
export const guestsWelcome = signal(true);
/** With whom one may sign in here. */
export const providers = signal<Provider[]>([]);
/** What the agents are called that a new conversation may have from the start. */
export const agents = signal<readonly string[]>([]);
/** Why the sign-in that has just brought somebody here let nobody in. */
export const outcome = signal<Outcome | null>(takeOutcome());
/** The erasure that was asked for here, since the page was loaded. */
export const erasure = signal<Erasure | null>(null);
export const recoveryCode = signal<string | null>(null);
/** The conversation by whose address somebody came who had to say first who they are. */
export const arrival = signal<string | null>(takeArrival());

let asked = false; // which ways in there are
let confirmed = false; // the server has known them since the page was opened
let delay = FIRST_RETRY;
let timer = 0;

// Another tab has signed out, or in as somebody else.
addEventListener("storage", (event) => {
  if (event.key !== ME) return;
  // What this tab wrote while that one was cleaning up was not seen there: whoever signs out leaves nothing.
  if (event.newValue === null && event.oldValue !== null) clearOf(event.oldValue);
  void identify();
});

// Gone to sign in and come back by the browser's arrow, to the page as it was left.
addEventListener("pageshow", (event) => {
  if (event.persisted && who.value.kind === "nobody") void identify();
});

/** Find out. Somebody known from before is shown their own things at once, and asked for later. */
export async function identify(): Promise<void> {
  clearTimeout(timer);
  const before = remembered();
  if (before && who.value.kind === "asking") admit(before);
  try {
    const identity = await salon.me();
    delay = FIRST_RETRY;
    if (!identity) await askWays();
    if (identity) confirm(identity);
    else lose();
  } catch (error) {
    if (!before && who.value.kind !== "somebody") {
      who.value = { kind: "unreachable", error: reason(error), retryAt: Date.now() + delay };
    }
    timer = window.setTimeout(() => void identify(), delay);
    delay = Math.min(delay * 2, LONGEST_RETRY);
  }
}

export async function enterAsGuest(name: string): Promise<void> {
  const guest = await salon.guest(name.trim() || undefined);
  welcome(guest.participant, guest.recovery_code);
}

export async function recover(code: string): Promise<void> {
  const guest = await salon.recover(code.trim());
  welcome(guest.participant, null);
}

/** A token becomes a cookie, which no script can read; the token itself is kept nowhere. Throws `Refused`. */
export async function enterWithToken(token: string): Promise<void> {
  await salon.request("POST", "/auth/session", {}, token.trim());
  const identity = await salon.me();
  arrival.value = here.value;
  if (identity) confirm(identity);
  else throw new Error("The browser did not keep the session: this page needs its cookie.");
}

/** Somebody goes to a provider, and will be back. */
export function leave(): void {
  try {
    if (here.value !== null) sessionStorage.setItem(ARRIVAL, here.value);
  } catch {
    // Then they are asked once more before they are let into the conversation.
  }
}

/** `abandon` is called once the server knows: from then on nothing of this person may be written here. */
export async function signOut(abandon: () => void): Promise<void> {
  await salon.logout();
  await gone(abandon);
}

/** The same for good: the server deletes what they have said, and their name. Throws `Refused`. */
export async function eraseMe(abandon: () => void): Promise<void> {
  erasure.value = await salon.request<Erasure>("DELETE", "/me");
  salon.token = undefined;
  salon.shelf.forget();
  await gone(abandon);
}

/** Throws `Refused`. */
export async function lookAtErasure(): Promise<void> {
  const { value: now } = erasure;
  if (now !== null) erasure.value = await salon.request<Erasure>("GET", `/erasures/${encodeURIComponent(now.erasure_id)}`);
}

async function gone(abandon: () => void): Promise<void> {
  await askWays();
  abandon();
  forgetCode();
  shelf.removeItem(ME);
  confirmed = false;
  who.value = { kind: "nobody", before: null, ended: false };
}

/** Ask which ways in there are, and which agents; where the server cannot be asked, what somebody tries will tell. */
export async function askWays(): Promise<void> {
  try {
    const ways = await salon.request<Ways>("GET", "/auth/ways");
    guestsWelcome.value = ways.guests;
    providers.value = ways.providers;
    agents.value = ways.agents.map(({ name }) => name);
    asked = true;
  } catch {
    guestsWelcome.value = true;
  }
}

/** The server does not know the session any more. */
export function lose(): void {
  salon.token = undefined;
  const now = who.value;
  const ended = confirmed || (now.kind === "nobody" && now.ended);
  if (!asked) void askWays();
  who.value = { kind: "nobody", before: remembered(), ended };
  confirmed = false;
}

export function forgetCode(): void {
  recoveryCode.value = null;
  try {
    sessionStorage.removeItem(CODE);
  } catch {
    // Then it was never kept.
  }
}

function welcome(person: { id: string; name: string }, code: string | null): void {
  // The cookie carries the session; a token in the page's memory would only be one more thing to steal.
  salon.token = undefined;
  recoveryCode.value = code;
  arrival.value = here.value;
  try {
    if (code !== null) sessionStorage.setItem(CODE, code);
  } catch {
    // It is on the screen.
  }
  confirm({ id: person.id, name: person.name, admin: false });
}

function confirm(identity: Identity): void {
  confirmed = true;
  erasure.value = null;
  outcome.value = null;
  admit(identity);
}

function admit(identity: Identity): void {
  shelf.setItem(ME, JSON.stringify(identity));
  try {
    recoveryCode.value ??= sessionStorage.getItem(CODE);
  } catch {
    // The cookie alone will do.
  }
  const now = who.value;
  if (now.kind === "somebody" && same(now.identity, identity)) return;
  who.value = { kind: "somebody", identity };
}

function same(one: Identity, other: Identity): boolean {
  return one.id === other.id && one.name === other.name && one.account === other.account;
}

/** Who was here last; null where nobody was, or they have signed out. */
export function remembered(): Identity | null {
  return identityIn(shelf.getItem(ME));
}

function clearOf(kept: string): void {
  const identity = identityIn(kept);
  if (identity !== null) shelf.of(identity.id).clear();
}

function identityIn(kept: string | null): Identity | null {
  try {
    const found = JSON.parse(kept ?? "null") as Identity | null;
    return found && typeof found.id === "string" && typeof found.name === "string" ? found : null;
  } catch {
    return null;
  }
}

function takeArrival(): string | null {
  try {
    const kept = sessionStorage.getItem(ARRIVAL);
    sessionStorage.removeItem(ARRIVAL);
    return kept;
  } catch {
    return null;
  }
}

function reason(error: unknown): string {
  return error instanceof Refused ? error.refusal.error : "The server cannot be reached.";
}
