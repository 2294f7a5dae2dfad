/** What is read out of the answers in the making, to somebody who cannot see them grow. Plain functions, no page. */

import type { Message, OpenRun } from "../sdk/types.ts";
import { endOf } from "./answers.ts";

/** How far a text can be read out: to the end of its last whole sentence. */
export function sentencesEnd(text: string): number {
  const last = [...text.matchAll(/[.!?…]["')\]]*(?=\s)|[。！？]|\n/gu)].at(-1);
  return last ? last.index + last[0].length : 0;
}

/** What is read out of open runs: that they begin, and then whole sentences. */
export class Aloud {
  readonly #read = new Map<string, number>(); // UTF-16 units of each run's text
  readonly #asked = new Map<string, string>(); // the approval that each run was last heard to wait for

  /** The news of a run; "" where there are none. A run that has said something before it was seen here is read on from there. */
  grown(run: OpenRun, name: string): string {
    const before = this.#read.get(run.run_id);
    const end = sentencesEnd(run.text);
    if (before === undefined) {
      this.#read.set(run.run_id, end);
      return `${name} is answering.`;
    }
    if (end <= before) return "";
    this.#read.set(run.run_id, end);
    return run.text.slice(before, end);
  }

  /** Whether a run waits for a person, and nobody was told of it yet. */
  waits({ run_id, approval }: OpenRun): boolean {
    if (approval === undefined || this.#asked.get(run_id) === approval.approval_id) return false;
    this.#asked.set(run_id, approval.approval_id);
    return true;
  }

  /** The rest of a run that has become a message; null where nothing of it was read out. */
  rest({ run_id, content, status, results }: Message): string | null {
    const before = run_id === undefined ? undefined : this.#read.get(run_id);
    if (run_id === undefined || before === undefined) return null;
    this.forget(run_id);
    const found = results?.length ? `${results.length} ${results.length === 1 ? "result" : "results"}.` : "";
    return [content.slice(before).trim(), found, endOf(status)].filter(Boolean).join(" ");
  }

  /** It has ended without a word. */
  forget(id: string): void {
    this.#read.delete(id);
    this.#asked.delete(id);
  }
}
