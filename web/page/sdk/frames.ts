/** What goes over the socket, both ways. Names, fields and types are those of /asyncapi.json; a test holds them to it. */

export type Json = Record<string, unknown>;

export interface Person {
  id: string;
  name: string;
  type: Kind;
}

export type Kind = "human" | "agent";

export type Role = "owner" | "moderator" | "member" | "observer";

/** What a role is needed for. */
export type Action =
  | "post"
  | "edit_own"
  | "delete_own"
  | "delete_any"
  | "react"
  | "pin"
  | "invite"
  | "remove"
  | "ban"
  | "mute"
  | "rename"
  | "change_roles"
  | "read_members";

/** The least role for an action. */
export type Permissions = Partial<Record<Action, Role>>;

export type History = "all" | "since_join";

export type Mode = "list" | "summarize" | "generate";

export type Join = "open" | "invite";

/** A member of a conversation. */
export interface Participant {
  participantId: string;
  displayName: string;
  type: Kind;
  role: Role;
  joinedAt: string;
  isOnline: boolean;
  /** Of an agent: which messages it is asked to answer. */
  trigger?: Trigger;
  /** Of an agent: the messages of agents, without one of a person between, that it still answers. */
  agentsMayCall?: number;
  /** Of an agent: what a new question does to the answer that its sender is being given. */
  steering?: Steering;
}

export type Steering = "queue" | "restart";

export type Trigger = "auto" | "mention" | "always" | "never";

export interface Message {
  message_id: string;
  conversation_id: string;
  sequence_id: number;
  sender_id: string;
  sender_name: string;
  sender_type: Kind;
  content: string;
  message_type: "text";
  timestamp: string;
  client_message_id?: string;
  reply_to?: string;
  metadata?: Json;
  /** Ids of the members whom the message mentions. */
  mentions?: string[];
  files?: MessageFile[];
  /** The run that this message ends. */
  run_id?: string;
  /** How the run ended; `content` is all that was said until then. */
  status?: "complete" | "cancelled" | "interrupted";
  /** What the run has used, as its agent says. */
  usage?: Json;
  /** What the answer points to, in the order of relevance. */
  results?: Result[];
  /** The message in whose thread this is a reply. */
  thread_id?: string;
  /** Of a reply: the main log shows it, too. */
  also_in_channel?: boolean;
  /** 2 after the first edit; left out before. */
  revision?: number;
  edited_at?: string;
  /** By emoji, in the order of the first of each kind. */
  reactions?: Record<string, Reaction>;
  /** The replies to this message. */
  thread?: ThreadFacts;
  pinned?: boolean;
  /** Its content, former revisions and reactions are gone. */
  deleted?: boolean;
  /** The last event that is part of this: only later ones change it. Left out where there is none. */
  as_of?: number;
}

/** One kind of reaction to a message. */
export interface Reaction {
  count: number;
  /** Ids of the first twenty who gave it. */
  participants: string[];
}

/** The replies in a message's thread; deleted ones do not count. */
export interface ThreadFacts {
  replies: number;
  last_at: string;
}

/** A file of a message, at `/chat/ID/files/FILE_ID`; of a picture there is `…/preview?size=640`, too. */
export interface MessageFile {
  file_id: string;
  name: string;
  /** What its bytes say that it is. */
  media_type: string;
  /** Bytes. */
  size: number;
  /** Of a picture, in pixels, as it is shown. */
  width?: number;
  height?: number;
  /** What it shows, in words. */
  alt?: string;
}

/** Something that an answer points to: a page that it cites, a thing that it has found. */
export interface Result {
  /** http or https. */
  url: string;
  name: string;
  site?: string;
  description?: string;
  score?: number;
  /** What schema.org says of it. */
  schema_object?: Json;
}

/** The server's word that a message is stored and has its place in the sequence. */
export interface Receipt {
  conversation_id: string;
  message_id: string;
  sequence_id: number;
  timestamp: string;
  client_message_id: string | null;
  /** This and the hash are absent where the message itself came back before its receipt, after a drop. */
  durability?: "committed" | "memory";
  event_hash?: string;
}

