"""Who is a member, by the events of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


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
            case {"type": "participant_left", "participant": {"id": who}}:
                members.discard(who)
                left.setdefault(who, []).append(sequence)
    return members, left
