/** The identity of one open connection: another one is sent on it before it ends. */
import type { ClientFrame } from "./types.ts";
import { Backoff } from "./verdict.ts";

const WARNING = 60_000; // milliseconds before the end in which the server warns
const LONGEST_WAIT = 20_000; // milliseconds: the rest of the minute is for a `renew` that fails
const SHORTEST_WAIT = 1000;

/** What it needs of the connection: `later` does something then, unless the connection has ended. */
export interface Carrier {
  write(frame: ClientFrame): boolean;
  later(name: string, delay: number, act: () => void): void;
}

export class Renewal {
  private readonly carrier: Carrier;
  private readonly renewed: () => Promise<string | undefined>;
  private readonly pause = new Backoff();
  private since = 0;

  /** `renewed` gives a new token, undefined where there is none to be had. */
  constructor(carrier: Carrier, renewed: () => Promise<string | undefined>) {
    this.carrier = carrier;
    this.renewed = renewed;
  }

  /** The connection has an identity from now on. */
  taken(): void {
    this.since = performance.now();
    this.pause.reset();
  }

  /** The server has said when this identity ends. */
  warned(expiresAt: string): void {
    // One that lives for less than the minute of the warning is warned of as soon as it is taken: to renew it at once would never end.
    const young = performance.now() - this.since < WARNING;
    const third = (Date.parse(expiresAt) - Date.now()) / 3;
    this.carrier.later("renew", young ? Math.min(LONGEST_WAIT, Math.max(SHORTEST_WAIT, third)) : 0, () => void this.renew());
  }

  private async renew(): Promise<void> {
    try {
      const token = await this.renewed();
      if (token !== undefined) this.carrier.write({ type: "auth", token });
    } catch {
      // Once more; a connection whose time is over says so.
      this.carrier.later("renew", this.pause.delay(), () => void this.renew());
    }
  }
}