export interface ConversationCreated {
  type: "conversation_created";
  sequence_id: 1;
  conversation_id: string;
  title: string;
  mode: Mode;
  participants: (Person & { role: Role })[];
  sites: string[];
  enable_ai: boolean;
  /** `open`: whoever knows the id may come in; `invite`: members bring them in. */
  join: Join;
  members_invite: boolean;
  share_reads: boolean;
  timestamp: string;
  metadata?: Json;
  /** Where they differ from the usual. */
  permissions?: Permissions;
  history?: History;
  /** Seconds between two messages of one member; 0 for none. */
  slow_mode?: number;
  /** How long messages are kept; 0 days for as long as the server keeps them. */
  retention?: { days: number };
  /** True where it is of two people: nobody comes in, nobody leaves. */
  direct?: boolean;
}

export interface MessageEvent {
  type: "message";
  sequence_id: number;
  message: Message;
}

export interface ParticipantJoined {
  type: "participant_joined";
  sequence_id: number;
  conversation_id: string;
  participant: Person;
  role: Role;
  invited_by?: string;
  participant_count: number;
  timestamp: string;
  /** The invite that they used. */
  invite_id?: string;
}

export interface ParticipantLeft {
  type: "participant_left";
  sequence_id: number;
  conversation_id: string;
  participant: Person;
  participant_count: number;
  timestamp: string;
}

/** A member is called something else from here on. */
export interface ParticipantUpdated {
  type: "participant_updated";
  sequence_id: number;
  conversation_id: string;
  participant: Person;
  timestamp: string;
}

/** The title, the metadata or the rules were changed; what did not change is left out. */
export interface ConversationUpdated {
  type: "conversation_updated";
  sequence_id: number;
  conversation_id: string;
  title?: string;
  /** All of it; null where it was removed. */
  metadata?: Json | null;
  by: string;
  timestamp: string;
  /** All that differ from the usual. */
  permissions?: Permissions;
  history?: History;
  slow_mode?: number;
  /** How long messages are kept; 0 days for as long as the server keeps them. */
  retention?: { days: number };
}

/** An owner has set which messages an agent is asked to answer. */
export interface AgentUpdated {
  type: "agent_updated";
  sequence_id: number;
  conversation_id: string;
  participant_id: string;
  trigger: Trigger;
  agents_may_call: number;
  steering: Steering;
  by: string;
  timestamp: string;
}

/** An agent has begun an answer: its text comes in `delta` frames, its end is one `message` or one `run_failed`. */
export interface RunStarted {
  type: "run_started";
  sequence_id: number;
  conversation_id: string;
  run_id: string;
  participant_id: string;
  reply_to?: string;
  asked_by?: string;
  /** The root of the thread in which it answers. */
  thread_id?: string;
  timestamp: string;
}

export type RunReason = "timeout" | "upstream" | "budget" | "cancelled" | "interrupted";

/** A run has ended without a word. */
export interface RunFailed {
  type: "run_failed";
  sequence_id: number;
  conversation_id: string;
  run_id: string;
  participant_id: string;
  reason: RunReason;
  temporary: boolean;
  /** Seconds. */
  retry_after?: number;
  timestamp: string;
}

/** A member has another role. */
export interface ParticipantRoleChanged {
  type: "participant_role_changed";
  sequence_id: number;
  conversation_id: string;
  participant_id: string;
  role: Role;
  by: string;
  reason?: string;
  timestamp: string;
}

/** Somebody was removed, and is no longer a member. */
export interface ParticipantRemoved {
  type: "participant_removed";
  sequence_id: number;
  conversation_id: string;
  participant: Person;
  participant_count: number;
  by: string;
  reason?: string;
  timestamp: string;
}

/** Somebody may not come in any more; if they were a member, they are none from here on. */
export interface ParticipantBanned {
  type: "participant_banned";
  sequence_id: number;
  conversation_id: string;
  participant: Person;
  participant_count: number;
  until?: string;
  by: string;
  reason?: string;
  timestamp: string;
}

/** Somebody may come in again. */
export interface ParticipantUnbanned {
  type: "participant_unbanned";
  sequence_id: number;
  conversation_id: string;
  participant_id: string;
  by: string;
  reason?: string;
  timestamp: string;
}

/** What a member says is refused. */
export interface ParticipantMuted {
  type: "participant_muted";
  sequence_id: number;
  conversation_id: string;
  participant: Person;
  until?: string;
  by: string;
  reason?: string;
  timestamp: string;
}

