"""Messages that are held for somebody to decide, as the memory store keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.held import HeldMessage, HeldPage

if TYPE_CHECKING:
    from salon.actors.held import HeldOutcome


class MemoryHeld:
    """The held messages by position."""

    def __init__(self) -> None:
        self._held: dict[int, HeldMessage] = {}
        self._newest = 0

    def save(self, held: HeldMessage) -> HeldMessage:
        """Keep a held message, unless the sender's key has one; the one that is kept."""
        for each in self._held.values() if held.key is not None else ():
            named = each.number, each.sender.id, each.key
            if named == (held.number, held.sender.id, held.key):
                return each
        self._newest += 1
        self._held[self._newest] = held._replace(position=self._newest)
        return self._held[self._newest]

    def forget(self, sender_id: str) -> None:
        """Forget all of a sender."""
        self._held = {at: each for at, each in self._held.items() if each.sender.id != sender_id}

    def close(
        self, position: int, by: str, outcome: HeldOutcome, why: str | None, at: int
    ) -> HeldMessage | None:
        """Note what was decided, unless something was."""
        held = self._held.get(position)
        if held is None or held.closed_at is not None:
            return held
        if outcome != "denied" or held.outcome is None:
            held = self._held[position] = held._replace(
                content="", details="", closed_at=at, closed_by=by, outcome=outcome, why=why
            )
        return held

    def claim(self, position: int, name: str) -> HeldMessage | None:
        """Note that it is being posted, unless something was decided."""
        held = self._held.get(position)
        if held is not None and held.closed_at is None:
            held = self._held[position] = held._replace(outcome="approved", closed_by=name)
        return held

    def release(self, position: int, name: str) -> HeldMessage | None:
        """Note that it is not posted under this claim."""
        held = self._held.get(position)
        if held is not None and held.closed_at is None and held.closed_by == name:
            held = self._held[position] = held._replace(outcome=None, closed_by=None)
        return held

    def find(self, position: int) -> HeldMessage | None:
        """The held message at a position."""
        return self._held.get(position)

    def count(self, sender_id: str) -> int:
        """How many of a sender's messages wait."""
        waiting = (each for each in self._held.values() if each.closed_at is None)
        return sum(each.sender.id == sender_id for each in waiting)

    def page(
        self,
        *,
        is_open: bool,
        number: int | None,
        sender_id: str | None,
        before: int | None,
        limit: int,
    ) -> HeldPage:
        """A page, as `Store.held_messages` describes it."""
        found = [
            each
            for each in reversed(self._held.values())
            if (each.closed_at is None) == is_open
            and (before is None or each.position < before)
            and number in (None, each.number)
            and sender_id in (None, each.sender.id)
        ]
        rest = found[limit - 1].position if len(found) > limit else None
        return HeldPage(tuple(found[:limit]), rest)

    def erase(self, number: int) -> None:
        """Forget those of a deleted conversation."""
        self._held = {at: each for at, each in self._held.items() if each.number != number}
