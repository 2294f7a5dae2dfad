/** Who looks: by the token they gave, kept for this tab alone, else by the session cookie. */

import { signal } from "@preact/signals";
import { Refused, Salon } from "../sdk/salon.ts";
import type { Identity } from "../sdk/types.ts";
import { takeOutcome, type Outcome, type Provider, type Ways } from "../shared/provider.tsx";

export type Operator =
  | { kind: "asking" }
  | { kind: "unreachable"; error: string }
  | { kind: "nobody"; error?: string }
  | { kind: "forbidden"; identity: Identity }
  | { kind: "operator"; identity: Identity };

const TOKEN = "salon.console.token"; // in sessionStorage: it ends with the tab
const RETRY = 3000; // milliseconds

export const operator = signal<Operator>({ kind: "asking" });
/** With whom one may sign in here; known once somebody needs it. */
export const providers = signal<Provider[]>([]);
/** Why the sign-in that has just brought somebody here let nobody in. */
export const outcome = signal<Outcome | null>(takeOutcome());
export const salon = new Salon({ storage: null });
salon.token = kept();

let timer = 0;

/** Find out. */
export async function identify(): Promise<void> {
  clearTimeout(timer);
  try {
    settle(await salon.me());
  } catch (error) {
    operator.value = { kind: "unreachable", error: reason(error) };
    timer = window.setTimeout(() => void identify(), RETRY);
  }
}

/** Come in with a token; it is kept only if it is an operator's. */
export async function enter(token: string): Promise<void> {
  const before = salon.token;
  salon.token = token.trim();
  try {
    const identity = await salon.me();
    if (identity === null) {
      salon.token = before;
      operator.value = { kind: "nobody", error: "This token is not known here, or has expired." };
      return;
    }
    if (identity.admin) keep(salon.token);
    settle(identity);
    if (!identity.admin) salon.token = before;
  } catch (error) {
    salon.token = before;
    operator.value = { kind: "nobody", error: reason(error) };
  }
}

/** Forget the token. A session cookie stays: it is the chat's. */
export function leave(): void {
  salon.token = undefined;
  keep(undefined);
  operator.value = { kind: "nobody" };
}

/** The server does not take this identity any more. */
export function lose(error: string): void {
  salon.token = undefined;
  keep(undefined);
  operator.value = { kind: "nobody", error };
}

export function reason(error: unknown): string {
  return error instanceof Refused ? error.refusal.error : String(error);
}

/** Ask with whom one may sign in. */
export async function askWays(): Promise<void> {
  try {
    providers.value = (await salon.request<Ways>("GET", "/auth/ways")).providers;
  } catch {
    // A token always is a way in.
  }
}

function settle(identity: Identity | null): void {
  if (identity === null) operator.value = { kind: "nobody" };
  else operator.value = { kind: identity.admin ? "operator" : "forbidden", identity };
}

function kept(): string | undefined {
  try {
    return sessionStorage.getItem(TOKEN) ?? undefined;
  } catch {
    return undefined;
  }
}

function keep(token: string | undefined): void {
  try {
    if (token === undefined) sessionStorage.removeItem(TOKEN);
    else sessionStorage.setItem(TOKEN, token);
  } catch {
    // Without storage it is given again after a reload.
  }
}