/** Somebody may speak again. */
export interface ParticipantUnmuted {
  type: "participant_unmuted";
  sequence_id: number;
  conversation_id: string;
  participant_id: string;
  by: string;
  reason?: string;
  timestamp: string;
}

/** A link by which people come in; its code is known only to who made it. */
export interface InviteCreated {
  type: "invite_created";
  sequence_id: number;
  conversation_id: string;
  invite_id: string;
  role: Role;
  expires_at?: string;
  max_uses?: number;
  by: string;
  timestamp: string;
}

/** An invite was ended before its time. */
export interface InviteRevoked {
  type: "invite_revoked";
  sequence_id: number;
  conversation_id: string;
  invite_id: string;
  by: string;
  timestamp: string;
}

/** Somebody asks to be let in; their `participant_joined` is the yes. */
export interface JoinRequested {
  type: "join_requested";
  sequence_id: number;
  conversation_id: string;
  participant: Person;
  reason?: string;
  timestamp: string;
}

/** A request to be let in was denied. */
export interface JoinDenied {
  type: "join_denied";
  sequence_id: number;
  conversation_id: string;
  participant_id: string;
  by: string;
  reason?: string;
  timestamp: string;
}

/** A message has another content. */
export interface MessageEdited {
  type: "message_edited";
  sequence_id: number;
  conversation_id: string;
  message_id: string;
  /** Left out where the message has been deleted since. */
  content?: string;
  revision: number;
  mentions?: string[];
  /** Whom the message mentioned when it was sent, where these are others than now: they were asked. */
  first_mentions?: string[];
  /** All of it; left out where there is none. */
  metadata?: Json;
  by: string;
  client_message_id?: string;
  timestamp: string;
}

/** A message is gone but for its place. */
export interface MessageDeleted {
  type: "message_deleted";
  sequence_id: number;
  conversation_id: string;
  message_id: string;
  reason?: string;
  /** Where it was a reply: the root of its thread, which has one reply less. */
  thread_id?: string;
  by: string;
  client_message_id?: string;
  timestamp: string;
}

export interface ReactionAdded {
  type: "reaction_added";
  sequence_id: number;
  conversation_id: string;
  message_id: string;
  emoji: string;
  by: string;
  client_message_id?: string;
  timestamp: string;
}

export interface ReactionRemoved extends Omit<ReactionAdded, "type"> {
  type: "reaction_removed";
  /** Who is now the last of those whom the message names. */
  next?: string;
}

export interface MessagePinned {
  type: "message_pinned";
  sequence_id: number;
  conversation_id: string;
  message_id: string;
  by: string;
  client_message_id?: string;
  timestamp: string;
}

export interface MessageUnpinned extends Omit<MessagePinned, "type"> {
  type: "message_unpinned";
}

/** What changes an earlier message. */
export type ChangeEvent = MessageEdited | MessageDeleted | ReactionAdded | ReactionRemoved | MessagePinned | MessageUnpinned;

/** What has a place in the conversation's sequence. Pass over types that you do not know: later servers have more. */
export type Event =
  | AgentUpdated
  | ConversationCreated
  | ConversationUpdated
  | InviteCreated
  | InviteRevoked
  | JoinDenied
  | JoinRequested
  | ParticipantBanned
  | MessageDeleted
  | MessageEdited
  | MessageEvent
  | MessagePinned
  | MessageUnpinned
  | ParticipantJoined
  | ParticipantLeft
  | ParticipantMuted
  | ParticipantRemoved
  | ParticipantRoleChanged
  | ParticipantUnbanned
  | ParticipantUnmuted
  | ParticipantUpdated
  | ReactionAdded
  | ReactionRemoved
  | RunFailed
  | RunStarted;

/** The first frame, and the answer to a `sync` that cannot be complete. When `epoch` changes, forget all. */
export interface ConnectedFrame {
  type: "connected";
  conversation_id: string;
  participant_id: string;
  connection_id: string;
  mode: "single" | "multi";
  /** Milliseconds to wait for more input. */
  input_timeout: 100 | 2000;
  head_sequence_id: number;
  /** The first event that follows, if any does. */
  first_sequence_id: number;
  /** The first event that you may read: there is nothing for you before it. */
  oldest_sequence_id: number;
  epoch: string;
  /** `fresh`: the last events follow; `complete`: all that were missing; `reset`: page back over HTTP. */
  resume: "fresh" | "complete" | "reset";
  /** Seconds between two pings of the server; 0 for none. */
  heartbeat: number;
  /** Unicode code points of content; 0 for no bound. */
  max_message_size: number;
}

