/**
 * The shapes that salon.js takes and gives; those of the socket are in frames.ts. Seconds, where nothing else is said; a time of the
 * clock is in milliseconds since the epoch, a `timestamp` is ISO 8601.
 */
import type {
  Action,
  ChangeReceipt,
  ConversationLine,
  Event,
  FileReference,
  History,
  Join,
  Json,
  Kind,
  Message,
  MessageFile,
  Mode,
  Participant,
  Permissions,
  Person,
  Preferences,
  Presence,
  Receipt,
  Role,
  RunAckFrame,
  RunEndFrame,
  RunRequestedSignalFrame,
  RunState,
  ToolCall,
} from "./frames.ts";

export type * from "./frames.ts";

export type Status =
  | "connecting" // a handshake is under way
  | "catching-up" // connected, and what was missed is coming in
  | "live"
  | "offline" // no connection; `retryAt` says when the next try is
  | "ended"; // for good: closed, left, removed, signed out or refused; `reason` says why

export interface State {
  status: Status;
  /** When the next try is, in milliseconds since the epoch. */
  retryAt?: number;
  /** Why there is no connection. */
  reason?: Reason;
}

export interface Reason {
  code: string;
  /** For a person. */
  error: string;
}

/** Why the server did not do what it was asked. `temporary`: the same again may succeed, after `retry_after` seconds. */
export interface Refusal extends Reason {
  temporary: boolean;
  /** Names this refusal for the operator. */
  id?: string;
  retry_after?: number;
  scope?: "conversation" | "participant" | "server";
  client_message_id?: string;
}

export interface Identity {
  id: string;
  name: string;
  admin: boolean;
  /** Whether one who came as a guest has signed in with a provider since. */
  account?: boolean;
}

export interface Guest {
  token: string;
  participant: Person;
  /** Shown this once; it brings the guest back where both token and cookie are gone. */
  recovery_code: string;
}

export interface Events {
  events: Event[];
  head_sequence_id: number;
  /** In the direction asked. */
  has_more: boolean;
}

export interface NewConversation {
  title: string;
  /** Others, besides the caller, who owns it. */
  participants?: { user_id: string; name?: string }[];
  /** `open`: whoever knows the id may come in; `invite`: members bring them in. */
  join?: Join;
  members_invite?: boolean;
  share_reads?: boolean;
  mode?: Mode;
  sites?: string[];
  enable_ai?: boolean;
  metadata?: Json;
}

export interface Created {
  conversation_id: string;
  title: string;
  mode: Mode;
  created_at: string;
  participants: Person[];
  websocket_url: string;
}

export interface ConversationPage {
  conversations: ConversationLine[];
  total: number;
  limit: number;
  offset: number;
  /** Asks for the next page; null where this is the last. */
  before: number | null;
}

export interface ConversationObject {
  id: string;
  title: string;
  mode: Mode;
  sites: string[];
  enable_ai: boolean;
  join: Join;
  members_invite: boolean;
  share_reads: boolean;
  metadata: Json | null;
  /** Ids of the pinned messages, in the order of pinning. */
  pinned: string[];
  participants: Participant[];
  /** The last hundred, ascending. */
  messages: Message[];
  head_sequence_id: number;
  created_at: string;
  updated_at: string;
  ended_at: string | null;
  participant_count: number;
  message_count: number;
  unread_count: number;
  /** Of the unread messages, those that mention the caller; at most 1,000 are counted. */
  mention_count: number;
  status: "active" | "inactive";
  /** The least role for each action. */
  permissions: Permissions;
  /** What the caller may do now. */
  may: Action[];
  history: History;
  /** The first event that the caller may read. */
  oldest_sequence_id: number;
  /** Seconds between two messages of one member; 0 for none. */
  slow_mode: number;
  /** How long messages are kept; 0 days for as long as the server keeps them. */
  retention: { days: number };
  /** Whether it is of two people: nobody comes in, nobody leaves. */
  direct: boolean;
  /** Null for an operator who is no member. */
  me: Preferences | null;
}

