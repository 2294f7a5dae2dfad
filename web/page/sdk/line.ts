/** A conversation that keeps itself connected: every event once and in order, every message sent until its receipt. */
import { Agent } from "./agent.ts";
import { canonical } from "./emoji.ts";
import { isChange } from "./fold.ts";
import { Link } from "./link.ts";
import { Listeners } from "./listeners.ts";
import { Looks } from "./looks.ts";
import { Mail } from "./mail.ts";
import { Pages } from "./pages.ts";
import { Reads } from "./reads.ts";
import { refusalOf } from "./refusal.ts";
import { Renewal } from "./renewal.ts";
import { Roster } from "./roster.ts";
import { Runs } from "./runs.ts";
import type { Shelf } from "./shelf.ts";
import type {
  Change,
  ChangeEvent,
  ConnectedFrame,
  Conversation,
  ErrorFrame,
  Event,
  Events,
  Message,
  OpenOptions,
  OpenRun,
  Outgoing,
  OutgoingChange,
  Participant,
  Presence,
  Receipt,
  Run,
  RunRequest,
  SendOptions,
  ServerFrame,
  Signals,
  State,
} from "./types.ts";
import { type Step, Window } from "./window.ts";

const TYPING_AGAIN = 3_000; // milliseconds; the server forgets after five seconds that somebody types
const PAGE = 100;
const CLOSED_TO_US = new Set(["DELETED", "FORBIDDEN", "LEFT", "NOT_FOUND", "NOT_PARTICIPANT"]);

/** What a line needs of the person whose it is. */
export interface Caller {
  readonly shelf: Shelf;
  /** Whether `renewed` may give a token. */
  readonly renews: boolean;
  /** The address of a WebSocket for this person. Throws `Refused`. */
  address(id: string, after: number | undefined): Promise<string>;
  /** A new token for the connection; undefined where there is none to be had. */
  renewed(): Promise<string | undefined>;
  messages(id: string, range: { after?: number; limit?: number }): Promise<Events>;
  cancel(id: string, runId: string): Promise<unknown>;
  regenerate(id: string, runId: string): Promise<unknown>;
  approve(id: string, runId: string, approvalId: string, approved: boolean): Promise<unknown>;
}

export class Line implements Conversation {
  readonly id: string;
  head = -1;
  maxMessageSize = 0;
  private readonly caller: Caller;
  private readonly link: Link;
  private readonly renewal: Renewal;
  private readonly mail: Mail;
  private readonly window: Window;
  private readonly roster = new Roster();
  private readonly answers = new Runs();
  private readonly agent = new Agent((frame) => this.link.write(frame));
  private readonly pages: Pages;
  private readonly listeners = new Listeners();
  private readonly looks = new Looks({
    outbox: (outbox) => this.emit("outbox", outbox),
    changes: (changes) => this.emit("changes", changes),
    message: (message) => this.emit("message", message),
  });
  private typed = -Infinity;
  private readonly reads = new Reads((frame) => this.link.write(frame));

  constructor(caller: Caller, id: string, options: OpenOptions) {
    this.caller = caller;
    this.id = id;
    this.window = new Window(options.lastSequenceId, options.epoch, options.resume !== "newest");
    this.pages = new Pages(this.window, {
      fetch: (after) => caller.messages(id, { after, limit: PAGE }),
      attempt: () => this.link.attempt,
      give: (events) => this.give(events),
      skip: () => {
        this.reset({ why: "gap", first_sequence_id: this.window.skip() });
        this.give(this.window.release());
      },
      refused: (error) => this.link.refused(error),
      done: () => this.link.settle(this.window.whole),
    });
    this.link = new Link({
      address: () => caller.address(id, this.position >= 0 ? this.position : undefined),
      probe: () => caller.messages(id, { limit: 1 }),
      frame: (frame) => this.accept(frame),
      renews: () => caller.renews,
      down: (verdict) => this.down(verdict?.reason.code === "MESSAGE_TOO_LARGE"),
      state: (state) => this.turned(state),
    });
    this.renewal = new Renewal(this.link, () => caller.renewed());
    this.looks.me = caller.shelf.person;
    this.mail = new Mail(caller.shelf, id, (frame) => this.link.write(frame), (mail) => this.looks.mailed(mail.messages(), mail.changes()));
    queueMicrotask(() => this.link.connect()); // so that the caller can listen first
  }

  get state(): State {
    return this.link.state;
  }

  get position(): number {
    return this.window.position;
  }