export interface ParticipantListFrame {
  type: "participant_list";
  conversation_id: string;
  participants: Participant[];
  participant_count: number;
}

/** What became of a change of a message. */
export interface ChangeReceipt {
  conversation_id: string;
  message_id: string;
  /** Of the event; left out where the message was so already. */
  sequence_id?: number;
  timestamp: string;
  client_message_id?: string;
  /** Absent, as are the next two, where the event itself came back before its receipt. */
  revision?: number;
  durability?: "committed" | "memory";
  event_hash?: string;
}

export type ChangeAckFrame = { type: "change_ack" } & ChangeReceipt & Required<Pick<ChangeReceipt, "revision" | "durability">>;

export type MessageAckFrame = { type: "message_ack" } & Required<Receipt>;

/** Everything up to here has been sent; what follows is live. */
export interface CaughtUpFrame {
  type: "caught_up";
  sequence_id: number;
}

export interface Presence {
  participant_id: string;
  status: "online" | "offline";
}

export interface PresenceFrame {
  type: "presence";
  changes: Presence[];
}

/** Somebody else types, or has stopped. */
export interface TypingSignalFrame {
  type: "typing";
  participant_id: string;
  is_typing: boolean;
}

/** A read position moved. */
export interface ReadSignalFrame {
  type: "read";
  participant_id: string;
  sequence_id: number;
  /** The root of the thread whose position it is; only your own. */
  thread_id?: string;
}

/** How you keep the conversation, changed on another device. `muted` is true, false, or the time of its end. */
export interface PreferencesSignalFrame {
  type: "preferences";
  archived: boolean;
  muted: boolean | string;
  pinned: boolean;
}

/** A message or an edit waits for a moderator's decision: nobody sees it yet. */
export interface MessageHeldFrame {
  type: "message_held";
  conversation_id: string;
  held_id: number;
  timestamp: string;
  client_message_id?: string;
}

/** What came of a message or an edit of yours that was held. */
export interface HeldDecidedFrame {
  type: "held_decided";
  held_id: number;
  outcome: "approved" | "denied" | "refused";
  reason?: string;
  client_message_id?: string;
  message_id?: string;
}

/** A frame was refused; `Refusal` is what salon.js makes of it. */
export interface ErrorFrame {
  type: "error";
  error: string;
  code: string;
  temporary: boolean;
  id: string;
  retry_after?: number;
  scope?: "conversation" | "participant" | "server";
  client_message_id?: string;
  problem?: string;
  known?: string;
  limit?: number;
  unit?: string;
  queue_size?: number;
  actual_size?: number;
  max_size?: number;
  accepted?: string;
  run_id?: string;
  run_status?: string;
  expected_offset?: number;
  approval_id?: string;
  lasting?: string;
  until?: string;
  seconds?: number;
  what?: string;
  file_id?: string;
  media_type?: string;
  pixels?: number;
  max_pixels?: number;
  reason?: string;
  revision?: number;
}

export interface PongFrame {
  type: "pong";
}

/** The answer to `auth`: the socket goes on until then, or without an end. */
export interface AuthAckFrame {
  type: "auth_ack";
  expires_at?: string;
}

/** The socket is closed with 4500 at that time, in a minute at most, unless a frame `auth` renews it before. */
export interface AuthExpiringFrame {
  type: "auth_expiring";
  expires_at: string;
}

/** This reader is too slow for live push: events after here come from the log, until `caught_up`. */
export interface LaggingFrame {
  type: "lagging";
  sequence_id: number;
}

/** Text of an open run from `offset` (code points) on. After `caught_up` each open run is sent whole, with `offset` 0. */
export interface DeltaSignalFrame {
  type: "delta";
  run_id: string;
  participant_id: string;
  offset: number;
  text: string;
  /** With a whole text: the message that the run answers, and its sender. */
  reply_to?: string;
  asked_by?: string;
}

export type RunState = "thinking" | "tool" | "waiting_for_approval";

/** What an agent does while its run says nothing. */
export interface RunStatusSignalFrame {
  type: "run_status";
  run_id: string;
  state: RunState;
  label?: string;
  /** What waits until the person whom the run answers, or an owner, has decided. */
  approval?: ToolCall;
}

