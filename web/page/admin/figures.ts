/** The figures of the server: the newest whole, the last ten minutes by the second, and what operators did. */

import { computed, signal } from "@preact/signals";
import { Feed } from "./feed.ts";
import { type Json, apply } from "./patch.ts";

export interface Quantiles {
  p50: number;
  p99: number;
  max: number;
}

export interface Stats {
  /** The node of a cluster that these are the figures of. */
  node?: string;
  timestamp: string;
  status: "healthy" | "degraded" | "draining";
  uptime: number;
  memory_bytes?: number;
  cpu_seconds: number;
  connections: number;
  conversations: number;
  participants: number;
  messages: number;
  events: number;
  batches: number;
  deliveries: number;
  turns: number;
  queue_depths: { deepest: number; total: number; limit: number };
  storage: {
    status: "connected" | "error";
    durability: "committed" | "memory";
    commits: number;
    records: number;
    waiting: number;
    recent: { commits: number; seconds: Quantiles; records: Quantiles };
  };
  refusals: Record<string, number>;
  activations: number;
  passivations: number;
  restarts: number;
  crashes: number;
  store_errors: number;
  turn_seconds: Quantiles;
  listeners: number;
}

export interface Deed {
  number: number;
  at: string;
  operator_id: string;
  /** Of an operator, or the name of a member's command. */
  action: string;
  target: string;
  outcome: string;
  node?: string | null;
}

export type Sample = (number | null)[];

const KEPT = 600;
const DEEDS = 200;

export const stats = signal<Stats | null>(null);
export const samples = signal<Sample[]>([]);
export const deeds = signal<Deed[]>([]);
export const now = signal(Date.now()); // by the server's clock, at the newest figures

/** What is watched besides the figures, as the feed has shown it for that query; null until it has. */
export const view = signal<{ query: string; view: Json } | null>(null);

const HIDDEN = 30_000; // milliseconds after which a tab that nobody sees gives its connection back
const SPARE = 3; // samples asked for again, so that none is missing

let columns: string[] = [];
let feed: Feed | null = null;
let watched = ""; // a query
let asked = ""; // the same of the stream that is open
let whole = true; // the next patch is of nothing
let viewed: Json = {};
let timer = 0;

/** What the figures change by, a second, from each sample to the next; null where there is none before. */
export function rate(name: string): (number | null)[] {
  const [value, at] = [column(name), column("at")];
  return value.map((each, index) => {
    const before = value[index - 1];
    const seconds = ((at[index] ?? 0) - (at[index - 1] ?? 0)) / 1000;
    if (each === null || before === undefined || before === null || seconds <= 0 || each < before) return null;
    return (each - before) / seconds;
  });
}

/** One figure of every sample. */
export function column(name: string): (number | null)[] {
  const index = columns.indexOf(name);
  return samples.value.map((sample) => sample[index] ?? null);
}

export const times = computed(() => column("at").map((at) => at ?? 0));

export function begin(): Feed {
  feed ??= new Feed(query, take);
  document.addEventListener("visibilitychange", rest);
  return feed;
}

/** Watch something else; "" for nothing. */
export function watch(query: string): void {
  if (query === watched) return;
  watched = query;
  // From one place to the next there are two changes at once.
  queueMicrotask(() => {
    if (feed && !feed.closed && asked !== watched) feed.again();
  });
}

/** The same no more, unless the next place watches something else already. */
export function unwatch(query: string): void {
  if (query === watched) watch("");
}

export function end(): void {
  document.removeEventListener("visibilitychange", rest);
  clearTimeout(timer);
  feed?.close();
  feed = null;
  watched = "";
  view.value = null;
  stats.value = null;
  samples.value = [];
  deeds.value = [];
}

/** Who looks away for long leaves the line; the server keeps the past for when they are back. */
function rest(): void {
  clearTimeout(timer);
  if (document.hidden) timer = window.setTimeout(() => feed?.close(), HIDDEN);
  else if (feed?.closed) feed.again();
}

function query(): string {
  const last = column("at").at(-1);
  const missing = last ? Math.ceil((Date.now() - heard) / 1000) + SPARE : KEPT;
  asked = watched;
  return `history=${Math.min(KEPT, missing)}&${watched}`;
}

let heard = 0; // when the last sample came, by this machine's clock

function take(name: string, data: Json): void {
  if (name === "open") {
    whole = true;
    viewed = {};
  } else if (name === "stats") {
    stats.value = apply(whole ? {} : stats.value, data) as unknown as Stats;
    whole = false;
    now.value = Date.parse(stats.value.timestamp);
  } else if (name === "view") {
    viewed = apply(viewed, data);
    view.value = { query: asked, view: viewed };
  } else if (name === "samples") {
    if (data["columns"]) columns = data["columns"] as string[];
    const known = column("at").at(-1) ?? 0;
    const at = columns.indexOf("at");
    const news = (data["rows"] as Sample[]).filter((row) => (row[at] ?? 0) > known);
    samples.value = [...samples.value, ...news].slice(-KEPT);
    heard = Date.now();
  } else if (name === "audit") {
    const news = data["deeds"] as Deed[];
    const known = deeds.value.at(-1)?.number ?? 0;
    const restarted = news.length > 0 && news[news.length - 1]!.number < known;
    deeds.value = [...(restarted ? [] : deeds.value), ...news.filter((deed) => restarted || deed.number > known)].slice(-DEEDS);
  }
}
