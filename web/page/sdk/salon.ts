/**
 * salon.js: one person's way to a salon server, from a browser or anything that has `fetch` and `WebSocket`.
 *
 * `new Salon()` for HTTP, `salon.open(id)` for a conversation that keeps itself connected.
 */
import { Line } from "./line.ts";
import { refusalOf, seconds } from "./refusal.ts";
import { Refused } from "./refused.ts";
import { Shelf } from "./shelf.ts";
import type {
  Conversation,
  ConversationObject,
  ConversationPage,
  Created,
  Events,
  Guest,
  Identity,
  Json,
  NewConversation,
  OpenOptions,
  Options,
  RunReceipt,
  Steering,
  ThreadPage,
  Trigger,
} from "./types.ts";

export type * from "./types.ts";
export { changed, foreseen, isChange, Messages, targetsOf } from "./fold.ts";
export { Refused } from "./refused.ts";

const ANSWER_TIMEOUT = 30_000; // milliseconds; a drain takes at most ten seconds

/** Every call may throw `Refused`; none is tried again by itself. */
export class Salon {
  readonly url: string;
  /** Set by `guest` and `recover`; may be set again at any time. */
  token: string | undefined;
  /** @internal */
  readonly shelf: Shelf;

  constructor(options: Options = {}) {
    this.url = (options.url ?? globalThis.location?.origin ?? "").replace(/\/+$/, "");
    this.token = options.token;
    const storage = options.storage === undefined ? localStorageOrNull() : options.storage;
    this.shelf = new Shelf(storage, this.url, options.makeRoom);
  }

  /** Who the caller is, by token or cookie; null where nobody valid asks. */
  async me(): Promise<Identity | null> {
    try {
      const identity = await this.request<Identity>("GET", "/auth/me");
      this.shelf.person = identity.id;
      return identity;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return null;
      throw error;
    }
  }

  /** Become a guest; the browser keeps the session as a cookie too. */
  async guest(name?: string): Promise<Guest> {
    return this.become(await this.request<Guest>("POST", "/auth/guest", name === undefined ? {} : { name }, null));
  }

  /** Become the guest that the code was given to. */
  async recover(code: string): Promise<Guest> {
    return this.become(await this.request<Guest>("POST", "/auth/recover", { recovery_code: code }, null));
  }

  /** End the session, here and on the server; its connections close, and what was not sent is not kept any more. */
  async logout(): Promise<void> {
    await this.request("POST", "/auth/logout");
    this.token = undefined;
    this.shelf.forget();
  }

  /** A word for `?ticket=` of one WebSocket, good for 30 seconds. */
  async ticket(): Promise<string> {
    return (await this.request<{ ticket: string }>("POST", "/auth/ticket")).ticket;
  }

  create(fields: NewConversation): Promise<Created> {
    return this.request("POST", "/chat/create", fields);
  }

  /** The caller's conversations, newest activity first. */
  conversations(page: { limit?: number; offset?: number } = {}): Promise<ConversationPage> {
    return this.request("GET", `/chat/my-conversations${query(page)}`);
  }

  /** A conversation with its members and last hundred messages. */
  look(id: string): Promise<ConversationObject> {
    return this.request("GET", `/chat/conversations/${encodeURIComponent(id)}`);
  }

  /** Change the title or the metadata, as the owner; `metadata: null` removes it. Everybody gets `conversation_updated`. */
  update(id: string, changes: { title?: string; metadata?: Json | null }): Promise<ConversationObject> {
    return this.request("PATCH", `/chat/${encodeURIComponent(id)}`, changes);
  }

  /** Be called that from now on, on all devices and in all conversations. */
  rename(name: string): Promise<Identity> {
    return this.request("PATCH", "/auth/me", { name });
  }

  /** Join, or bring in somebody else. */
  async join(id: string, participant?: { user_id: string; name?: string }): Promise<ConversationObject> {
    const path = `/chat/${encodeURIComponent(id)}/join`;
    const answer = await this.request<{ conversation: ConversationObject }>("POST", path, participant ? { participant } : {});
    return answer.conversation;
  }

  leave(id: string): Promise<{ remaining_participants: number }> {
    return this.request("DELETE", `/chat/${encodeURIComponent(id)}/leave`);
  }

  /** One page of the log, ascending, at most 100 events; bounds excluded, without them the newest. */
  messages(id: string, range: { after?: number; before?: number; limit?: number } = {}): Promise<Events> {
    return this.request("GET", `/chat/${encodeURIComponent(id)}/messages${query(range)}`);
  }

