/** Where one is: in the part of the address after `#`, so that every place can be kept, sent and gone back from. */

import { signal } from "@preact/signals";

export type Place =
  | { name: "overview" | "actors" | "connections" | "agents" | "webhooks" | "people" | "moderation" | "nodes" | "audit" }
  | { name: "conversation" | "participant" | "connection" | "refusal" | "report"; id: string };

const PLAIN = [
  "overview",
  "actors",
  "connections",
  "agents",
  "webhooks",
  "people",
  "moderation",
  "nodes",
  "audit",
] as const;
const WITH_ID = ["conversation", "participant", "connection", "refusal", "report"] as const;

export const place = signal<Place>(read());

addEventListener("hashchange", () => {
  place.value = read();
});

export function address(name: Place["name"], id?: string): string {
  return id === undefined ? `#/${name}` : `#/${name}/${encodeURIComponent(id)}`;
}

export function go(name: Place["name"], id?: string): void {
  location.hash = address(name, id);
}

function read(): Place {
  const [, name = "", ...rest] = location.hash.split("/");
  const plain = PLAIN.find((each) => each === name);
  if (plain) return { name: plain };
  const kind = WITH_ID.find((each) => each === name);
  if (kind) return { name: kind, id: decoded(rest.join("/")) };
  return { name: "overview" };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
