/** The answers in the making: as rows behind all others, and in words. Plain functions, no page. */

import type { Event, Message, OpenRun, RunStarted, RunState } from "../sdk/types.ts";
import { askingOf } from "./asking.ts";
import { runKey, together, type Making, type Row, type Said } from "./timeline.ts";

const DOING: Record<RunState, string> = {
  thinking: "Thinking",
  tool: "Using a tool",
  waiting_for_approval: "Waiting for approval",
};

/** What the events tell of runs. */
export interface Told {
  started: ReadonlyMap<string, RunStarted>;
  ended: ReadonlySet<string>;
}

export interface Reader {
  me: string;
  /** They may end every run. */
  owner: boolean;
  names: ReadonlyMap<string, string>;
}

export function toldOf(events: readonly Event[]): Told {
  const started = new Map<string, RunStarted>();
  const ended = new Set<string>();
  for (const event of events) {
    if (event.type === "run_started") started.set(event.run_id, event);
    else if (event.type === "run_failed") ended.add(event.run_id);
    else if (event.type === "message" && event.message.run_id !== undefined) ended.add(event.message.run_id);
  }
  return { started, ended };
}

/** The runs that answer in this thread, or in the main log. */
export function runsOf(thread: string | undefined, runs: readonly OpenRun[], { started }: Told): readonly OpenRun[] {
  return runs.filter((run) => (run.thread_id ?? started.get(run.run_id)?.thread_id) === thread);
}

/** All rows, with the open runs at the end. Another answer may be asked for in place of the last one. */
export function withRuns(rows: readonly Row[], runs: readonly OpenRun[], told: Told, reader: Reader, now: number): readonly Row[] {
  const all = [...rows];
  const last = all.findLastIndex((row) => row.kind === "said" && row.run !== undefined);
  const answer = all[last];
  if (answer?.kind === "said" && answer.reply_to !== undefined && !runs.some((run) => !told.ended.has(run.run_id))) {
    const asked = told.started.get(answer.run!)?.asked_by;
    if (reader.owner || asked === reader.me) all[last] = { ...answer, again: true };
  }
  for (const run of runs) {
    if (told.ended.has(run.run_id)) continue;
    const row = rowOf(run, told.started.get(run.run_id), reader, now);
    const before = all.at(-1);
    if (before?.kind === "said" && together(before, row)) {
      row.first = false;
      all[all.length - 1] = { ...before, last: false };
    }
    all.push(row);
  }
  return all;
}

function rowOf(run: OpenRun, started: RunStarted | undefined, reader: Reader, now: number): Said {
  const begun = run.timestamp ?? started?.timestamp;
  const reply = run.reply_to ?? started?.reply_to;
  return {
    kind: "said",
    key: runKey(run.run_id),
    sender: run.participant_id,
    name: reader.names.get(run.participant_id) ?? "An agent",
    agent: true,
    own: false,
    content: run.text,
    at: begun === undefined ? now : Date.parse(begun),
    ...(reply !== undefined && { reply_to: reply }),
    mentioned: false,
    first: true,
    last: true,
    me: reader.me,
    revision: 1,
    run: run.run_id,
    making: makingOf(run, started, reader),
  };
}

/** Whom a run answers, where that is known. */
export function askedBy({ asked_by }: OpenRun, started: RunStarted | undefined): string | undefined {
  return asked_by ?? started?.asked_by;
}

/** What a run does and waits for, and whether that is the reader's affair. */
export function makingOf(run: OpenRun, started: RunStarted | undefined, { me, owner, names }: Reader): Making {
  const { text, state, label, approval } = run;
  const asked = askedBy(run, started);
  return {
    // Until it says anything, there is something to wait for.
    ...(state !== undefined ? { doing: doingOf(state, approval ? undefined : label) } : text === "" ? { doing: DOING.thinking } : {}),
    ...(approval && { asking: askingOf(approval, asked === undefined ? undefined : names.get(asked)) }),
    mine: owner || asked === me,
  };
}

function doingOf(state: RunState, label: string | undefined): string {
  return label || (DOING[state] ?? "Working");
}

/** How an answer has ended, in a word; "" where it is complete. */
export function endOf(status: Message["status"]): string {
  return status === "cancelled" ? "Stopped" : status === "interrupted" ? "Interrupted" : "";
}
