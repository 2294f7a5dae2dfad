/** The tool calls of one run that wait for a person: one is asked for at a time, until somebody has decided or the run is over. */
import { randomKey } from "./shelf.ts";
import type { ApprovalSignalFrame, GivenToolCall, Json } from "./types.ts";

interface Waiting {
  call: GivenToolCall;
  settle: (approved: boolean) => void;
  fail: (why: unknown) => void;
}

export class Approvals {
  private waiting: Waiting[] = [];

  /** The one that people are asked about. */
  get current(): GivenToolCall | undefined {
    return this.waiting[0]?.call;
  }

  /** An aborted signal takes it back; `back` is called then. */
  ask(tool: string, args: Json, signal?: AbortSignal, back = (): void => {}): Promise<boolean> {
    const call = { approval_id: randomKey(), tool, arguments: args };
    let stop = (): void => {};
    const decision = new Promise<boolean>((settle, fail) => {
      this.waiting.push({ call, settle, fail });
      stop = () => {
        this.waiting = this.waiting.filter((each) => each.call !== call);
        fail(signal!.reason);
        back();
      };
    });
    signal?.addEventListener("abort", stop);
    return decision.finally(() => signal?.removeEventListener("abort", stop));
  }

  /** Somebody has decided; false where nothing waits for it, as when it is told once more. */
  decided({ approval_id, approved }: ApprovalSignalFrame): boolean {
    if (this.current?.approval_id !== approval_id) return false;
    this.waiting.shift()!.settle(approved);
    return true;
  }

  /** The current one cannot be asked about; false where there is none. */
  refuse(why: unknown): boolean {
    const first = this.waiting.shift();
    first?.fail(why);
    return first !== undefined;
  }

  /** Nobody will be asked any more. */
  end(why: unknown): void {
    while (this.refuse(why));
  }
}