  get epoch(): string | undefined {
    return this.window.epoch;
  }

  get participants(): readonly Participant[] {
    return this.roster.participants;
  }

  get participantCount(): number {
    return this.roster.count;
  }

  get outbox(): readonly Outgoing[] {
    return this.mail.messages();
  }

  get changes(): readonly OutgoingChange[] {
    return this.mail.changes();
  }

  get runs(): readonly OpenRun[] {
    return this.answers.list();
  }

  on<K extends keyof Signals>(name: K, listener: (value: Signals[K]) => void): () => void {
    return this.listeners.add(name, listener);
  }

  send(content: string, more: SendOptions = {}): Outgoing {
    this.typing(false);
    return this.mail.send(content, more);
  }

  message(id: string): Message | undefined {
    return this.looks.get(id);
  }

  learn(events: readonly Event[]): void {
    this.looks.take(events)();
  }

  edit(message: string, content: string, more: Omit<Extract<Change, { type: "message_edited" }>, "type" | "content"> = {}): OutgoingChange {
    return this.mail.change(message, { type: "message_edited", content, ...more })!;
  }

  delete(message: string, reason?: string): OutgoingChange | undefined {
    return this.mail.change(message, { type: "message_deleted", ...(reason !== undefined && { reason }) });
  }

  react(message: string, emoji: string): OutgoingChange | undefined {
    return this.mail.change(message, { type: "reaction_added", emoji: canonical(emoji) });
  }

  unreact(message: string, emoji: string): OutgoingChange | undefined {
    return this.mail.change(message, { type: "reaction_removed", emoji: canonical(emoji) });
  }

  pin(message: string): OutgoingChange | undefined {
    return this.mail.change(message, { type: "message_pinned" });
  }

  unpin(message: string): OutgoingChange | undefined {
    return this.mail.change(message, { type: "message_unpinned" });
  }

  retry(key: string): void {
    this.mail.retry(key);
  }

  discard(key: string): void {
    this.mail.discard(key);
  }

  typing(is: boolean): void {
    const now = performance.now();
    if (is ? now - this.typed < TYPING_AGAIN : this.typed === -Infinity) return;
    if (this.link.write({ type: "typing", is_typing: is })) this.typed = is ? now : -Infinity;
  }

  read(sequence: number, threadId?: string): void {
    this.reads.read(sequence, threadId);
  }

  unread(sequence: number): void {
    this.reads.unread(sequence);
  }

  async cancel(runId: string): Promise<void> {
    await this.caller.cancel(this.id, runId);
  }

  async regenerate(runId: string): Promise<void> {
    await this.caller.regenerate(this.id, runId);
  }

  async approve(runId: string, approvalId: string, approved: boolean): Promise<void> {
    await this.caller.approve(this.id, runId, approvalId, approved);
  }

  requests(): AsyncIterable<RunRequest> {
    return this.agent.requests();
  }

  run({ runId, replyTo }: { runId: string; replyTo?: string }): Run {
    return this.agent.run(runId, replyTo);
  }

  reconnect(): void {
    this.link.reconnect();
  }

  close(): void {
    this.link.close();
    this.mail.close();
    this.agent.close(this.state.reason!);
    this.listeners.clear();
  }

  private down(tooLarge: boolean): void {
    if (tooLarge) this.mail.tooLarge();
    this.pages.down();
    this.typed = -Infinity;
    this.mail.down();
    this.agent.down();
  }

  private turned(state: State): void {
    if (state.status === "ended" && CLOSED_TO_US.has(state.reason?.code ?? "")) {
      this.mail.refuseAll(state.reason!);
      this.agent.refuseAll(state.reason!);
      if (this.answers.clear()) this.emit("runs", this.runs);
    }
    this.emit("state", state);
  }

