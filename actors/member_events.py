"""The kinds of event about members: roles, removal, bans, mutes, invites and requests to join."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from .fields import (
    BY,
    CONVERSATION_ID,
    PARTICIPANT_ID,
    SEQUENCE_ID,
    TIMESTAMP,
    UNTIL,
    WHY,
    Field,
    Form,
)
from .model import Invite, JoinRequest, Sanction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model import Participant, Role, State

Passing = TypeVar("Passing", Sanction, Invite)

_PARTICIPANT = Field("participant", Form.PARTICIPANT)
_COUNT = Field("participant_count", Form.COUNT)
# A denied request is forgotten after a day: until then its sender may not ask again.
ASK_AGAIN = 86_400_000


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """A member has another role."""

    kind: ClassVar[str] = "participant_role_changed"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        PARTICIPANT_ID,
        Field("role", Form.ROLE),
        BY,
        WHY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    participant_id: str
    role: Role
    by: str
    reason: str | None = None

    def apply(self, state: State) -> None:
        """Set the role."""
        member = replace(state.members[self.participant_id], role=self.role)
        state.members = {**state.members, self.participant_id: member}
        state.find_agents()


@dataclass(frozen=True, slots=True)
class Removed:
    """Somebody was removed, and is no longer a member. They may come back, if the conversation lets them."""

    kind: ClassVar[str] = "participant_removed"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        _PARTICIPANT,
        _COUNT,
        BY,
        WHY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    participant: Participant
    participant_count: int
    by: str
    reason: str | None = None

    def apply(self, state: State) -> None:
        """Remove the member."""
        remove_member(state, self.participant.id, self.at)


@dataclass(frozen=True, slots=True)
class Banned:
    """Somebody was banned: they may not come in, and if they were a member, they are none any more."""

    kind: ClassVar[str] = "participant_banned"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        _PARTICIPANT,
        _COUNT,
        UNTIL,
        BY,
        WHY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    participant: Participant
    participant_count: int
    by: str
    until: int | None = None
    reason: str | None = None

    def apply(self, state: State) -> None:
        """Remove the member, and keep them out."""
        id = self.participant.id
        if id in state.members:
            remove_member(state, id, self.at)
        ban = Sanction(self.participant, self.by, self.at, self.until, self.reason)
        state.bans = {**lasting(without(state.bans, id), self.at), id: ban}
        state.requests = without(state.requests, id)


@dataclass(frozen=True, slots=True)
class Unbanned:
    """Somebody who was banned may come in again."""

    kind: ClassVar[str] = "participant_unbanned"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        PARTICIPANT_ID,
        BY,
        WHY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    participant_id: str
    by: str
    reason: str | None = None

    def apply(self, state: State) -> None:
        """End the ban."""
        state.bans = without(state.bans, self.participant_id)


@dataclass(frozen=True, slots=True)
class Muted:
    """A member was muted: their messages, typing and reactions are refused."""

    kind: ClassVar[str] = "participant_muted"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        _PARTICIPANT,
        UNTIL,
        BY,
        WHY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    participant: Participant
    by: str
    until: int | None = None
    reason: str | None = None

    def apply(self, state: State) -> None:
        """Mute them, also beyond leaving."""
        id = self.participant.id
        mute = Sanction(self.participant, self.by, self.at, self.until, self.reason)
        state.mutes = {**lasting(without(state.mutes, id), self.at), id: mute}


@dataclass(frozen=True, slots=True)
class Unmuted:
    """Somebody who was muted may speak again."""

    kind: ClassVar[str] = "participant_unmuted"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        PARTICIPANT_ID,
        BY,
        WHY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    participant_id: str
    by: str
    reason: str | None = None

    def apply(self, state: State) -> None:
        """End the mute."""
        state.mutes = without(state.mutes, self.participant_id)


@dataclass(frozen=True, slots=True)
class InviteCreated:
    """Somebody has made a link by which people come in. Its id does not give the code of the link away."""

    kind: ClassVar[str] = "invite_created"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        Field("invite_id", Form.ID),
        Field("role", Form.ROLE),
        Field("expires_at", Form.TIME, optional=True),
        Field("max_uses", Form.COUNT, optional=True),
        BY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    invite_id: str
    role: Role
    by: str
    expires_at: int | None = None
    max_uses: int | None = None

    def apply(self, state: State) -> None:
        """Keep the invite, and forget those that are over."""
        invite = Invite(self.invite_id, self.role, self.by, self.at, self.expires_at, self.max_uses)
        state.invites = {**lasting(state.invites, self.at), invite.id: invite}


@dataclass(frozen=True, slots=True)
class InviteRevoked:
    """An invite was ended before its time."""

    kind: ClassVar[str] = "invite_revoked"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        Field("invite_id", Form.ID),
        BY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    invite_id: str
    by: str

    def apply(self, state: State) -> None:
        """Forget the invite."""
        state.invites = without(state.invites, self.invite_id)


@dataclass(frozen=True, slots=True)
class JoinRequested:
    """Somebody who is no member asks to be let in. Their `participant_joined` is the yes."""

    kind: ClassVar[str] = "join_requested"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        _PARTICIPANT,
        WHY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    participant: Participant
    reason: str | None = None

    def apply(self, state: State) -> None:
        """Keep the request, and forget old denials."""
        id = self.participant.id
        fresh = {
            other: each
            for other, each in state.requests.items()
            if other != id and not forgotten(each, self.at)
        }
        state.requests = {**fresh, id: JoinRequest(self.participant, self.at, self.reason)}


@dataclass(frozen=True, slots=True)
class JoinDenied:
    """A request to be let in was denied."""

    kind: ClassVar[str] = "join_denied"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        PARTICIPANT_ID,
        BY,
        WHY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    participant_id: str
    by: str
    reason: str | None = None

    def apply(self, state: State) -> None:
        """Keep that it was denied."""
        denied = state.requests[self.participant_id]._replace(denied_at=self.at)
        state.requests = {**state.requests, self.participant_id: denied}


MemberEvent = (
    RoleChanged
    | Removed
    | Banned
    | Unbanned
    | Muted
    | Unmuted
    | InviteCreated
    | InviteRevoked
    | JoinRequested
    | JoinDenied
)

T = TypeVar("T")


# Who becomes owner where none is left: the longest-standing of the highest rank.
HEIRS: tuple[Role, ...] = ("owner", "moderator", "member", "observer")


def remove_member(state: State, participant_id: str, at: int) -> None:
    """Take a member out of a draft. Where no owner is left, another member becomes the owner; without members it ends."""
    state.members = without(state.members, participant_id)
    state.reads = without(state.reads, participant_id)
    state.saved = without(state.saved, participant_id)
    state.preferences = without(state.preferences, participant_id)
    if not state.members:
        state.ended_at = at
    elif not any(member.role == "owner" for member in state.members.values()):
        # Somebody must be able to invite and remove.
        heir = min(state.members.values(), key=lambda member: HEIRS.index(member.role))
        owner = replace(heir, role="owner")
        state.members = {**state.members, heir.participant.id: owner}
    state.find_agents()


def without(entries: Mapping[str, T], id: str) -> dict[str, T]:
    """The entries but this one."""
    return {other: each for other, each in entries.items() if other != id}


def lasting(entries: Mapping[str, Passing], at: int) -> dict[str, Passing]:
    """The entries that are not over: one that is may be forgotten."""
    return {id: each for id, each in entries.items() if not each.over(at)}


def forgotten(request: JoinRequest, at: int) -> bool:
    """Whether a denial is so old that the same person may ask again."""
    return request.denied_at is not None and request.denied_at + ASK_AGAIN <= at
