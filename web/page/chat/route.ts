/** Which conversation the address names, and going elsewhere without a reload. */

import { signal } from "@preact/signals";

/** The id in `/c/ID`; null on the list. */
export const here = signal<string | null>(read());

addEventListener("popstate", () => (here.value = read()));

export function go(id: string | null, replace = false): void {
  if (id === here.value) return;
  const path = id === null ? "/" : `/c/${encodeURIComponent(id)}`;
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  here.value = id;
}

/** The conversation's own address: whoever opens it may come in. */
export function address(id: string): string {
  return `${location.origin}/c/${encodeURIComponent(id)}`;
}

function read(): string | null {
  const found = /^\/c\/([^/]+)\/?$/.exec(location.pathname);
  try {
    return found ? decodeURIComponent(found[1]!) : null;
  } catch {
    return null;
  }
}
