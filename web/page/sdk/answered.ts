/** What comes back from the server, or does not. */
import { refusalOf, seconds } from "./refusal.ts";
import { Refused } from "./refused.ts";

export function unreachable(): Refused {
  return new Refused({ code: "UNREACHABLE", error: "The server cannot be reached.", temporary: true });
}

/** Aborted with the first of them; browsers have had `AbortSignal.any` for too short a time. */
export function either(one: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  if (other === undefined) return one;
  const both = new AbortController();
  for (const each of [one, other]) {
    if (each.aborted) both.abort(each.reason);
    each.addEventListener("abort", () => both.abort(each.reason), { signal: both.signal });
  }
  return both.signal;
}

/** What an answer says. Throws `Refused` for what is no success. */
export function answered<T>(status: number, text: string, retryAfter: string | null): T {
  const answer = parsed(text);
  if (status >= 200 && status < 300 && (answer !== undefined || text === "")) return answer as T;
  const refusal = refusalOf(answer, status);
  refusal.retry_after ??= seconds(retryAfter)!;
  if (refusal.retry_after === undefined) delete refusal.retry_after;
  throw new Refused(refusal, status);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
