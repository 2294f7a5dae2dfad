/** What operators keep about people and conversations, as the routes below /admin answer. */

/** A token that an operator issued. The token itself is kept nowhere. */
export interface TokenRow {
  token_id: string;
  id: string;
  name: string;
  admin: boolean;
  agent: boolean;
  conversations: string[] | null;
  issued_at: string;
  issued_by: string;
  expires_at: string;
  revoked_at: string | null;
}

export interface BlockedRow {
  id: string;
  blocked_at: string;
}

export type HoldKind = "person" | "conversation";

export interface HoldRow {
  hold_id: string;
  kind: HoldKind;
  subject: string;
  reason: string;
  by: string;
  at: string;
  released_at: string | null;
}

export interface ErasureRow {
  erasure_id: string;
  participant_id: string;
  by: string;
  state: "running" | "held" | "done";
  messages: number;
  asked_at: string;
  done_at: string | null;
}
