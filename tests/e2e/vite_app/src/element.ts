// Puts an element for each of what the address names into the page: its attributes, and how it gets a token.
import { Salon } from "salon-js";
import type { SalonChat } from "salon-js/element";
import "salon-js/element";

interface Wanted {
  attributes: Record<string, string>;
  code?: string;
}

const told: [string, unknown][] = [];
Object.assign(globalThis, { told });
for (const { attributes, code } of JSON.parse(decodeURIComponent(location.hash.slice(1))) as Wanted[]) {
  const chat: SalonChat = document.createElement("salon-chat");
  for (const [name, value] of Object.entries(attributes)) chat.setAttribute(name, value);
  if (code !== undefined) chat.getToken = async () => (await new Salon({ url: chat.server, storage: null }).recover(code)).token;
  chat.addEventListener("salon-state", ({ detail }) => told.push(["state", detail.status]));
  chat.addEventListener("salon-open", ({ detail }) => told.push(["open", detail]));
  chat.addEventListener("salon-message", ({ detail }) => told.push(["message", detail.content]));
  document.querySelector("main")!.append(chat);
}
