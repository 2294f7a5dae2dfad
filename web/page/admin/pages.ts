/** A list that the server gives in pages, the newest first: those that are shown are asked for again and again. */

import { useState } from "preact/hooks";
import { salon } from "./operator.ts";
import { useAsked } from "./poll.ts";

export interface Pages<Row> {
  /** Null until the first answer. */
  rows: readonly Row[] | null;
  /** Why they are old; "" where they are not. */
  failure: string;
  /** Ask now. */
  again: () => void;
  /** Show one page more; null where there is none. */
  more: (() => void) | null;
}

interface Found<Row> {
  rows: Row[];
  before: string | number | null;
}

/** `name` is the field of the answer that has the rows; what is undefined in `fields` is not asked for. */
export function usePages<Row>(path: string, name: string, fields: Record<string, string | undefined> = {}): Pages<Row> {
  const [wanted, want] = useState(1);
  const asked = new URLSearchParams(Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined));
  const { answer, failure, again } = useAsked(`${path}?${asked} ${wanted}`, () => first<Row>(wanted, path, name, asked));
  const more = typeof answer?.before === "string" || typeof answer?.before === "number" ? () => want(wanted + 1) : null;
  return { rows: answer?.rows ?? null, failure, again, more };
}

async function first<Row>(pages: number, path: string, name: string, asked: URLSearchParams): Promise<Found<Row>> {
  const found: Found<Row> = { rows: [], before: null };
  for (let page = 0; page < pages; page += 1) {
    const query = new URLSearchParams(asked);
    if (found.before !== null) query.set("before", String(found.before));
    const answer = await salon.request<Record<string, unknown>>("GET", `${path}?${query}`);
    found.rows.push(...(answer[name] as Row[]));
    found.before = answer["before"] as Found<Row>["before"];
    if (found.before === null) break;
  }
  return found;
}