/** What is left out stays as it is. */
export interface ConversationChanges {
  title?: string;
  metadata?: Json | null;
  permissions?: Partial<Record<Action, Role | null>>;
  history?: History;
  /** Seconds between two messages of one member; 0 for none. */
  slow_mode?: number;
}

/** A message with a page of the replies to it, ascending. `unread_count` counts those after `read_sequence_id`. */
export interface ThreadPage {
  root: Message;
  replies: Message[];
  read_sequence_id: number;
  unread_count: number;
  /** In the direction asked. */
  has_more: boolean;
}

/** What is sought besides words; `from` is a participant's id, a time is a day or has a time of day. */
export interface SearchOptions {
  conversation_id?: string;
  from?: string;
  after?: string;
  before?: string;
  has?: "file";
  limit?: number;
  /** The `next` of the page before, with the same query. */
  cursor?: string;
  /** Ends the request. */
  signal?: AbortSignal;
}

export interface SearchPage {
  hits: SearchHit[];
  next: string | null;
  /** False while the server still indexes what an earlier version has stored. */
  complete: boolean;
}

/** A message that was found, and those beside it. */
export interface SearchHit {
  conversation_id: string;
  title: string;
  message_id: string;
  sequence_id: number;
  sender_id: string;
  sender_name: string;
  sender_type: Kind;
  timestamp: string;
  thread_id?: string;
  /** The text around the first match, in pieces to be joined. It is text, no HTML. */
  snippet: SnippetPiece[];
  before: FoundNeighbour | null;
  after: FoundNeighbour | null;
}

export interface SnippetPiece {
  text: string;
  /** True where it is what was sought. */
  match?: boolean;
}

export interface FoundNeighbour {
  message_id: string;
  sequence_id: number;
  sender_id: string;
  sender_name: string;
  timestamp: string;
  /** Its beginning. */
  text: string;
  deleted?: boolean;
}

export interface UploadOptions {
  /** By default that of the file. */
  name?: string;
  onProgress?: (progress: UploadProgress) => void;
  /** Cancels it. */
  signal?: AbortSignal;
  /** How often it is tried in all, 10 by default. */
  tries?: number;
}

/** In bytes. */
export interface UploadProgress {
  sent: number;
  size: number;
  /** It was cut: when the next try is, in milliseconds since the epoch, or sooner if the network is back before. */
  retryAt?: number;
  reason?: Refusal;
}

/** A file of a message to be sent: `{file_id, alt}`, or all that `upload` gave, so that a page can show it while it waits. */
export type GivenFile = FileReference & Partial<Omit<MessageFile, keyof FileReference>>;

/** What was done to a member; `sequence_id` is that of the event, null where it was so already. */
export interface MemberChange {
  success: true;
  conversation_id: string;
  participant_id: string;
  sequence_id: number | null;
}

export interface MemberPage {
  participants: Participant[];
  participant_count: number;
  /** Asks for the next page; null where this is the last. */
  after: string | null;
}

export interface SanctionTerms {
  /** ISO 8601 with a time zone; by default until somebody ends it. */
  until?: string;
  reason?: string;
}

/** A ban or a mute. */
export interface Sanction {
  participant: Person;
  by: string;
  at: string;
  until: string | null;
  reason: string | null;
}

export interface InviteTerms {
  /** Seconds, a week by default; null: it does not expire. */
  expires_in?: number | null;
  max_uses?: number;
  /** Up to one's own; `member` by default. */
  role?: Exclude<Role, "owner">;
}

/** An invite that may still be used. */
export interface Invite {
  invite_id: string;
  role: Role;
  by: string;
  created_at: string;
  expires_at: string | null;
  max_uses: number | null;
  uses: number;
}

/** A new invite, with its code, which is told once. */
export interface NewInvite extends Invite {
  code: string;
  /** A path of the server's. */
  url: string;
}

/** Somebody who asks to be let in. */
export interface JoinRequest {
  participant: Person;
  requested_at: string;
  reason: string | null;
}

