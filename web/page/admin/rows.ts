/** The shapes that the feed shows. A field that is null on the server is absent here. */

export interface Listed<Row> {
  total: number;
  order: string[];
  rows: Record<string, Row>;
  /** Nodes of a cluster that did not answer. */
  silent?: string[];
}

/** A node of a cluster; a figure is null before it has said something. */
export interface NodeRow {
  id: string;
  name: string;
  version: string;
  silent_seconds: number;
  keeps_house: boolean;
  view: number | null;
  load: number | null;
  beat_seconds: number | null;
  connections: number | null;
  conversations: number | null;
  replicas: number | null;
  lagging: number | null;
  on_nats: boolean | null;
}

export interface NodesAnswer {
  node_id: string;
  view: number;
  nodes: NodeRow[];
}

export type ActorState = "starting" | "busy" | "waiting" | "idle";
export type ConnectionState = "attaching" | "live" | "behind" | "closing";

export interface ConversationRow {
  /** The node of a cluster that has it; so with other rows. */
  node?: string;
  id: string;
  title?: string;
  status?: "active" | "inactive";
  state: ActorState;
  depth: number;
  limit: number;
  head?: number;
  messages?: number;
  participants?: number;
  connections: number;
  behind: number;
  turns: number;
  restarts: number;
  started_at: string;
  last_turn_at: string;
}

export interface ActorRow {
  node?: string;
  kind: string;
  key: string;
  state: ActorState;
  depth: number;
  limit: number;
  turns: number;
  restarts: number;
  connections: number;
  started_at: string;
  last_turn_at: string;
}

export interface ConnectionRow {
  node?: string;
  id: string;
  conversation_id: string;
  participant_id: string;
  name: string;
  address: string;
  protocol: string;
  state: ConnectionState;
  position?: number;
  outbox_bytes: number;
  stalled?: number;
  opened_at: string;
  expires_at?: string;
}

export interface ActorFacts {
  state: ActorState;
  mailbox: { depth: number; limit: number; share: number; drain_rate: number; senders: { participant_id: string; commands: number }[] };
  turns: number;
  restarts: number;
  started_at: string;
  last_turn_at: string;
}

export interface Quantiles {
  p50: number;
  p99: number;
  max: number;
}

export interface Envelope {
  command: string;
  sender_id: string;
  enqueued_at: string;
  verdict: "stored" | "repeated" | "noted" | "refused";
  sequence_id?: number | null;
  refusal_id?: string | null;
  code?: string | null;
}

export interface Trace {
  turn: string;
  enqueued_at: string;
  begun_at: string;
  committed_at: string;
  delivered_at: string;
  waited: number;
  committing: number;
  delivering: number;
  envelopes: Envelope[];
  size: number;
  first_sequence_id: number;
  last_sequence_id: number;
  refused: number;
}

export interface Member {
  participantId: string;
  displayName: string;
  type: string;
  role: string;
  joinedAt: string;
  isOnline: boolean;
}

export interface ConversationView {
  found: true;
  node?: string;
  silent?: string[];
  id: string;
  active: boolean;
  title: string;
  status: "active" | "inactive";
  head_sequence_id: number;
  message_count: number;
  created_at: string;
  updated_at: string;
  ended_at?: string;
  participants: Record<string, Member>;
  participant_count: number;
  retention: { days: number };
  connections: Record<string, ConnectionRow>;
  connection_count: number;
  behind_count: number;
  actor?: ActorFacts;
  turn_times?: { waited: Quantiles; committing: Quantiles; delivering: Quantiles };
  batch_sizes?: Quantiles;
  traces: Record<string, Trace>;
  refusals: Record<string, { id: string; code: string; at: string; participant_id?: string }>;
  runs: Record<string, OpenRun>;
  /** Newest first. */
  decisions: Decision[];
}

/** An answer of an agent in the making. */
export interface OpenRun {
  run_id: string;
  participant_id: string;
  started_at: string;
  asked_by?: string;
  /** Unicode code points that it has said. */
  offset: number;
}

/** Whether an agent was asked to answer a message, and by which rule. */
export interface Decision {
  message_id: string;
  participant_id: string;
  asked: boolean;
  why: string;
}

export interface ParticipantView {
  found: true;
  node?: string;
  silent?: string[];
  id: string;
  active: boolean;
  participant?: { id: string; name: string; type: string };
  connections: Record<string, ConnectionRow>;
  connection_count: number;
  conversations: string[];
  conversation_count: number;
  actor?: ActorFacts;
}

export type Unit = "tokens" | "money" | "seconds" | "runs";

/** What may be used in a time. `used` is there where one count is for all. */
export interface Budget {
  per: "person" | "conversation" | "agent";
  every: "hour" | "day" | "month";
  limits: Partial<Record<Unit, number>>;
  used?: Record<Unit, number>;
  /** When the next time begins, with nothing used. */
  opens_at: string;
}

/** Whether a model is asked: not while it is `open`, since too much of it has failed. */
export interface Breaker {
  state: "closed" | "open" | "half_open";
  /** Seconds. */
  retry_after?: number;
}

/** An agent that the server hosts. */
export interface AgentRow {
  id: string;
  name: string;
  kind: string;
  endpoint?: string;
  model?: string;
  trigger: string;
  source: "configuration" | "route";
  running: number;
  waiting: number;
  breaker: Breaker;
  tools: string[];
  budgets: Budget[];
  today: { runs: number; tokens: number; cost: number; currency?: string };
}

/** A backend that is told of events over HTTP. */
export interface WebhookRow {
  webhook_id: string;
  url: string;
  events: "*" | string[];
  conversations: string[] | null;
  source: "configuration" | "route";
  state: "active" | "failing" | "paused";
  why: string | null;
  lag: number;
  delivered: number;
  failed: number;
  last_error: string | null;
  last_error_at: string | null;
  stuck_count: number;
  stuck: { conversation_id: string; sequence_id: number; attempts: number; error: string | null }[];
}

/** A run of a hosted agent. */
export interface RunRow {
  conversation_id: string;
  run_id: string;
  agent_id: string;
  agent_name: string;
  state: "open" | "complete" | "cancelled" | "interrupted" | "failed";
  reason?: string;
  why?: string;
  asked_by?: string;
  started_at: string;
  first_word_seconds?: number;
  seconds: number;
  input_tokens: number;
  output_tokens: number;
  cost: number;
  currency?: string;
  tool_calls: number;
}

/** Open ones first, on the first page alone, then the newest. */
export interface RunsPage {
  runs: RunRow[];
  /** Where the next page begins; absent on the last one. */
  next_cursor?: number;
}

export interface Missing {
  found: false;
  why: string;
}