/** A tool call that waits until a person allows it. */
export interface ToolCall {
  approval_id: string;
  tool: string;
  arguments: Json;
}

/** For an agent: a message wants its answer, in a run of this id. */
export interface RunRequestedSignalFrame {
  type: "run_requested";
  run_id: string;
  message_id: string;
  mentions: string[];
  why: "alone" | "mention" | "reply" | "always" | "regenerate";
}

/** For an agent: a person has allowed the tool call that its run waits for, or has refused it. */
export interface ApprovalSignalFrame {
  type: "approval";
  run_id: string;
  approval_id: string;
  approved: boolean;
  /** The person. */
  participant_id: string;
}

/** For an agent: its run was ended by somebody else, or its time was up. */
export interface CancelSignalFrame {
  type: "cancel";
  run_id: string;
}

/** Where a run is, for the agent that asked. */
export interface RunAckFrame {
  type: "run_ack";
  conversation_id: string;
  run_id: string;
  status: "open" | "complete" | "cancelled" | "interrupted" | "failed";
  offset: number;
  sequence_id: number;
  timestamp: string;
  durability?: "committed" | "memory";
  message_id?: string;
  event_hash?: string;
  reason?: RunReason;
  /** What people have decided about the tool call that the run waits for, as long as it has not gone on. */
  approved?: boolean;
}

/** All that the server sends. Pass over types and fields that you do not know. */
export type ServerFrame =
  | Event
  | ConnectedFrame
  | ParticipantListFrame
  | MessageAckFrame
  | ChangeAckFrame
  | CaughtUpFrame
  | PresenceFrame
  | TypingSignalFrame
  | ReadSignalFrame
  | PreferencesSignalFrame
  | MessageHeldFrame
  | HeldDecidedFrame
  | ErrorFrame
  | PongFrame
  | AuthAckFrame
  | AuthExpiringFrame
  | LaggingFrame
  | DeltaSignalFrame
  | RunStatusSignalFrame
  | RunRequestedSignalFrame
  | ApprovalSignalFrame
  | CancelSignalFrame
  | RunAckFrame;

export interface MessageFrame {
  type: "message";
  content: string;
  client_message_id?: string | null;
  /** @deprecated NLWeb's name for `client_message_id`. */
  message_id?: string | null;
  reply_to?: string | null;
  metadata?: Json | null;
  /** Ids of members who are mentioned. `@Name` in the text adds whoever alone has that name. */
  mentions?: string[] | null;
  /** The `message_id` of the message in whose thread this is a reply: of one that is no reply itself. */
  thread_id?: string | null;
  also_in_channel?: boolean;
  /** Files that were uploaded before, each in one message only. With files, `content` may be blank. */
  files?: FileReference[] | null;
}

/** A file that the sender has uploaded to this conversation. */
export interface FileReference {
  file_id: string;
  /** What it shows, for those who do not see it. */
  alt?: string | null;
}

/** Give one's own message another content. */
export interface EditFrame {
  type: "message_edited";
  message_id: string;
  client_message_id?: string | null;
  content: string;
  /** All of it; null removes it, left out it stays. */
  metadata?: Json | null;
  /** The revision that the edit is based on: if the message has another, REVISION_CONFLICT is the answer. */
  revision?: number | null;
  mentions?: string[] | null;
}

/** Delete one's own message, or as a moderator somebody's. */
export interface DeleteFrame {
  type: "message_deleted";
  message_id: string;
  client_message_id?: string | null;
  reason?: string | null;
}

export interface ReactFrame {
  type: "reaction_added";
  message_id: string;
  client_message_id?: string | null;
  emoji: string;
}

export interface UnreactFrame extends Omit<ReactFrame, "type"> {
  type: "reaction_removed";
}

/** Pin a message, as a moderator. */
export interface PinFrame {
  type: "message_pinned";
  message_id: string;
  client_message_id?: string | null;
}

export interface UnpinFrame extends Omit<PinFrame, "type"> {
  type: "message_unpinned";
}

export interface TypingFrame {
  type: "typing";
  is_typing: boolean;
}

export interface ReadFrame {
  type: "read";
  sequence_id: number;
  /** The root of the thread whose position is meant. */
  thread_id?: string | null;
  /** Whether the position may move back: to mark as unread. */
  force?: boolean;
}

