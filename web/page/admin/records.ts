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

/** A message that a member has reported. It has no text of the message. */
export interface ReportRow {
  report_id: number;
  conversation_id: string;
  message_id: string;
  sequence_id: number;
  reporter_id: string;
  reason: string;
  reported_at: string;
  closed_at: string | null;
  closed_by: string | null;
  outcome: string | null;
}

/** A message or an edit that waits for a decision, or has had one. */
export interface HeldRow {
  held_id: number;
  conversation_id: string;
  sender: { id: string; name: string; type: string };
  kind: "message" | "edit";
  content: string | null;
  reason: string | null;
  held_at: string;
  closed_at: string | null;
  closed_by: string | null;
  outcome: "approved" | "denied" | "refused" | null;
  why: string | null;
}