/** A message or an edit that moderation holds, or has held: its text is gone once it is decided. */
export interface HeldMessage {
  held_id: number;
  conversation_id: string;
  sender: Person;
  kind: "message" | "edit";
  content: string | null;
  client_message_id: string | null;
  /** Why it is held. */
  reason: string | null;
  held_at: string;
  closed_at: string | null;
  closed_by: string | null;
  /** `refused`: approved, but its conversation did not take it any more. */
  outcome: "approved" | "denied" | "refused" | null;
  /** What who decided, or the conversation, says. */
  why: string | null;
}

export interface HeldPage {
  held: HeldMessage[];
  /** Asks for the next page; null where this is the last. */
  before: number | null;
}

/** Something on its way to the server. */
interface Underway {
  /** The idempotency key: however often it is sent, it is done once. */
  readonly key: string;
  readonly queued_at: number;
  /**
   * `waiting` for a connection, its turn or the end of a pause; `sent`: there is a receipt, and the event follows;
   * `held`: the server has it, and nobody sees it until a moderator has decided; `refused` for good, until it is tried again or
   * discarded.
   */
  readonly state: "waiting" | "sending" | "sent" | "held" | "refused";
  readonly refusal?: Refusal;
  /** It is held, or was before a moderator denied it. */
  readonly held_id?: number;
  /** It was written to a connection: the server may have it. */
  readonly tried?: boolean;
}

/** A message on its way. It leaves the outbox when its event has come, or when it is discarded. Never changed in place. */
export interface Outgoing extends Underway {
  readonly content: string;
  readonly reply_to?: string;
  readonly metadata?: Json;
  readonly mentions?: readonly string[];
  /** The message in whose thread this is a reply. */
  readonly thread_id?: string;
  /** Of a reply in a thread: the main log shows it, too. */
  readonly also_in_channel?: boolean;
  readonly files?: readonly GivenFile[];
  readonly receipt?: Receipt;
}

/** What is done to a message. */
export type Change =
  | {
      readonly type: "message_edited";
      readonly content: string;
      /** All of it; null removes it, left out it stays. */
      readonly metadata?: Json | null;
      readonly mentions?: readonly string[];
      /** What the edit is based on: where the message has another by then, it is refused with REVISION_CONFLICT. */
      readonly revision?: number;
    }
  | { readonly type: "message_deleted"; readonly reason?: string }
  | { readonly type: "reaction_added" | "reaction_removed"; readonly emoji: string }
  | { readonly type: "message_pinned" | "message_unpinned" };

/** A change of a message on its way. The changes of one message go out one after another. Never changed in place. */
export interface OutgoingChange extends Underway {
  readonly change: Change;
  /** The message; absent while it waits for its own receipt. */
  readonly message_id?: string;
  /** The key of the message, where it was in the outbox when it was changed. */
  readonly message_key?: string;
  readonly receipt?: ChangeReceipt;
}

/** An answer in the making, of another member. Never changed in place. */
export interface OpenRun {
  readonly run_id: string;
  /** The agent's. */
  readonly participant_id: string;
  /** All that it has said so far. */
  readonly text: string;
  /** What the agent does since it has said the last of this. */
  readonly state?: RunState;
  /** The same in its own words. */
  readonly label?: string;
  /** What waits for a person: `approve` is for the one whom the run answers, and for an owner. */
  readonly approval?: ToolCall;
  /** This and the next three are absent where `run_started` came before the events that were given out. */
  readonly reply_to?: string;
  readonly asked_by?: string;
  /** The root of the thread in which it answers. */
  readonly thread_id?: string;
  readonly timestamp?: string;
}

/** How an agent ends its run. */
export type RunEnd = Omit<RunEndFrame, "type" | "run_id" | "offset">;

/** The server's word on where a run is. */
export type RunReceipt = Omit<RunAckFrame, "type">;

