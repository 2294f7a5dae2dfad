/** What the page says where something goes wrong. */

import { Refused } from "../sdk/salon.ts";

/** For a person; with the seconds to wait, where the server has named them. */
export function said(error: unknown): string {
  if (error instanceof Refused) {
    const wait = error.refusal.retry_after;
    return wait ? `${error.refusal.error} (again in ${Math.ceil(wait)} s)` : error.refusal.error;
  }
  return error instanceof Error ? error.message : String(error);
}
