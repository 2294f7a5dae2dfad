/** What a request says: its path, its query, its fields. */
import type { Json } from "./types.ts";

/** The path of a conversation, or of something in it. */
export function chat(id: string, ...rest: string[]): string {
  return ["/chat", ...[id, ...rest].map(encodeURIComponent)].join("/");
}

export function query(fields: Record<string, number | string | boolean | undefined>): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

/** Without what is undefined, which JSON does not have. */
export function given(fields: object): Json {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
