/**
 * salon.js: one person's way to a salon server, from a browser or anything that has `fetch` and `WebSocket`.
 *
 * `new Salon()` for HTTP, `salon.open(id)` for a conversation that keeps itself connected.
 */
import { answered, unreachable } from "./answered.ts";
import { Line } from "./line.ts";
import { chat, query } from "./paths.ts";
import { People } from "./people.ts";
import { Refused } from "./refused.ts";
import { Shelf } from "./shelf.ts";
import { upload } from "./upload.ts";
import type {
  Conversation,
  ConversationChanges,
  ConversationObject,
  ConversationPage,
  Created,
  Events,
  Guest,
  Identity,
  MessageFile,
  NewConversation,
  OpenOptions,
  Options,
  RunReceipt,
  SearchOptions,
  SearchPage,
  Steering,
  ThreadPage,
  Trigger,
  UploadOptions,
} from "./types.ts";

export type * from "./types.ts";
export { changed, foreseen, isChange, Messages, targetsOf } from "./fold.ts";
export { Refused } from "./refused.ts";

/** Every call may throw `Refused`, and what `renew` throws; none but an upload is tried again by itself, or after a new token. */
export class Salon extends People {
  /** @internal */
  readonly shelf: Shelf;
  private readonly renew: Options["renew"];
  private renewing: Promise<string> | undefined;

  constructor(options: Options = {}) {
    super((options.url ?? globalThis.location?.origin ?? "").replace(/\/+$/, ""), options.token);
    this.renew = options.renew;
    const storage = options.storage === undefined ? localStorageOrNull() : options.storage;
    this.shelf = new Shelf(storage, this.url, options.makeRoom);
  }