  /** A message with one page of the replies in its thread, ascending; bounds excluded, without them the newest. */
  thread(id: string, messageId: string, range: { after?: number; before?: number; limit?: number } = {}): Promise<ThreadPage> {
    return this.request("GET", `/chat/${encodeURIComponent(id)}/threads/${encodeURIComponent(messageId)}${query(range)}`);
  }

  /** Everything up to there is read, of the main log or of a thread; with `force` the position may move back. */
  markRead(
    id: string,
    sequence: number,
    more: { thread_id?: string; force?: boolean } = {},
  ): Promise<{ read_sequence_id: number; unread_count: number; mention_count: number }> {
    return this.request("POST", `/chat/${encodeURIComponent(id)}/read`, { sequence_id: sequence, ...more });
  }

  /** End the run of an agent, as whom it answers or as an owner; what it has said stays as a message. */
  cancel(id: string, runId: string): Promise<RunReceipt> {
    return this.request("POST", `/chat/${encodeURIComponent(id)}/runs/${encodeURIComponent(runId)}/cancel`);
  }

  /** Ask the agent of a run that has ended for another answer to the same message. Throws `Refused`. */
  regenerate(id: string, runId: string): Promise<{ run_id: string; message_id: string }> {
    return this.request("POST", `/chat/${encodeURIComponent(id)}/runs/${encodeURIComponent(runId)}/regenerate`);
  }

  /** Allow the tool call that a run waits for, or refuse it, as whom the run answers or as an owner. Throws `Refused`. */
  approve(id: string, runId: string, approvalId: string, approved: boolean): Promise<RunReceipt> {
    const path = `/chat/${encodeURIComponent(id)}/runs/${encodeURIComponent(runId)}/approval`;
    return this.request("POST", path, { approval_id: approvalId, approved });
  }

  /** Set what an agent answers in a conversation, as its owner. Throws `Refused`. */
  updateAgent(
    id: string,
    agentId: string,
    settings: { trigger?: Trigger; agents_may_call?: number; steering?: Steering },
  ): Promise<ConversationObject> {
    return this.request("PATCH", `/chat/${encodeURIComponent(id)}/agents/${encodeURIComponent(agentId)}`, settings);
  }

  /** The conversations in which this person has left messages that no tab sends any more: `open` them, and they are sent. */
  unsent(): Promise<string[]> {
    return this.shelf.orphaned(this.shelf.person);
  }

  /** A conversation that keeps itself connected until it is closed. */
  open(id: string, options: OpenOptions = {}): Conversation {
    return new Line(this, id, options);
  }

  /** @internal */
  async address(id: string, after: number | undefined): Promise<string> {
    const fields = new URLSearchParams();
    if (after !== undefined) fields.set("last_sequence_id", String(after));
    // A browser sends the session cookie with a WebSocket, but no header, and no cookie to another origin.
    if (this.token !== undefined) fields.set("ticket", await this.ticket());
    return `${this.url.replace(/^http/, "ws")}/chat/ws/${encodeURIComponent(id)}?${fields}`;
  }

  /** Any exchange as this person. What is no success is thrown as `Refused`; an answer without a body is undefined. */
  async request<T = any>(method: string, path: string, body?: unknown, token: string | null | undefined = this.token): Promise<T> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (token) headers["Authorization"] = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const init: RequestInit = { method, headers, credentials: "same-origin", signal: AbortSignal.timeout(ANSWER_TIMEOUT) };
    if (body !== undefined) init.body = JSON.stringify(body);
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.url + path, init);
      text = await response.text();
    } catch {
      throw new Refused({ code: "UNREACHABLE", error: "The server cannot be reached.", temporary: true });
    }
    const answer = parsed(text);
    if (response.ok && (answer !== undefined || text === "")) return answer as T;
    const refusal = refusalOf(answer, response.status);
    refusal.retry_after ??= seconds(response.headers.get("Retry-After"))!;
    if (refusal.retry_after === undefined) delete refusal.retry_after;
    throw new Refused(refusal, response.status);
  }

  private become(guest: Guest): Guest {
    this.token = guest.token;
    this.shelf.person = guest.participant.id;
    return guest;
  }
}

function query(fields: Record<string, number | undefined>): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reading the property itself throws where cookies are blocked. */
function localStorageOrNull(): Storage | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}
