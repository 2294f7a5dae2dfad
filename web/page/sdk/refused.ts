import type { Refusal } from "./types.ts";

/** The server said no, or nothing: `UNREACHABLE` where the network failed. `status` is that of the HTTP answer. */
export class Refused extends Error {
  readonly refusal: Refusal;
  readonly status: number | undefined;

  constructor(refusal: Refusal, status?: number) {
    super(`${refusal.code}: ${refusal.error}`);
    this.name = "Refused";
    this.refusal = refusal;
    this.status = status;
  }
}
