/** What an answer has used, in words, from the fields that agents use for it; whatever else they say is passed over. */

import type { Json, Message } from "../sdk/types.ts";

/** What an answer has used that is worth a word; the fields are absent where its agent does not say. */
export interface Used {
  tokens?: string;
  cost?: string;
  model?: string;
}

/** A tool that was used, and who has allowed it: a participant's id. */
export interface ToolUse {
  tool: string;
  by?: string;
}

const LONGEST = 100; // characters of a name that is shown
const CONFIGURED = "configuration"; // in place of an id: whoever runs the server has allowed it

export function used(usage: Json | undefined): Used {
  const parts = number(usage, "input_tokens") + number(usage, "output_tokens") || number(usage, "prompt_tokens") + number(usage, "completion_tokens");
  const tokens = Math.round(number(usage, "total_tokens") || number(usage, "tokens") || parts);
  const cost = number(usage, "cost");
  const model = name(usage?.["model"]);
  return {
    ...(tokens && { tokens: `${tokens.toLocaleString("en")} ${tokens === 1 ? "token" : "tokens"}` }),
    ...(cost && { cost: money(cost, usage?.["currency"]) }),
    ...(model && { model }),
  };
}

/** The tools that an answer has used, each once for each who allowed it. */
export function toolsOf(metadata: Message["metadata"]): readonly ToolUse[] {
  const tools = metadata?.["tools"];
  if (!Array.isArray(tools)) return [];
  const found = new Map<string, ToolUse>();
  for (const each of tools as unknown[]) {
    const { tool, by } = (each ?? {}) as Json;
    const called = name(tool);
    if (!called) continue;
    const who = name(by);
    found.set(JSON.stringify([called, who]), { tool: called, ...(who && { by: who }) });
  }
  return [...found.values()];
}

/** Who has allowed a tool: "you", "Ada", "the configuration". */
export function allower(by: string, me: string, names: ReadonlyMap<string, string>): string {
  if (by === CONFIGURED) return "the configuration";
  return by === me ? "you" : (names.get(by) ?? "somebody");
}

/** "$0.0012", "€1.50"; a number alone where nobody says of what. */
function money(cost: number, currency: unknown): string {
  const fine = cost < 0.1 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 2 };
  if (typeof currency !== "string" || !/^[A-Za-z]{3}$/.test(currency)) return `cost ${cost.toLocaleString("en", fine)}`;
  return cost.toLocaleString("en", { style: "currency", currency, ...fine });
}

function number(usage: Json | undefined, field: string): number {
  const value = usage?.[field];
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

function name(value: unknown): string {
  return typeof value === "string" ? value.trim().slice(0, LONGEST) : "";
}
