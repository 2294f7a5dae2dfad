"""Who is a member and who may do what, by the events of a log so far.

Written on JSON and without the engine's own code, from the documentation of roles.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Event = dict[str, Any]

RANK = {"observer": 0, "member": 1, "moderator": 2, "owner": 3}
HEIRS = ("owner", "moderator", "member", "observer")
LEAST = {
    "post": "member",
    "edit_own": "member",
    "delete_own": "member",
    "delete_any": "moderator",
    "react": "member",
    "pin": "moderator",
    "invite": "member",
    "remove": "moderator",
    "ban": "moderator",
    "mute": "moderator",
    "rename": "owner",
    "change_roles": "owner",
    "read_members": "observer",
}
DAY = 86_400_000  # milliseconds after which somebody who was denied may ask again


@dataclass(slots=True)
class Invite:
    """A link by which people come in."""

    role: str
    by: str
    expires_at: int | None
    max_uses: int | None
    uses: int = 0

    def over(self, at: int) -> bool:
        """Whether nobody comes in by it any more."""
        used_up = self.max_uses is not None and self.uses >= self.max_uses
        return used_up or (self.expires_at is not None and self.expires_at <= at)


@dataclass(slots=True)
class Rights:
    """The rights after the events taken. Times are whole milliseconds."""

    members: dict[str, str] = field(default_factory=dict)  # -> role, in the order of joining
    since: dict[str, int] = field(default_factory=dict)  # -> the sequence that they came in with
    known: set[str] = field(default_factory=set)  # everybody who ever was a member
    # People -> until when; None: until somebody ends it.
    bans: dict[str, int | None] = field(default_factory=dict)
    mutes: dict[str, int | None] = field(default_factory=dict)
    invites: dict[str, Invite] = field(default_factory=dict)
    requests: dict[str, int | None] = field(default_factory=dict)  # -> when it was denied
    permissions: dict[str, str] = field(default_factory=dict)
    history: str = "all"
    slow_mode: int = 0  # seconds
    spoke: dict[str, tuple[int, int]] = field(default_factory=dict)  # -> sequence and time
    join: str = "open"
    members_invite: bool = True
    direct: bool = False
    at: int = 0  # the time of the newest event, where slow mode is on
    steady: bool = False  # whether the server's clock was never set back

    def rank(self, person: str) -> int:
        """The rank of a member; -1 for anybody else."""
        return RANK[self.members[person]] if person in self.members else -1

    def may(self, person: str, action: str) -> bool:
        """Whether somebody may do something, to whom their rank allows it."""
        least = LEAST[action]
        if action == "invite" and not self.members_invite:
            least = "moderator"
        return self.rank(person) >= RANK[self.permissions.get(action, least)]

    def is_banned(self, person: str, at: int) -> bool:
        """Whether somebody may not come in."""
        return person in self.bans and not _over(self.bans[person], at)

    def is_muted(self, person: str, at: int) -> bool:
        """Whether somebody may say nothing."""
        return person in self.mutes and not _over(self.mutes[person], at)

    def first_readable(self, person: str) -> int | None:
        """The first sequence that somebody may read; None for one who is no member."""
        if person not in self.members:
            return None
        return self.since[person] if self.history == "since_join" else 1

    def take(self, event: Event) -> None:
        """Take the next event."""
        handler = _TAKE.get(event["type"])
        if handler is not None:
            handler(self, event)
        if self.slow_mode:
            self.at = millis(event.get("message", event)["timestamp"])

    # --- events -------------------------------------------------------------------------------

    def _created(self, event: Event) -> None:
        for who in event["participants"]:
            self._enter(who["id"], who["role"], 1)
        self.join, self.members_invite = event["join"], event["members_invite"]
        self.direct = event.get("direct", False)
        self._rules(event)

    def _updated(self, event: Event) -> None:
        self._rules(event)
        if "slow_mode" in event:
            self.spoke = {}

    def _rules(self, event: Event) -> None:
        self.permissions = event.get("permissions", self.permissions)
        self.history = event.get("history", self.history)
        self.slow_mode = event.get("slow_mode", self.slow_mode)

    def _message(self, event: Event) -> None:
        message = event["message"]
        if self.slow_mode:
            self.spoke[message["sender_id"]] = event["sequence_id"], millis(message["timestamp"])

    def _joined(self, event: Event) -> None:
        invite = self.invites.get(event.get("invite_id", ""))
        if invite is not None:
            invite.uses += 1
        self._enter(event["participant"]["id"], event["role"], event["sequence_id"])

    def _enter(self, person: str, role: str, sequence: int) -> None:
        self.members[person], self.since[person] = role, sequence
        self.known.add(person)
        self.requests.pop(person, None)

    def _gone(self, event: Event) -> None:
        person = event["participant"]["id"]
        if self.members.pop(person, None) and self.members and "owner" not in self.members.values():
            heir = min(self.members, key=lambda each: HEIRS.index(self.members[each]))
            self.members[heir] = "owner"

    def _banned(self, event: Event) -> None:
        self._gone(event)
        person = event["participant"]["id"]
        self.bans[person] = _until(event)
        self.requests.pop(person, None)

    def _role(self, event: Event) -> None:
        self.members[event["participant_id"]] = event["role"]

    def _muted(self, event: Event) -> None:
        self.mutes[event["participant"]["id"]] = _until(event)

    def _invited(self, event: Event) -> None:
        expires = event.get("expires_at")
        self.invites[event["invite_id"]] = Invite(
            event["role"],
            event["by"],
            None if expires is None else millis(expires),
            event.get("max_uses"),
        )

    def _requested(self, event: Event) -> None:
        self.requests[event["participant"]["id"]] = None

    def _denied(self, event: Event) -> None:
        self.requests[event["participant_id"]] = millis(event["timestamp"])


_TAKE: dict[str, Any] = {
    "conversation_created": Rights._created,
    "conversation_updated": Rights._updated,
    "message": Rights._message,
    "participant_joined": Rights._joined,
    "participant_left": Rights._gone,
    "participant_removed": Rights._gone,
    "participant_banned": Rights._banned,
    "participant_unbanned": lambda rights, event: rights.bans.pop(event["participant_id"], None),
    "participant_role_changed": Rights._role,
    "participant_muted": Rights._muted,
    "participant_unmuted": lambda rights, event: rights.mutes.pop(event["participant_id"], None),
    "invite_created": Rights._invited,
    "invite_revoked": lambda rights, event: rights.invites.pop(event["invite_id"], None),
    "join_requested": Rights._requested,
    "join_denied": Rights._denied,
}


def millis(text: str) -> int:
    """A time as whole milliseconds."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _until(event: Event) -> int | None:
    return millis(event["until"]) if "until" in event else None


def _over(until: int | None, at: int) -> bool:
    return until is not None and until <= at
