/** Importing this defines `<salon-chat>`: a conversation, or all of a person's, with the chat page's view of it, in a shadow root. */

import { h, render } from "preact";
import { type Message, Salon, type State } from "../sdk/salon.ts";
import { App } from "./app.tsx";
import { sheetOf } from "./sheet.ts";
import { Visit } from "./visit.ts";

/** Whether this is the file of a server, and not of the npm package: build.mjs says. */
declare const SERVED: boolean;

const ATTRIBUTES = ["conversation", "list", "server", "token", "theme"] as const;
const PROPERTIES = [...ATTRIBUTES, "client", "getToken"] as const;

/**
 * Tells of `salon-state` and `salon-message`, whose `detail` is a `State` or a `Message` that somebody else has just sent; with the list
 * also of `salon-open`, whose `detail` is the id of the conversation that somebody has gone to, or null.
 */
export class SalonChat extends HTMLElement {
  static readonly observedAttributes: readonly string[] = ATTRIBUTES;
  /** Where an element without `server` connects to: the page's own origin; or the salon server that this module was loaded from. */
  static server: string = SERVED ? new URL(".", import.meta.url).href : location.origin;
  #client: Salon | undefined;
  #getToken: (() => string | Promise<string>) | undefined;
  #visit: Visit | undefined;
  #due = false;

  constructor() {
    super();
    this.attachShadow({ mode: "open" });
  }

  /** The id of the conversation; with the list of the one that is shown first. Without one there is the list. */
  get conversation(): string {
    return this.getAttribute("conversation") ?? "";
  }
  set conversation(id: string) {
    this.setAttribute("conversation", id);
  }

  /** Whether the person's conversations are listed, and opened in place. */
  get list(): boolean {
    return this.hasAttribute("list");
  }
  set list(list: boolean) {
    this.toggleAttribute("list", list);
  }

  /** The address of the server. */
  get server(): string {
    return this.getAttribute("server") ?? SalonChat.server;
  }
  set server(url: string) {
    this.setAttribute("server", url);
  }

  /** A bearer token; without one, and without `getToken`, a session cookie or a guest's name says who is here. */
  get token(): string | null {
    return this.getAttribute("token");
  }
  set token(token: string | null) {
    if (token === null) this.removeAttribute("token");
    else this.setAttribute("token", token);
  }

  /** `light` or `dark`, whatever the browser prefers. */
  get theme(): string | null {
    return this.getAttribute("theme");
  }
  set theme(theme: string | null) {
    if (theme === null) this.removeAttribute("theme");
    else this.setAttribute("theme", theme);
  }

  /** Asked for a token at the beginning, a minute before that one ends, and when the server no longer takes it. */
  get getToken(): (() => string | Promise<string>) | undefined {
    return this.#getToken;
  }
  set getToken(getToken: (() => string | Promise<string>) | undefined) {
    this.#getToken = getToken;
    if (!this.#visit || this.#visit.phase.value.is === "nobody") this.#begin(); // else it is a new function for the same person
  }

  /** The page's own client, in the place of `server` and `token`. */
  get client(): Salon | undefined {
    return this.#client;
  }
  set client(client: Salon | undefined) {
    if (client === this.#client && this.#visit?.phase.value.is !== "nobody") return;
    this.#client = client;
    this.#begin();
  }

  /** Delete what this browser has kept for the person who is here, when they sign out of the page. */
  forget(): void {
    this.#visit?.forget();
    this.#visit = undefined;
    render(null, this.shadowRoot!);
  }

  connectedCallback(): void {
    for (const name of PROPERTIES) this.#upgrade(name);
    this.#begin();
  }

  disconnectedCallback(): void {
    // Who only moves it elsewhere connects it again at once.
    queueMicrotask(() => this.isConnected || this.#end());
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now) return;
    if (name === "theme") this.#dress();
    else if (name === "token" && this.#visit && !this.#client) void this.#visit.enter(now ?? undefined);
    else if (name === "conversation" && this.#visit && this.list) this.#visit.go(now || null);
    else this.#begin();
  }

  /** Once for all that is set together. */
  #begin(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      if (this.isConnected) this.#start();
    });
  }

  #start(): void {
    this.#visit?.close();
    this.#visit = undefined;
    this.#dress();
    const root = this.shadowRoot!;
    const { token } = this;
    // With it connections go on over the end of their token: nobody is interrupted in what they write.
    const renew = this.#getToken && (async () => this.#getToken!());
    const salon = this.#client ?? new Salon({ url: this.server, ...(token !== null && { token }), ...(renew && { renew }) });
    const id = this.conversation || null;
    const visit = (this.#visit = new Visit(salon, root, { id, list: this.list || id === null }, {
      token: () => this.#getToken,
      state: (state) => this.#tell("salon-state", state),
      message: (message) => this.#tell("salon-message", message),
      opened: (id) => this.#tell("salon-open", id),
    }));
    render(h(App, { key: {}, visit }), root);
    void visit.enter(salon.token);
  }

  #end(): void {
    this.#visit?.close();
    this.#visit = undefined;
    render(null, this.shadowRoot!);
  }

  #dress(): void {
    this.shadowRoot!.adoptedStyleSheets = [sheetOf(this.theme)];
  }

  #tell(name: string, detail: State | Message | string | null): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }

  /** What was set before the element was defined hides the property of that name. */
  #upgrade(name: (typeof PROPERTIES)[number]): void {
    if (!Object.hasOwn(this, name)) return;
    const value = this[name];
    delete (this as Record<string, unknown>)[name];
    Reflect.set(this, name, value);
  }
}

if (!customElements.get("salon-chat")) customElements.define("salon-chat", SalonChat);

declare global {
  interface HTMLElementTagNameMap {
    "salon-chat": SalonChat;
  }
  interface HTMLElementEventMap {
    "salon-state": CustomEvent<State>;
    "salon-message": CustomEvent<Message>;
    "salon-open": CustomEvent<string | null>;
  }
}
