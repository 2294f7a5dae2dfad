"""The rules of coming in: invites, requests to join, and direct conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .events import Created, Joined
from .member_events import (
    InviteCreated,
    InviteRevoked,
    JoinDenied,
    JoinRequested,
    forgotten,
    lasting,
    without,
)
from .member_messages import (
    AcceptInvite,
    ApproveJoin,
    CreateInvite,
    DenyJoin,
    OpenDirect,
    RequestJoin,
    RevokeInvite,
)
from .member_rules import banned, entitled
from .messages import Unchanged
from .model import Entrant
from .refusals import Code, Refusal
from .rights import RANK, may

if TYPE_CHECKING:
    from collections.abc import Callable

    from .limits import Limits
    from .model import Member, Participant, Role, State

# Each is in memory while the conversation is, and is loaded with it.
MOST_INVITES = 100  # that may still be used
MOST_REQUESTS = 100  # that wait for an answer or were denied within a day: outsiders make them


def barred(state: State, participant_id: str, at: int, limits: Limits) -> Refusal | None:
    """Why somebody who has a right to come in cannot, or None."""
    if state.direct:
        return Refusal(Code.DIRECT_CONVERSATION)
    refusal = banned(state, participant_id, at)
    if refusal is not None:
        return refusal
    if participant_id in state.members:
        return Refusal(Code.ALREADY_PARTICIPANT)
    if limits.max_participants and len(state.members) >= limits.max_participants:
        return Refusal(Code.CAPACITY_EXCEEDED, {"limit": limits.max_participants})
    return None


def may_give(member: Member, role: Role) -> bool:
    """Whether an inviter may give this role: none above their own."""
    return RANK[role] <= RANK[member.role]


def _create_invite(
    state: State, command: CreateInvite, at: int, limits: Limits
) -> InviteCreated | Refusal:
    member = entitled(state, command.sender, "invite")
    if isinstance(member, Refusal):
        return member
    if state.direct:
        return Refusal(Code.DIRECT_CONVERSATION)
    if not may_give(member, command.role):
        return Refusal(Code.FORBIDDEN)
    if len(lasting(state.invites, at)) >= MOST_INVITES:
        return Refusal(Code.LIMIT_REACHED, {"limit": MOST_INVITES, "what": "invites"})
    return InviteCreated(
        state.id,
        state.head + 1,
        at,
        command.invite_id,
        command.role,
        command.sender.id,
        None if command.expires_in is None else at + command.expires_in,
        command.max_uses,
    )


def _revoke_invite(
    state: State, command: RevokeInvite, at: int, limits: Limits
) -> InviteRevoked | Refusal:
    member = entitled(state, command.sender, "invite")
    if isinstance(member, Refusal):
        return member
    invite = state.invites.get(command.invite_id)
    if invite is None:
        return Refusal(Code.NOT_FOUND)
    if invite.by != command.sender.id and not may(state, member, "remove"):
        return Refusal(Code.FORBIDDEN)
    return InviteRevoked(state.id, state.head + 1, at, invite.id, command.sender.id)


def _accept_invite(
    state: State, command: AcceptInvite, at: int, limits: Limits
) -> Joined | Refusal:
    if state.ended_at is not None:
        return Refusal(Code.INVITE_EXPIRED)
    refusal = barred(state, command.sender.id, at, limits)
    if refusal is not None and refusal.code is not Code.CAPACITY_EXCEEDED:
        return refusal
    invite = state.invites.get(command.invite_id)
    if invite is None or invite.over(at):
        return Refusal(Code.INVITE_EXPIRED)
    inviter = state.members.get(invite.by)
    # An invite is worth what its maker may do now.
    if inviter is None or not may(state, inviter, "invite") or not may_give(inviter, invite.role):
        return Refusal(Code.INVITE_EXPIRED)
    if refusal is not None:
        return refusal
    return _joined(state, command.sender, at, invite.role, invite.by, invite.id)


def _request_join(
    state: State, command: RequestJoin, at: int, limits: Limits
) -> JoinRequested | Unchanged | Refusal:
    if state.ended_at is not None:
        return Refusal(Code.NOT_FOUND)
    refusal = barred(state, command.sender.id, at, limits)
    if refusal is not None:
        return refusal
    if state.join == "open":
        facts = {"problem": "anybody may come in here: join instead of asking"}
        return Refusal(Code.INVALID_FORMAT, facts)
    before = state.requests.get(command.sender.id)
    if before is not None and not forgotten(before, at):
        return Unchanged() if before.denied_at is None else Refusal(Code.FORBIDDEN)
    kept = sum(
        not forgotten(each, at) for each in without(state.requests, command.sender.id).values()
    )
    if kept >= MOST_REQUESTS:
        return Refusal(Code.LIMIT_REACHED, {"limit": MOST_REQUESTS, "what": "requests to join"})
    return JoinRequested(state.id, state.head + 1, at, command.sender, command.reason)


def _approve_join(state: State, command: ApproveJoin, at: int, limits: Limits) -> Joined | Refusal:
    who = _asker(state, command)
    if isinstance(who, Refusal):
        return who
    refusal = barred(state, who.id, at, limits)
    if refusal is not None:
        return refusal
    return _joined(state, who, at, "member", command.sender.id)


def _deny_join(state: State, command: DenyJoin, at: int, limits: Limits) -> JoinDenied | Refusal:
    who = _asker(state, command)
    if isinstance(who, Refusal):
        return who
    return JoinDenied(state.id, state.head + 1, at, who.id, command.sender.id, command.reason)


def _asker(state: State, command: ApproveJoin | DenyJoin) -> Participant | Refusal:
    """Who waits for an answer, if the sender may give it: whoever may invite."""
    member = entitled(state, command.sender, "invite")
    if isinstance(member, Refusal):
        return member
    request = state.requests.get(command.participant_id)
    if request is None or request.denied_at is not None:
        return Refusal(Code.NOT_FOUND)
    return request.participant


def _joined(
    state: State, who: Participant, at: int, role: Role, by: str, invite_id: str | None = None
) -> Joined:
    return Joined(state.id, state.head + 1, at, who, len(state.members) + 1, role, by, invite_id)


def _open_direct(
    state: State, command: OpenDirect, at: int, limits: Limits
) -> Created | Unchanged | Refusal:
    if state.head:
        return Unchanged()  # others are told that there is nothing, see `rules.decide`
    if 0 < limits.max_participants < 2:
        return Refusal(Code.CAPACITY_EXCEEDED, {"limit": limits.max_participants})
    both = Entrant(command.sender, "owner"), command.entrant._replace(role="owner")
    return Created(state.id, 1, at, command.title, both, "list", join="invite", direct=True)


DECIDE: dict[Any, Callable[[State, Any, int, Limits], Any]] = {
    CreateInvite: _create_invite,
    RevokeInvite: _revoke_invite,
    AcceptInvite: _accept_invite,
    RequestJoin: _request_join,
    ApproveJoin: _approve_join,
    DenyJoin: _deny_join,
    OpenDirect: _open_direct,
}
