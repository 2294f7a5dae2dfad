/** Which conversation the address names, and going elsewhere without a reload. */

import { signal } from "@preact/signals";

/** The id in `/c/ID`; null on the list. */
export const here = signal<string | null>(read());

/** The code in `/invites/CODE`, where somebody has opened one. */
export const invited = signal<string | null>(readInvite());

addEventListener("popstate", () => {
  invited.value = readInvite();
  here.value = read();
});

export function go(id: string | null, replace = false): void {
  if (id === here.value && invited.value === null) return;
  const path = id === null ? "/" : `/c/${encodeURIComponent(id)}`;
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  invited.value = null;
  here.value = id;
}

/** The conversation's own address: whoever opens it may come in. */
export function address(id: string): string {
  return `${location.origin}/c/${encodeURIComponent(id)}`;
}

/** Whoever opens it may come in by the invite. */
export function inviteAddress(code: string): string {
  return `${location.origin}/invites/${encodeURIComponent(code)}`;
}

function read(): string | null {
  return named(/^\/c\/([^/]+)\/?$/);
}

function readInvite(): string | null {
  return named(/^\/invites\/([^/]+)\/?$/);
}

function named(path: RegExp): string | null {
  const found = path.exec(location.pathname);
  try {
    return found ? decodeURIComponent(found[1]!) : null;
  } catch {
    return null;
  }
}

/** The path of this page, to come back to. */
export function path(): string {
  if (invited.value !== null) return new URL(inviteAddress(invited.value)).pathname;
  return here.value === null ? "/" : new URL(address(here.value)).pathname;
}
