/** Whether to come back after a connection has ended, and when. */
import { isObject, seconds } from "./refusal.ts";
import type { Reason, Refusal } from "./types.ts";

export interface Verdict {
  comeBack: boolean;
  /** Seconds, where the server named a slot. */
  retryAfter?: number;
  reason: Reason;
}

const LEFT = "Left conversation";
const DELETED = "the conversation was deleted";
const TOO_BIG = 1009;
const FINAL = new Map<number, Reason>([
  [1002, { code: "PROTOCOL", error: "The connection was not understood." }],
  [1003, { code: "PROTOCOL", error: "The connection was not understood." }],
  [1007, { code: "PROTOCOL", error: "The connection was not understood." }],
  [4500, { code: "UNAUTHENTICATED", error: "Your session has ended." }],
  [4501, { code: "PROTOCOL", error: "Too much was sent that is not understood." }],
  [4502, { code: "TOO_MANY_CONNECTIONS", error: "You have too many connections: close some tabs." }],
  [4503, { code: "NOT_PARTICIPANT", error: "You are no longer in this conversation." }],
]);
const RESTART: Reason = { code: "RESTARTING", error: "The server restarts." };
const CUT: Reason = { code: "UNREACHABLE", error: "The connection was cut." };

/** What the close of an open socket means: 4000–4499 come back, 4500–4999 do not. */
export function judgeClose(code: number, text: string): Verdict {
  if (code === 1000 && text === LEFT) {
    return { comeBack: false, reason: { code: "LEFT", error: "You have left this conversation." } };
  }
  if (code === 4503 && text === DELETED) {
    return { comeBack: false, reason: { code: "DELETED", error: "This conversation was deleted." } };
  }
  const final = FINAL.get(code);
  if (final !== undefined) return { comeBack: false, reason: final };
  if (code >= 4500 && code <= 4999) {
    return { comeBack: false, reason: { code: `CLOSED_${code}`, error: text || "The server has ended the connection." } };
  }
  if (code === TOO_BIG) {
    return { comeBack: true, reason: { code: "MESSAGE_TOO_LARGE", error: "A message was larger than the server takes." } };
  }
  return within(slot(text), { comeBack: true, reason: code === 4000 ? RESTART : CUT });
}

/** What it means that a request was refused which had to succeed before a connection. */
export function judgeRefusal(refusal: Refusal, status?: number): Verdict {
  const { code, error } = refusal;
  const comeBack = refusal.temporary && !(status === 401 || status === 403 || status === 404);
  return within(refusal.retry_after, { comeBack, reason: { code, error } });
}

function within(retryAfter: number | undefined, verdict: Verdict): Verdict {
  return retryAfter === undefined ? verdict : { ...verdict, retryAfter };
}

/** The `retry_after` of a close reason that is JSON. */
function slot(text: string): number | undefined {
  try {
    const told: unknown = JSON.parse(text);
    return isObject(told) ? seconds(told["retry_after"]) : undefined;
  } catch {
    return undefined;
  }
}

/** Delays that double from base to cap, each drawn between nothing and all of it; in milliseconds. */
export class Backoff {
  private attempt = 0;
  private readonly random: () => number;
  private readonly base: number;
  private readonly cap: number;

  constructor(random: () => number = Math.random, base = 1000, cap = 30_000) {
    this.random = random;
    this.base = base;
    this.cap = cap;
  }

  /** Milliseconds to wait before the next attempt: the seconds that the server told, or else drawn. */
  delay(told?: number): number {
    const ceiling = Math.min(this.cap, this.base * 2 ** Math.min(this.attempt, 30));
    this.attempt += 1;
    return told ? told * 1000 : this.random() * ceiling;
  }

  reset(): void {
    this.attempt = 0;
  }
}