/** A message that wants an answer of this agent. */
export interface RunRequest extends Omit<RunRequestedSignalFrame, "type"> {
  /** Begin the answer, as a reply to the message. */
  run(): Run;
}

/** An answer of this agent in the making. It outlives drops of the connection, but not this object. */
export interface Run {
  readonly id: string;
  /** Aborted when the run was cancelled or has ended elsewhere; the reason is a `Refused`. */
  readonly signal: AbortSignal;
  /** Add to what it says; sent with what else is said within 50 ms. Throws `Refused` once the run is over. */
  say(text: string): Promise<void>;
  /** Show what the agent does until it says more. */
  status(state: RunState, label?: string): void;
  /**
   * Ask for a tool call, and wait until the person whom the run answers, or an owner, has decided. Nobody may be there: `signal` takes
   * the call back, such as `AbortSignal.timeout(60_000)`, and its reason is thrown. One call is asked for at a time. Throws `Refused` if
   * the run is over before, or if the call is not understood.
   */
  ask(tool: string, args?: Json, signal?: AbortSignal): Promise<boolean>;
  /** End it: what it has said becomes its message. A run that is over already gives the receipt of that end. */
  end(more?: RunEnd): Promise<RunReceipt>;
}

/** What a conversation tells, by name. */
export interface Signals {
  /** Every event of the sequence, once and in order. */
  event: Event;
  state: State;
  /** The messages on their way, after every change. */
  outbox: readonly Outgoing[];
  /** The changes of messages on their way, after every change of that. */
  changes: readonly OutgoingChange[];
  /** A message is new or looks different, with what this person has done to it and waits; also where that was refused. */
  message: Message;
  /** A message is stored. */
  receipt: Receipt;
  participants: readonly Participant[];
  /** The answers in the making, after every change; a run's end is its message or `run_failed`, which is told before. */
  runs: readonly OpenRun[];
  presence: Presence;
  typing: { participant_id: string; is_typing: boolean };
  /** `thread_id`: it is the position in the thread of this message. */
  read: { participant_id: string; sequence_id: number; thread_id?: string };
  /**
   * What was kept no longer continues. `epoch`: the log is another one, so forget every event kept of it. `gap`, with
   * `resume: "newest"` only: events go on at `first_sequence_id`, and those before it are to be had by `Salon.messages`.
   */
  reset: { why: "epoch" } | { why: "gap"; first_sequence_id: number };
  /** This person keeps the conversation so from now on, by another of their devices. */
  preferences: Preferences;
  /** A refusal that belongs to no message. */
  refused: Refusal;
}

