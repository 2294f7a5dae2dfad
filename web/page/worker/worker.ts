/**
 * The service worker of the chat page: keeps the page's own files, so that it opens where the server cannot be reached.
 *
 * It shows notifications too, where only a worker may. What people say is never kept here, nor what the server answers, nor any
 * other page: those requests pass it by. The build puts in which files there are; with another build this file is another one,
 * and the browser replaces it at the next visit.
 */

/** Names the build. */
declare const BUILD: string;
/** The page's script: whatever answers with another one has another build. */
declare const SCRIPT: string;
/** The addresses without which the page does not open; kept at once. */
declare const SHELL: readonly string[];
/** What the page may want besides, such as letters of other scripts; kept once somebody has needed it. */
declare const SPARE: readonly string[];

const worker = self as unknown as ServiceWorkerGlobalScope;

const PREFIX = "salon.shell."; // the server's `NO_WORKER` deletes what begins so
const CACHE = PREFIX + BUILD;
const PAGE = "/";
const PATIENCE = 4000; // milliseconds for the server to begin its answer; then the page opens without it, and says so
const NOBODY = new Set([502, 503, 504]); // a proxy whose server is away, or a server about to be

const files = new Set([...SHELL, ...SPARE]);

worker.addEventListener("install", (event) => {
  passBy(event);
  event.waitUntil(keep().then(() => worker.skipWaiting()));
});
worker.addEventListener("activate", (event) => event.waitUntil(settle()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== worker.location.origin) return;
  if (request.mode === "navigate" && isChat(pathname)) event.respondWith(visit(event));
  else if (files.has(pathname)) event.respondWith(file(request));
});

worker.addEventListener("notificationclick", (event) => event.waitUntil(open(event.notification)));

/** What this never answers need not even wake it, where the browser knows how to be told. */
function passBy(event: ExtendableEvent & { addRoutes?: (rule: object) => Promise<void> }): void {
  const wanted = [PAGE, "/c/*", "/assets/*"].map((urlPattern) => ({ urlPattern }));
  const told = event.addRoutes?.({ condition: { not: { or: wanted } }, source: "network" });
  if (told) event.waitUntil(told.catch(() => {}));
}

/** Fetch all of the page before any of it is kept: half a page is none, and two halves of two builds are worse. */
async function keep(): Promise<void> {
  const [page, ...rest] = await Promise.all([whole(PAGE, "no-store"), ...SHELL.map((each) => whole(each, "default"))]);
  if (!(await page!.clone().text()).includes(`"${SCRIPT}"`)) throw new Error("another build answers here: at the next visit");
  const cache = await caches.open(CACHE);
  await cache.put(PAGE, page!);
  await Promise.all(rest.map((response, at) => cache.put(SHELL[at]!, response)));
}

async function whole(address: string, cache: RequestCache): Promise<Response> {
  const response = await fetch(address, { cache, redirect: "error" });
  if (response.status !== 200) throw new Error(`${address} was answered with ${response.status}`);
  return response;
}

/** The builds before this one go, and with them whatever they have kept. */
async function settle(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
}

/** Whether the chat page is what one gets there. */
function isChat(pathname: string): boolean {
  return pathname === PAGE || /^\/c\/[^/]+\/?$/.test(pathname);
}

/** The page as the server has it; as it was kept where nobody answers, or not in time. */
async function visit(event: FetchEvent): Promise<Response> {
  // No navigation preload: a browser makes one for every page, also for those that pass by, which are then asked for twice.
  const answer = fetch(event.request);
  event.waitUntil(answer.catch(() => {}));
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE));
  const response = await Promise.race([answer, late]).catch(() => undefined);
  if (response && !NOBODY.has(response.status)) return response;
  return (await kept(PAGE)) ?? response ?? answer;
}

/** A file whose name has its content's hash in it: what is kept is right. */
async function file(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const found = await kept(pathname);
  if (found) return found;
  const response = await fetch(request);
  // A worker that was replaced meanwhile must not bring its cache back.
  if (response.status === 200 && (await caches.has(CACHE))) {
    await (await caches.open(CACHE)).put(pathname, response.clone()).catch(() => {}); // no room: then without
  }
  return response;
}

/** A page asked for this notification, since phones let no page show one: its conversation opens there, or in a new page. */
async function open(notification: Notification): Promise<void> {
  notification.close();
  const id = String(notification.data);
  const pages = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find(({ url }) => isChat(new URL(url).pathname));
  page?.postMessage({ open: id });
  await (page ? page.focus() : worker.clients.openWindow(`/c/${encodeURIComponent(id)}`));
}

async function kept(address: string): Promise<Response | undefined> {
  try {
    return await caches.match(address, { cacheName: CACHE, ignoreVary: true });
  } catch {
    return undefined; // the browser has cleared its storage under our feet
  }
}
