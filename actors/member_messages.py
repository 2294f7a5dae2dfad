"""The commands about members: roles, removal, bans, mutes, invites, requests to join, and direct conversations.

Times are whole milliseconds since the Unix epoch, UTC. A `reason` is for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .model import Entrant, Participant, Role


@dataclass(frozen=True, slots=True)
class SetRole:
    """Give a member another role, or take a lower one oneself."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    participant_id: str
    role: Role
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a member. Their sockets are closed."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    participant_id: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Ban:
    """Keep somebody out, for good or until a time; a member is removed."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    participant_id: str
    until: int | None = None
    reason: str | None = None
    by_operator: bool = False  # as in `DeleteMessage`


@dataclass(frozen=True, slots=True)
class Unban:
    """Let somebody come back who was banned."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    participant_id: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Mute:
    """Refuse a member's messages, typing and reactions, for good or until a time. It stays when they leave and come back."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    participant_id: str
    until: int | None = None
    reason: str | None = None
    by_operator: bool = False  # as in `DeleteMessage`


@dataclass(frozen=True, slots=True)
class Unmute:
    """Let somebody speak again who was muted."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    participant_id: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CreateInvite:
    """Make a link by which people come in. `invite_id` is a hash of the code, which the engine never has."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    invite_id: str
    role: Role = "member"
    expires_in: int | None = None  # milliseconds
    max_uses: int | None = None


@dataclass(frozen=True, slots=True)
class RevokeInvite:
    """End an invite before its time."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    invite_id: str


@dataclass(frozen=True, slots=True)
class AcceptInvite:
    """Come in by an invite."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    invite_id: str


@dataclass(frozen=True, slots=True)
class RequestJoin:
    """Ask to be let in where one comes in by invitation only."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ApproveJoin:
    """Let somebody in who has asked."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    participant_id: str


@dataclass(frozen=True, slots=True)
class DenyJoin:
    """Refuse somebody who has asked to be let in."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    participant_id: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class OpenDirect:
    """Begin the conversation of two people, unless it is there; `conversation_id` follows from their ids."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    title: str
    entrant: Entrant


MemberCommand = (
    SetRole
    | Remove
    | Ban
    | Unban
    | Mute
    | Unmute
    | CreateInvite
    | RevokeInvite
    | AcceptInvite
    | RequestJoin
    | ApproveJoin
    | DenyJoin
)
MEMBER_COMMANDS = frozenset(MemberCommand.__args__)