  /** Any exchange as this person, or with another token, or with null as nobody. An answer without a body is undefined. */
  override request<T = any>(method: string, path: string, body?: unknown, token: string | null | undefined = this.token, signal?: AbortSignal): Promise<T> {
    if (token !== this.token) return super.request<T>(method, path, body, token, signal);
    return this.asCaller(() => super.request<T>(method, path, body, this.token, signal));
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

  /**
   * The caller's conversations: pinned ones, then newest activity first. `before` of one page asks for the next; `archived` are left out
   * by default.
   */
  conversations(page: { limit?: number; offset?: number; before?: number; archived?: boolean | "all" } = {}): Promise<ConversationPage> {
    return this.request("GET", `/chat/my-conversations${query(page)}`);
  }

  /** A conversation with its members and last hundred messages. */
  look(id: string): Promise<ConversationObject> {
    return this.request("GET", `/chat/conversations/${encodeURIComponent(id)}`);
  }

  /**
   * Change the title or the metadata, as one who may `rename`; `metadata: null` removes it. An owner changes `permissions` (null takes an
   * action back to the usual) and `history`, who may `mute` changes `slow_mode`. Everybody gets `conversation_updated`.
   */
  update(id: string, changes: ConversationChanges): Promise<ConversationObject> {
    return this.request("PATCH", chat(id), changes);
  }

  /** Be called that from now on, on all devices and in all conversations. */
  rename(name: string): Promise<Identity> {
    return this.request("PATCH", "/auth/me", { name });
  }

  /** Join, or bring in somebody else. */
  async join(id: string, participant?: { user_id: string; name?: string }): Promise<ConversationObject> {
    const path = chat(id, "join");
    const answer = await this.request<{ conversation: ConversationObject }>("POST", path, participant ? { participant } : {});
    return answer.conversation;
  }

  leave(id: string): Promise<{ remaining_participants: number }> {
    return this.request("DELETE", chat(id, "leave"));
  }

  /** One page of the log, ascending, at most 100 events; bounds excluded, without them the newest. */
  messages(id: string, range: { after?: number; before?: number; limit?: number } = {}): Promise<Events> {
    return this.request("GET", `${chat(id, "messages")}${query(range)}`);
  }

  /** A message with one page of the replies in its thread, ascending; bounds excluded, without them the newest. */
  thread(id: string, messageId: string, range: { after?: number; before?: number; limit?: number } = {}): Promise<ThreadPage> {
    return this.request("GET", `${chat(id, "threads", messageId)}${query(range)}`);
  }

  /**
   * The messages that match, of all conversations of the caller or of one, the best first. A page may have fewer hits than `limit`,
   * or none, although there are more: `next` asks for them, as `cursor`. /docs says what a query may be.
   */
  search(q: string, { signal, ...fields }: SearchOptions = {}): Promise<SearchPage> {
    return this.request("GET", `/chat/search${query({ ...(q !== "" && { q }), ...fields })}`, undefined, this.token, signal);
  }

  /**
   * Bring a file to a conversation; `send` then names it, within a day. After a drop, and where the server asks for it, it is tried
   * again from its beginning. Throws `Refused`, or the reason of `signal`.
   */
  upload(id: string, file: Blob, options: UploadOptions = {}): Promise<MessageFile> {
    const name = options.name ?? (file as Partial<File>).name;
    const url = `${this.url}${chat(id, "files")}${query({ name })}`;
    return this.asCaller(() => upload({ url, token: () => this.token }, file, options));
  }

  /** Where a file is; with `download` a browser saves it. Who has no session cookie there needs `download`. */
  fileUrl(id: string, fileId: string, { download }: { download?: boolean } = {}): string {
    return `${this.url}${chat(id, "files", fileId)}${query({ download: download || undefined })}`;
  }

  /** Where a small picture of a picture is, with the longer side of the next of 160, 320, 640 and 1280 pixels. */
  previewUrl(id: string, fileId: string, size = 640): string {
    return `${this.url}${chat(id, "files", fileId, "preview")}${query({ size })}`;
  }

  /** The bytes of a file, or with `preview` of a small picture of it: for pages that have a token and no cookie. */
  async download(id: string, fileId: string, { preview, signal }: { preview?: number; signal?: AbortSignal } = {}): Promise<Blob> {
    const url = preview === undefined ? this.fileUrl(id, fileId) : this.previewUrl(id, fileId, preview);
    const headers: Record<string, string> = this.token ? { Authorization: `Bearer ${this.token}` } : {};
    try {
      const response = await fetch(url, { headers, credentials: "same-origin", ...(signal && { signal }) });
      if (response.ok) return await response.blob();
      return answered(response.status, await response.text(), response.headers.get("Retry-After"));
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof Refused ? error : unreachable();
    }
  }

  /** Everything up to there is read, of the main log or of a thread; with `force` the position may move back. */
  markRead(
    id: string,
    sequence: number,
    more: { thread_id?: string; force?: boolean } = {},
  ): Promise<{ read_sequence_id: number; unread_count: number; mention_count: number }> {
    return this.request("POST", chat(id, "read"), { sequence_id: sequence, ...more });
  }

  /** End the run of an agent, as whom it answers or as an owner; what it has said stays as a message. */
  cancel(id: string, runId: string): Promise<RunReceipt> {
    return this.request("POST", chat(id, "runs", runId, "cancel"));
  }

  /** Ask the agent of a run that has ended for another answer to the same message. Throws `Refused`. */
  regenerate(id: string, runId: string): Promise<{ run_id: string; message_id: string }> {
    return this.request("POST", chat(id, "runs", runId, "regenerate"));
  }

  /** Allow the tool call that a run waits for, or refuse it, as whom the run answers or as an owner. Throws `Refused`. */
  approve(id: string, runId: string, approvalId: string, approved: boolean): Promise<RunReceipt> {
    const path = chat(id, "runs", runId, "approval");
    return this.request("POST", path, { approval_id: approvalId, approved });
  }

  /** Set what an agent answers in a conversation, as its owner. Throws `Refused`. */
  updateAgent(
    id: string,
    agentId: string,
    settings: { trigger?: Trigger; agents_may_call?: number; steering?: Steering },
  ): Promise<ConversationObject> {
    return this.request("PATCH", chat(id, "agents", agentId), settings);
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
    if (this.token !== undefined || this.renews) fields.set("ticket", await this.ticket());
    return `${this.url.replace(/^http/, "ws")}/chat/ws/${encodeURIComponent(id)}?${fields}`;
  }

  /** @internal */
  get renews(): boolean {
    return this.renew !== undefined;
  }

  /** @internal A new token, the same for all connections that ask at once; undefined where the page gives none. */
  async renewed(): Promise<string | undefined> {
    if (this.renew === undefined) return undefined;
    this.renewing ??= Promise.resolve(this.renew()).finally(() => (this.renewing = undefined));
    return (this.token = await this.renewing);
  }

  /** Do it, and once more where the token at hand has ended and there is another one. */
  private async asCaller<T>(act: () => Promise<T>): Promise<T> {
    const before = this.token;
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof Refused && error.status === 401)) throw error;
      if (this.token === before) await this.renewed();
      if (this.token === before) throw error;
      return act();
    }
  }

  private become(guest: Guest): Guest {
    this.token = guest.token;
    this.shelf.person = guest.participant.id;
    return guest;
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
