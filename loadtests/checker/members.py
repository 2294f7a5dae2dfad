"""Who is a member, by the events of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

GONE = ("participant_left", "participant_removed", "participant_banned")


def membership(log: Mapping[int, dict[str, Any]]) -> tuple[set[str], dict[str, list[int]]]:
    """The members at the end of a log, given by sequence, and the sequences at which each person left."""
    members: set[str] = set()
    left: dict[str, list[int]] = {}
    for sequence, event in sorted(log.items()):
        match event:
            case {"type": "conversation_created", "participants": participants}:
                members = {who["id"] for who in participants}
            case {"type": "participant_joined", "participant": {"id": who}}:
                members.add(who)
            case {"type": kind, "participant": {"id": who}} if kind in GONE:
                if who in members:
                    left.setdefault(who, []).append(sequence)
                members.discard(who)
    return members, left
