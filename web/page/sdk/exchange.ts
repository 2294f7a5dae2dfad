/** One exchange with the server over HTTP, as one person: what all calls have in common. */
import { answered, either, unreachable } from "./answered.ts";

const ANSWER_TIMEOUT = 30_000; // milliseconds; a drain takes at most ten seconds

export class Exchange {
  readonly url: string;
  /** Set by `guest` and `recover`; may be set again at any time. */
  token: string | undefined;

  constructor(url: string, token: string | undefined) {
    this.url = url;
    this.token = token;
  }

  /** Any exchange as this person. What is no success is thrown as `Refused`; an answer without a body is undefined. */
  async request<T = any>(method: string, path: string, body?: unknown, token: string | null | undefined = this.token, signal?: AbortSignal): Promise<T> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (token) headers["Authorization"] = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const init: RequestInit = { method, headers, credentials: "same-origin", signal: either(AbortSignal.timeout(ANSWER_TIMEOUT), signal) };
    if (body !== undefined) init.body = JSON.stringify(body);
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.url + path, init);
      text = await response.text();
    } catch {
      signal?.throwIfAborted();
      throw unreachable();
    }
    return answered(response.status, text, response.headers.get("Retry-After"));
  }
}