export interface SyncFrame {
  type: "sync";
  last_sequence_id: number;
}

export interface PingFrame {
  type: "ping";
}

/** Renew the identity of this socket, as the same participant, before it ends: with a new token or a ticket. */
export interface AuthFrame {
  type: "auth";
  token?: string | null;
  ticket?: string | null;
}

/** Begin a run, as an agent; the same id again is the same run. */
export interface RunStartFrame {
  type: "run_start";
  run_id: string;
  reply_to?: string | null;
}

/** Say more in a run. */
export interface DeltaFrame {
  type: "delta";
  run_id: string;
  offset: number;
  text: string;
}

/** Show what a run does while it says nothing. */
export interface RunStatusFrame {
  type: "run_status";
  run_id: string;
  state: RunState;
  label?: string | null;
  /** Only with the state `waiting_for_approval`. */
  approval?: GivenToolCall | null;
}

/** A tool call for people to decide about. */
export interface GivenToolCall {
  /** The agent's own key of the call. */
  approval_id: string;
  tool: string;
  arguments?: Json;
}

/** Allow the tool call that a run waits for, or refuse it, as a person. */
export interface ApprovalFrame {
  type: "approval";
  run_id: string;
  approval_id: string;
  approved: boolean;
}

/** End a run: what it has said becomes its message. */
export interface RunEndFrame {
  type: "run_end";
  run_id: string;
  status?: "complete" | "cancelled" | "interrupted";
  offset?: number | null;
  usage?: Json | null;
  metadata?: Json | null;
  reason?: RunReason | null;
  retry_after?: number | null;
  /** At most 50, with at most 32,768 characters as JSON. */
  results?: GivenResult[] | null;
}

/** Something for an answer to point to. */
export interface GivenResult {
  /** http or https. */
  url: string;
  name: string;
  site?: string | null;
  description?: string | null;
  score?: number | null;
  schema_object?: Json | null;
}

/** Cancel a run. */
export interface CancelFrame {
  type: "cancel";
  run_id: string;
}

/** NLWeb's word for wanting to hear a conversation; nothing follows. */
export interface JoinFrame {
  type: "join";
  conversation_id?: string | null;
}

/** All that a client may send. */
export type ClientFrame =
  | MessageFrame
  | TypingFrame
  | ReadFrame
  | SyncFrame
  | PingFrame
  | AuthFrame
  | RunStartFrame
  | DeltaFrame
  | RunStatusFrame
  | ApprovalFrame
  | RunEndFrame
  | CancelFrame
  | EditFrame
  | DeleteFrame
  | ReactFrame
  | UnreactFrame
  | PinFrame
  | UnpinFrame
  | JoinFrame;

/** How the caller keeps a conversation for themselves; nobody else sees it. */
export interface Preferences {
  archived: boolean;
  /** True, false, or the time of its end. */
  muted: boolean | string;
  pinned: boolean;
}

/** One line of the caller's list. */
export interface ConversationLine extends Preferences {
  conversation_id: string;
  title: string;
  created_at: string;
  last_message_at: string | null;
  participant_count: number;
  unread_count: number;
  /** Of the unread messages, those that mention the caller; at most 1,000 are counted. */
  mention_count: number;
  last_message_preview: string | null;
}

/** The first event about the caller's list: ask for the list now, since nothing from before is repeated. */
export interface ListConnectedEvent {
  type: "connected";
  participant_id: string;
}

/** A line of the caller's list as it is now, of a conversation that is new or has changed. */
export interface ConversationEvent {
  type: "conversation";
  conversation: ConversationLine;
}

/** The caller is no longer a member of this conversation, or it was deleted. */
export interface ConversationGoneEvent {
  type: "conversation_gone";
  conversation_id: string;
}

/** The last event of a stream: the code and the reason of a WebSocket's close frame. */
export interface ClosedEvent {
  type: "closed";
  code: number;
  reason: string;
  /** Seconds after which to come back, if the server restarts. */
  retry_after?: number;
}

/**
 * What the streams of server-sent events have, besides a socket's frames: `GET /me/events` all of it, `GET /chat/ID/events`
 * the last one.
 */
export type StreamEvent = ListConnectedEvent | ConversationEvent | ConversationGoneEvent | ClosedEvent;