export interface Conversation {
  readonly id: string;
  readonly state: State;
  /** The last event that is known of, given out or not; -1 before the first connection. */
  readonly head: number;
  /** The last event given out, to be kept with `epoch` for `lastSequenceId`; -1 before the first. */
  readonly position: number;
  /** Names the log. */
  readonly epoch: string | undefined;
  /** Those online first where there are more than 100. */
  readonly participants: readonly Participant[];
  readonly participantCount: number;
  readonly outbox: readonly Outgoing[];
  /** The changes of messages that wait in the outbox, too. */
  readonly changes: readonly OutgoingChange[];
  /** The answers in the making, of other members. */
  readonly runs: readonly OpenRun[];
  /** Unicode code points that a message may have; 0 for no bound, or not known yet. */
  readonly maxMessageSize: number;
  /** Listen; the answer stops it. */
  on<K extends keyof Signals>(name: K, listener: (value: Signals[K]) => void): () => void;
  /** Put a message into the outbox, which sends it through drops and reloads until its receipt. Throws `Refused` OUTBOX_FULL. */
  send(content: string, more?: SendOptions): Outgoing;
  /**
   * A message as it is now, with what this person has done to it and waits: of those whose events were given out or `learn`ed, the
   * newest 5,000.
   */
  message(id: string): Message | undefined;
  /** Take in a page of the log or the replies of a thread, so that `message` knows them. */
  learn(events: readonly Event[]): void;
  /**
   * Give one's own message another content. Each of these names a message by its id, or one that was sent from here by its key: then
   * the change waits for the message's receipt. They are kept, sent and tried again as messages are. Of two that wait, a later one may take the
   * place of an earlier one, or undo it: then there is nothing to send. Throw `Refused` OUTBOX_FULL.
   */
  edit(message: string, content: string, more?: { metadata?: Json | null; mentions?: readonly string[]; revision?: number }): OutgoingChange;
  /** Delete one's own message, or as a moderator somebody's; one that the server was never told of just leaves the outbox. */
  delete(message: string, reason?: string): OutgoingChange | undefined;
  /** React with one grapheme cluster, or a name in colons such as `:tada:`. */
  react(message: string, emoji: string): OutgoingChange | undefined;
  unreact(message: string, emoji: string): OutgoingChange | undefined;
  /** As a moderator. */
  pin(message: string): OutgoingChange | undefined;
  unpin(message: string): OutgoingChange | undefined;
  /** Try a refused message or change again, with the same key; an edit then without the revision that it was based on. */
  retry(key: string): void;
  /** Forget a message with its changes, or a change, that waits or was refused; one that is being sent may already be stored. */
  discard(key: string): void;
  /** Lost where there is no connection. */
  typing(is: boolean): void;
  /** Everything up to there is read, in the main log or in a thread; kept until there is a connection. */
  read(sequence: number, threadId?: string): void;
  /** The position moves back: what follows it is unread again. */
  unread(sequence: number): void;
  /** End the run of an agent, as whom it answers or as an owner. Throws `Refused`. */
  cancel(runId: string): Promise<void>;
  /** Ask the agent of a run that has ended for another answer, as who may cancel it. Throws `Refused`. */
  regenerate(runId: string): Promise<void>;
  /**
   * Allow the tool call that a run waits for, or refuse it, as who may cancel the run. Throws `Refused`, with APPROVAL_NOT_FOUND where
   * somebody else has decided otherwise, or the run goes on without it.
   */
  approve(runId: string, approvalId: string, approved: boolean): Promise<void>;
  /** As an agent: the messages that want an answer, each once, until the conversation is closed. */
  requests(): AsyncIterable<RunRequest>;
  /** As an agent: begin a run, or go on with one after a restart, where what is said comes after what it has. */
  run(run: { runId: string; replyTo?: string }): Run;
  /** Connect now instead of when the next try is due, or once more after the end. */
  reconnect(): void;
  /** Let go of the connection and of all listeners; what is in the outbox stays in the storage for the next time. */
  close(): void;
}

export interface SendOptions {
  reply_to?: string;
  metadata?: Json;
  mentions?: readonly string[];
  /** The message in whose thread this is a reply: one that is no reply itself. */
  thread_id?: string;
  /** Of a reply in a thread: show it in the main log, too. */
  also_in_channel?: boolean;
  /** Files that were uploaded to this conversation, each for one message. With files, the content may be blank. */
  files?: readonly GivenFile[];
}

export interface Options {
  /** The server's address, with a path where a proxy puts it under one; the page's own origin by default. */
  url?: string;
  /** A bearer token; without one the session cookie says who asks. */
  token?: string;
  /**
   * Gives a token of the same person: asked where a call is refused for want of one, in the last minute of a connection's (again
   * where it fails), and when that has ended.
   */
  renew?: () => string | Promise<string>;
  /** Where outboxes are kept: localStorage by default, nowhere with null. */
  storage?: Storage | null;
  /** Called where the storage is full, to drop what can be had again; whether anything was. */
  makeRoom?: () => boolean;
}

/** Where to begin: after the last event that the caller kept, of the log that `epoch` names; else with the last 50. */
export interface OpenOptions {
  lastSequenceId?: number;
  epoch?: string;
  /**
   * What happens after an absence of more events than the server sends on a socket (1,000). `complete`: all are fetched over
   * HTTP, so that none is missing between two that were given out; `newest`: a `reset` says where the newest begin.
   */
  resume?: "complete" | "newest";
}