  private accept(frame: ServerFrame): void {
    switch (frame.type) {
      case "connected":
        return this.connected(frame);
      case "participant_list":
        this.roster.list(frame.participants, frame.participant_count);
        return this.emit("participants", this.participants);
      case "caught_up":
        return this.arrived(frame.sequence_id);
      case "lagging":
        return this.link.settle(false);
      case "message_ack":
        return this.acknowledge(frame);
      case "message_held":
        return this.mail.held(frame);
      case "held_decided":
        return this.mail.decided(frame);
      case "change_ack":
        return void this.mail.acknowledge(frame, this.position);
      case "error":
        return this.complained(frame);
      case "presence":
        return this.presence(frame.changes);
      case "typing":
      case "read":
        return this.emit(frame.type, frame);
      case "delta":
        return this.answers.delta(frame) ? this.emit("runs", this.runs) : this.sync(this.window.again());
      case "run_status":
        return void (this.answers.status(frame) && this.emit("runs", this.runs));
      case "run_requested":
        return this.agent.request(frame);
      case "run_ack":
        return this.agent.acknowledge(frame);
      case "approval":
        return this.agent.decided(frame);
      case "cancel":
        return this.agent.cancel(frame.run_id);
      case "preferences": {
        const { type: _, ...preferences } = frame;
        return this.emit("preferences", preferences);
      }
      case "pong":
        return;
      case "auth_ack":
        return this.renewal.taken();
      case "auth_expiring":
        return this.renewal.warned(frame.expires_at);
      default: // an event, or what a later server has to say
        if (typeof frame.sequence_id === "number") this.step(this.window.put(frame));
    }
  }

  private connected(frame: ConnectedFrame): void {
    this.link.greeted(frame.heartbeat);
    this.renewal.taken();
    this.maxMessageSize = frame.max_message_size;
    this.head = frame.head_sequence_id;
    this.looks.me = frame.participant_id;
    this.mail.recognise(frame.participant_id);
    this.answers.me = frame.participant_id;
    const opening = this.window.open(frame);
    if (opening.is === "another log") {
      this.mail.delivered(Infinity);
      this.reads.forget();
      this.reset({ why: "epoch" });
      return void this.link.connect();
    }
    if (opening.is === "begun anew") this.reset({ why: "gap", first_sequence_id: opening.first });
    this.reads.again();
    void this.pages.fetch();
  }

  private arrived(sequence: number): void {
    this.link.steady();
    this.sync(this.window.caughtUp(sequence));
    void this.pages.fetch();
    this.link.settle(this.window.whole);
    this.mail.up(); // not before, since the replay may bring the event of what is without a receipt
    this.agent.up();
  }

  private step({ events, sync }: Step): void {
    this.give(events);
    this.sync(sync);
    void this.pages.fetch();
  }

  private give(events: readonly Event[]): void {
    for (const event of events) {
      this.head = Math.max(this.head, event.sequence_id);
      if (this.roster.apply(event)) this.emit("participants", this.participants);
      if (event.type === "message") this.recognised(event.message);
      if (isChange(event)) this.happened(event);
      const tell = this.looks.take([event]);
      this.emit("event", event);
      tell();
      // What begins in a replay may end in it, too: what is open after it is sent whole.
      if (this.answers.apply(event) && (event.type !== "run_started" || this.window.whole)) this.emit("runs", this.runs);
      this.mail.delivered(event.sequence_id);
    }
  }

  /** One's own message came back, perhaps before its receipt: that is one. */
  private recognised({ client_message_id, sender_id, message_id, conversation_id, sequence_id, timestamp }: Message): void {
    if (client_message_id === undefined || sender_id !== this.mail.person) return;
    this.acknowledge({ conversation_id, message_id, sequence_id, timestamp, client_message_id }, -1);
  }

  /** Likewise one's own change. */
  private happened({ by, client_message_id, message_id, conversation_id, sequence_id, timestamp }: ChangeEvent): void {
    if (client_message_id === undefined || by !== this.mail.person) return;
    this.mail.acknowledge({ conversation_id, message_id, sequence_id, timestamp, client_message_id }, -1);
  }

  private acknowledge(receipt: Receipt, position = this.position): void {
    if (this.mail.acknowledge(receipt, position)) this.emit("receipt", receipt);
  }

  private complained(frame: ErrorFrame): void {
    const refusal = refusalOf(frame);
    if (!this.mail.refuse(refusal) && !this.agent.refuse(frame)) this.emit("refused", refusal);
  }

  private presence(changes: readonly Presence[]): void {
    this.roster.presence(changes);
    for (const change of changes) this.emit("presence", change);
    this.emit("participants", this.participants);
  }

  /** Where events are left out, the ends of runs may be: those that are still open are sent whole again. */
  private reset(why: Signals["reset"]): void {
    this.looks.forget();
    this.emit("reset", why);
    if (this.answers.clear()) this.emit("runs", this.runs);
  }

  private sync(position: number | undefined): void {
    if (position !== undefined) this.link.write({ type: "sync", last_sequence_id: position });
  }

  private emit<K extends keyof Signals>(name: K, value: Signals[K]): void {
    this.listeners.tell(name, value);
  }
}
