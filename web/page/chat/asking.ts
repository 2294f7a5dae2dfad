/** A tool call that a run waits for, as people read it before they decide. Plain functions, no page. */

import type { ToolCall } from "../sdk/types.ts";

export interface Asking {
  id: string;
  tool: string;
  /** JSON over several lines; "" where there are none. */
  arguments: string;
  /** Whom the run answers, where that is known. */
  of?: string;
}

/** Characters that are not seen, or turn the direction of others: what they hide would be allowed unread. */
const HIDDEN = /[\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\u{e0000}-\u{e0fff}]/gu;

export function askingOf({ approval_id, tool, arguments: given }: ToolCall, of: string | undefined): Asking {
  const text = Object.keys(given).length > 0 ? JSON.stringify(given, null, 2) : "";
  return { id: approval_id, tool: plainly(tool), arguments: plainly(text), ...(of !== undefined && { of }) };
}

/** For those who are told of it once. */
export function inWords(name: string, { tool, of }: Asking, mine: boolean): string {
  const wants = `${name} wants to use ${tool}.`;
  return mine ? `${wants} Allow it or refuse it.` : `${wants} It waits for ${of === undefined ? "" : `${of} or `}an owner.`;
}

/** With the hidden characters as JSON writes them. */
function plainly(text: string): string {
  const unit = (each: string): string => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return text.replace(HIDDEN, (hidden) => hidden.split("").map(unit).join(""));
}
