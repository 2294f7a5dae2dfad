/** `GET /admin/events`, followed for as long as it is needed: server-sent events over fetch, which can carry a token. */

import { signal } from "@preact/signals";
import { lose, salon } from "./operator.ts";
import type { Json } from "./patch.ts";

export type Link =
  | { kind: "connecting" }
  | { kind: "live" }
  | { kind: "draining" }
  | { kind: "offline"; retryAt: number; error: string };

export type Take = (name: string, data: Json) => void;

const SHORTEST = 1000; // milliseconds until the next try
const LONGEST = 15_000;
const SILENCE = 20_000; // milliseconds without a byte, where the server sends one each second

/**
 * One stream. It connects anew by itself until it is closed; `query` is asked for its query each time, and `again` is called
 * where that has changed.
 *
 * A page has one of them for everything: a browser keeps no more than six connections to a server, over all its tabs.
 */
export class Feed {
  readonly link = signal<Link>({ kind: "connecting" });
  private readonly query: () => string;
  private readonly take: Take;
  private stop = new AbortController();
  private tries = 0;

  constructor(query: () => string, take: Take) {
    this.query = query;
    this.take = take;
    void this.run(this.stop.signal);
  }

  again(): void {
    this.close();
    this.stop = new AbortController();
    this.tries = 0;
    void this.run(this.stop.signal);
  }

  get closed(): boolean {
    return this.stop.signal.aborted;
  }

  close(): void {
    this.stop.abort();
  }

  private async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      let error = "The server cannot be reached.";
      let wait = 0;
      try {
        [error, wait] = await this.once(stop);
      } catch {
        // Told below, unless it was us.
      }
      if (stop.aborted) return;
      const delay = Math.max(wait, Math.min(LONGEST, SHORTEST * 2 ** this.tries) * (0.5 + Math.random() / 2));
      this.tries += 1;
      this.link.value = { kind: "offline", retryAt: Date.now() + delay, error };
      await pause(delay, stop);
    }
  }

  /** One connection, to its end: why it ended, and for how many milliseconds the server wants to be left alone. */
  private async once(stop: AbortSignal): Promise<[string, number]> {
    const watchdog = new Watchdog(stop);
    try {
      if (this.link.value.kind !== "live") this.link.value = { kind: "connecting" };
      const headers: Record<string, string> = { Accept: "text/event-stream" };
      if (salon.token) headers["Authorization"] = `Bearer ${salon.token}`;
      const response = await fetch(`/admin/events?${this.query()}`, { headers, signal: watchdog.signal });
      if (response.status === 401 || response.status === 403) {
        lose("Your session has ended, or is no operator's any more.");
        return ["", 0];
      }
      if (!response.ok || response.body === null) {
        const refusal = (await response.json().catch(() => ({}))) as { error?: string };
        return [refusal.error ?? `The server answered ${response.status}.`, 1000 * Number(response.headers.get("Retry-After") ?? 0)];
      }
      this.take("open", {});
      await this.read(response.body, watchdog, stop);
      return [this.drained() ? "The server has drained." : "The connection was lost.", 0];
    } finally {
      watchdog.rest();
    }
  }

  private async read(body: ReadableStream<Uint8Array<ArrayBuffer>>, watchdog: Watchdog, stop: AbortSignal): Promise<void> {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done || stop.aborted) return;
      watchdog.pat();
      const blocks = (text + value).split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) this.event(block);
    }
  }

  private drained(): boolean {
    return this.link.value.kind === "draining";
  }

  private event(block: string): void {
    const fields = new Map(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
    const name = fields.get("event");
    if (name === undefined) return; // a comment
    this.tries = 0;
    if (name === "end") lose("Your session has ended.");
    else if (name === "drain") this.link.value = { kind: "draining" };
    else if (this.link.value.kind !== "live") this.link.value = { kind: "live" };
    this.take(name, JSON.parse(fields.get("data") ?? "{}") as Json);
  }
}

/** Ends a connection that has fallen silent, or is to stop. */
class Watchdog {
  private readonly controller = new AbortController();
  private readonly stop: AbortSignal;
  private timer = 0;

  constructor(stop: AbortSignal) {
    this.stop = stop;
    stop.addEventListener("abort", this.bite);
    this.pat();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  pat(): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(this.bite, SILENCE);
  }

  rest(): void {
    clearTimeout(this.timer);
    this.stop.removeEventListener("abort", this.bite);
  }

  private readonly bite = (): void => this.controller.abort();
}

function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener("online", done);
      stop.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    stop.addEventListener("abort", done);
  });
}
