/** The page's service worker, `../worker/worker.ts`: keeps the page itself, so that it opens without a network, and notifies. */

import { go } from "./route.ts";

const WORKER = "/worker.js";

/** After all else has loaded. Browsers that do not offer it, or not here (plain HTTP from another machine), do without. */
export function standBy(): void {
  if (!("serviceWorker" in navigator)) return;
  navigator.serviceWorker.addEventListener("message", ({ data }: MessageEvent<{ open?: unknown } | null>) => {
    if (typeof data?.open === "string") go(data.open);
  });
  if (document.readyState === "complete") void register();
  else addEventListener("load", () => void register(), { once: true });
}

/** Show a notification of that conversation, where the page itself may not. */
export async function notifyFor(id: string, title: string, options: NotificationOptions): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  await registration?.showNotification(title, { ...options, data: id });
}

async function register(): Promise<void> {
  try {
    // The worker is asked for at every visit, past the browser's cache: a server can replace it, or take it back, at once.
    await navigator.serviceWorker.register(trusted(), { updateViaCache: "none" });
  } catch {
    // Nobody answers just now, or the browser does not want to; what was kept before is kept.
  }
}

/** The one script address that the page's policy lets through, and there can be no second policy of this name. */
function trusted(): string {
  const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
  return policies ? policies.createPolicy("salon", { createScriptURL: () => WORKER }).createScriptURL("") : WORKER;
}

interface Policies {
  createPolicy(name: string, rules: { createScriptURL: (text: string) => string }): { createScriptURL(text: string): string };
}
