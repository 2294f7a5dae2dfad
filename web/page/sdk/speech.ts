/** What an agent says in one run, kept whole until its end has a receipt. */
import { Approvals } from "./approvals.ts";
import { refusalOf } from "./refusal.ts";
import { Refused } from "./refused.ts";
import { first, points } from "./runs.ts";
import type {
  ApprovalSignalFrame,
  ClientFrame,
  ErrorFrame,
  Json,
  Refusal,
  Run,
  RunAckFrame,
  RunEnd,
  RunReceipt,
  RunStartFrame,
  RunState,
} from "./types.ts";
import { Backoff } from "./verdict.ts";

const GATHER = 50; // milliseconds: readers get no more than twenty deltas a second
const PIECE = 4000; // UTF-16 units of one delta: a frame that is too large would cost the connection

export type Write = (frame: ClientFrame) => boolean;

export class Speech implements Run {
  readonly id: string;
  private readonly write: Write;
  private readonly replyTo: string | undefined;
  private readonly over = new AbortController();
  private readonly pause = new Backoff();
  private text = "";
  private sent = 0; // code points of the text that have been written
  private units = 0; // the same in UTF-16 units
  private base: number | undefined; // code points that the run had before this object said anything
  private live = false; // the server has said where the run is, on this connection
  private doing: { state: RunState; label?: string } | undefined;
  private readonly approvals = new Approvals();
  private ending: { more: RunEnd; settle: (receipt: RunReceipt) => void; fail: (error: Refused) => void } | undefined;
  private receipt: Promise<RunReceipt> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(write: Write, id: string, replyTo?: string) {
    this.write = write;
    this.id = id;
    this.replyTo = replyTo;
  }

  get signal(): AbortSignal {
    return this.over.signal;
  }

  async say(text: string): Promise<void> {
    this.over.signal.throwIfAborted();
    if (this.receipt) throw ended(this.id, "Nothing can be said after the end.");
    this.text += text;
    this.doing = undefined;
    if (this.live) this.timer ??= setTimeout(() => this.flush(), GATHER);
  }

  status(state: RunState, label?: string): void {
    this.doing = { state, ...(label !== undefined && { label }) };
    if (this.live) this.flush();
  }

  async ask(tool: string, args: Json = {}, signal?: AbortSignal): Promise<boolean> {
    this.over.signal.throwIfAborted();
    signal?.throwIfAborted();
    if (this.receipt) throw ended(this.id, "Nothing can be asked after the end.");
    this.doing = undefined;
    const decision = this.approvals.ask(tool, args, signal, () => {
      this.doing ??= { state: "thinking" }; // people see that it waits no more
      if (this.live) this.flush();
    });
    if (this.live) this.flush();
    return decision;
  }

  end(more: RunEnd = {}): Promise<RunReceipt> {
    this.receipt ??= new Promise((settle, fail) => {
      this.ending = { more, settle, fail };
      this.approvals.end(ended(this.id, "It was ended before anybody decided."));
      if (this.live) this.flush();
    });
    return this.receipt;
  }

  /** There is a connection: ask where the run is. */
  up(): void {
    this.down();
    if (this.over.signal.aborted) return this.overAlready();
    const frame: RunStartFrame = { type: "run_start", run_id: this.id };
    if (this.replyTo !== undefined) frame.reply_to = this.replyTo;
    this.write(frame);
  }

  down(): void {
    this.live = false;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** The server says where the run is; whether it is over. */
  acknowledge({ type: _, ...receipt }: RunAckFrame): boolean {
    if (receipt.status === "open") {
      if (this.live) return false; // the answer to a `run_status`, older than what was written since
      this.pause.reset();
      this.base ??= receipt.offset;
      this.resume(receipt.offset);
      return false;
    }
    this.abort(ended(this.id, `The run has ended: ${receipt.status}.`));
    this.live = true;
    this.ending?.settle(receipt);
    return this.ending !== undefined;
  }

  /** Something about the run was refused; whether it is over. */
  refuse(frame: ErrorFrame): boolean {
    const refusal = refusalOf(frame);
    if (refusal.code === "OFFSET_MISMATCH" && frame.expected_offset !== undefined) {
      if (this.live) this.resume(frame.expected_offset);
      return false;
    }
    if (refusal.temporary) {
      this.down();
      this.timer = setTimeout(() => this.up(), this.pause.delay(refusal.retry_after));
      return false;
    }
    if (this.ending && refusal.code === "INVALID_FORMAT") {
      const { fail } = this.ending;
      this.ending = this.receipt = undefined; // it may be ended in other words
      fail(new Refused(refusal));
      return false;
    }
    if (refusal.code === "INVALID_FORMAT" && this.approvals.refuse(new Refused(refusal))) {
      if (this.live) this.flush(); // the next one may be understood
      return false;
    }
    const already = this.over.signal.aborted;
    this.abort(new Refused(refusal));
    if (this.ending && (already || refusal.code === "RUN_NOT_FOUND")) {
      this.fail(refusal);
      return true;
    }
    this.overAlready(); // what it has said may still be ended
    return false;
  }

  /** No more can be written. */
  fail(refusal: Refusal): void {
    this.down();
    this.abort(new Refused(refusal));
    this.ending?.fail(new Refused(refusal));
  }

  /** A person has decided about its tool call. */
  decided(frame: ApprovalSignalFrame): void {
    if (this.approvals.decided(frame) && this.live) this.flush(); // there may be another one
  }

  /** It was ended by somebody else. */
  cancel(): void {
    this.abort(ended(this.id, "The run was cancelled."));
  }

  private abort(why: Refused): void {
    if (!this.over.signal.aborted) this.over.abort(why);
    this.approvals.end(why);
  }

  /** Only its end is left to be written. */
  private overAlready(): void {
    this.live = true;
    if (this.ending) this.flush();
  }

  /** Go on from what the server has. */
  private resume(offset: number): void {
    this.live = true;
    this.base = Math.min(this.base!, offset); // less than it had at first: the rest is lost
    this.sent = offset - this.base;
    this.units = first(this.text, this.sent).length;
    this.flush();
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { aborted } = this.over.signal;
    while (!aborted && this.units < this.text.length) {
      let text = this.text.slice(this.units, this.units + PIECE);
      if (/[\ud800-\udbff]$/.test(text)) text = text.slice(0, -1); // its other half comes with the next piece
      if (text === "") break;
      const sound = text.replace(/\p{Surrogate}/gu, "\ufffd"); // half a character would be refused for ever
      this.write({ type: "delta", run_id: this.id, offset: this.base! + this.sent, text: sound });
      this.units += text.length;
      this.sent += points(text);
    }
    if (this.ending) {
      // A run that is over has lost what was not written, and its end says of what is there.
      const offset = aborted ? {} : { offset: this.base! + this.sent };
      this.write({ type: "run_end", run_id: this.id, ...this.ending.more, ...offset });
    } else if (!aborted) this.show();
  }

  /** People see what it waits for, else what it does; also after a drop, and after what it has said meanwhile. */
  private show(): void {
    const approval = this.approvals.current;
    if (approval) this.write({ type: "run_status", run_id: this.id, state: "waiting_for_approval", label: approval.tool, approval });
    else if (this.doing) this.write({ type: "run_status", run_id: this.id, ...this.doing });
  }
}

function ended(id: string, error: string): Refused {
  return new Refused({ code: "RUN_ENDED", error: `${error} (${id})`, temporary: false });
}
