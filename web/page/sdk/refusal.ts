/** Refusals as the server writes them, read with care: a proxy may have answered in its place. */
import type { Refusal } from "./types.ts";

/** What an answer's body says of why, whoever has written it: a proxy's error page says nothing. */
export function refusalOf(body: unknown, status?: number): Refusal {
  const said = isObject(body) ? body : {};
  const refusal: Refusal = {
    code: typeof said["code"] === "string" ? said["code"] : `HTTP_${status}`,
    error: typeof said["error"] === "string" ? said["error"] : `The server answered with status ${status}.`,
    temporary: typeof said["temporary"] === "boolean" ? said["temporary"] : status === 429 || (status ?? 0) >= 500,
  };
  if (typeof said["id"] === "string") refusal.id = said["id"];
  if (typeof said["client_message_id"] === "string") refusal.client_message_id = said["client_message_id"];
  const wait = seconds(said["retry_after"]);
  if (wait !== undefined) refusal.retry_after = wait;
  const scope = said["scope"];
  if (scope === "conversation" || scope === "participant" || scope === "server") refusal.scope = scope;
  return refusal;
}

/** A delay as a server gives it; undefined for what is no such thing. */
export function seconds(value: unknown): number | undefined {
  const delay = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof delay === "number" && delay >= 0 && delay < Infinity ? delay : undefined;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
