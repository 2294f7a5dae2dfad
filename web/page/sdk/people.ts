/** Who may do what to whom, and how people come in: roles, bans, mutes, invites, requests, direct conversations, reports, held messages. */
import { Exchange } from "./exchange.ts";
import { chat, given, query } from "./paths.ts";
import type {
  ConversationObject,
  Created,
  HeldMessage,
  HeldPage,
  Invite,
  InviteTerms,
  JoinRequest,
  MemberChange,
  MemberPage,
  NewInvite,
  Preferences,
  Role,
  Sanction,
  SanctionTerms,
} from "./types.ts";

/** Each is judged by the caller's role in the conversation and by the rank of whom it is done to. Each throws `Refused`. */
export class People extends Exchange {
  /** Members in the order of joining; `after` of one page asks for the next. */
  members(id: string, page: { limit?: number; after?: string } = {}): Promise<MemberPage> {
    return this.request("GET", `${chat(id, "participants")}${query(page)}`);
  }

  /** Give a member of a lower rank another role, up to one's own; or go down oneself. */
  setRole(id: string, participantId: string, role: Role, reason?: string): Promise<MemberChange> {
    return this.request("POST", chat(id, "participants", participantId, "role"), given({ role, reason }));
  }

  /** They may come back, where the conversation is open. */
  remove(id: string, participantId: string, reason?: string): Promise<MemberChange> {
    return this.request("DELETE", `${chat(id, "participants", participantId)}${query({ reason })}`);
  }

  /** Keep somebody out, also before they come; a member is removed. */
  ban(id: string, participantId: string, terms: SanctionTerms = {}): Promise<MemberChange> {
    return this.request("PUT", chat(id, "participants", participantId, "ban"), given(terms));
  }

  /** It makes nobody a member. */
  unban(id: string, participantId: string, reason?: string): Promise<MemberChange> {
    return this.request("DELETE", `${chat(id, "participants", participantId, "ban")}${query({ reason })}`);
  }

  /** Who may not come in, for those who may ban. */
  async bans(id: string): Promise<Sanction[]> {
    return (await this.request<{ bans: Sanction[] }>("GET", chat(id, "bans"))).bans;
  }

  /** Refuse what a member says; it stays if they leave and come back. */
  mute(id: string, participantId: string, terms: SanctionTerms = {}): Promise<MemberChange> {
    return this.request("PUT", chat(id, "participants", participantId, "mute"), given(terms));
  }

  unmute(id: string, participantId: string, reason?: string): Promise<MemberChange> {
    return this.request("DELETE", `${chat(id, "participants", participantId, "mute")}${query({ reason })}`);
  }

  /** Who may say nothing, for those who may mute. */
  async mutes(id: string): Promise<Sanction[]> {
    return (await this.request<{ mutes: Sanction[] }>("GET", chat(id, "mutes"))).mutes;
  }

  /** An invite, a week long by default. Its code is told only now; a page of the server opens it at `url`. */
  createInvite(id: string, terms: InviteTerms = {}): Promise<NewInvite> {
    return this.request("POST", chat(id, "invites"), given(terms));
  }

  /** Those that may still be used: one's own, or all for who may remove members. */
  async invites(id: string): Promise<Invite[]> {
    return (await this.request<{ invites: Invite[] }>("GET", chat(id, "invites"))).invites;
  }

  /** By its code or its id. */
  async revokeInvite(id: string, codeOrId: string): Promise<void> {
    await this.request("DELETE", chat(id, "invites", codeOrId));
  }

  /** Come in by an invite; INVITE_EXPIRED where it is used up, expired or revoked. */
  async acceptInvite(code: string): Promise<ConversationObject> {
    return (await this.request<{ conversation: ConversationObject }>("POST", `/invites/${encodeURIComponent(code)}`)).conversation;
  }

  /** Ask to be let in, where one comes in by invitation; asking again changes nothing. */
  async askToJoin(id: string, reason?: string): Promise<void> {
    await this.request("POST", chat(id, "join-requests"), given({ reason }));
  }

  /** Who waits to be let in, for those who may invite. */
  async joinRequests(id: string): Promise<JoinRequest[]> {
    return (await this.request<{ join_requests: JoinRequest[] }>("GET", chat(id, "join-requests"))).join_requests;
  }

  approveJoin(id: string, participantId: string): Promise<MemberChange> {
    return this.request("POST", chat(id, "join-requests", participantId, "approve"));
  }

  /** They may ask again after a day. */
  denyJoin(id: string, participantId: string, reason?: string): Promise<MemberChange> {
    return this.request("POST", chat(id, "join-requests", participantId, "deny"), given({ reason }));
  }

  /** The one conversation with somebody, the same every time; `name` is shown until they come themselves. */
  direct(userId: string, name?: string): Promise<Created> {
    return this.request("POST", "/chat/direct", given({ user_id: userId, name }));
  }

  /** Archive, mute (`muted` is true, false, or until when) or pin it for oneself. What is left out stays; nobody else is told. */
  setPreferences(id: string, changes: Partial<Preferences>): Promise<Preferences> {
    return this.request("PATCH", chat(id, "me"), given(changes));
  }

  /** Delete a conversation and all that was said in it, for everybody and for good; for owners. */
  async deleteConversation(id: string): Promise<void> {
    await this.request("DELETE", chat(id));
  }

  /** What moderation holds, the newest first: all of it for who may delete any message, else one's own. `before` of one page asks for the next. */
  held(id: string, page: { state?: "open" | "closed"; before?: number; limit?: number } = {}): Promise<HeldPage> {
    return this.request("GET", `${chat(id, "held")}${query(page)}`);
  }

  /** Post it as its sender. ALREADY_DECIDED where somebody has decided otherwise. */
  approveHeld(id: string, heldId: number): Promise<HeldMessage> {
    return this.request("POST", chat(id, "held", String(heldId), "approve"));
  }

  /** Drop it; its sender reads the reason. */
  denyHeld(id: string, heldId: number, reason?: string): Promise<HeldMessage> {
    return this.request("POST", chat(id, "held", String(heldId), "deny"), given({ reason }));
  }

  /** Tell the operators of a message; nobody else is told. The same again is the same report. */
  async report(id: string, messageId: string, reason: string): Promise<number> {
    return (await this.request<{ report_id: number }>("POST", chat(id, "messages", messageId, "report"), { reason })).report_id;
  }
}
