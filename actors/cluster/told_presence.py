"""Presence as the owner of a conversation tells it: the list of those who are online, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.presence import PresenceBoard
from salon.actors.signals import Presence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class ToldPresence(PresenceBoard):
    """The board of a node that does not own the conversation. `online` is what the owner has said last."""

    __slots__ = ("_told",)

    def __init__(self, connected: Callable[[str], bool]) -> None:
        super().__init__(connected, grace=0.0, interval=0.0)
        self._told: dict[str, None] = {}

    def online(self, participant_id: str) -> bool:
        """Whether a participant is connected at any node, or was within the grace period."""
        return participant_id in self._told or self._connected(participant_id)

    def touch(self, participant_id: str, now: float) -> None:
        """Nothing: the owner is told who is here."""

    def due(self) -> float | None:
        """None: the owner says when."""
        return None

    def forget(self, participant_id: str) -> None:
        """Remove a participant who is no longer a member."""
        self._told.pop(participant_id, None)
        super().forget(participant_id)

    def collect(self, now: float) -> Presence | None:
        """What the live readers have not been shown yet."""
        changes = [(id, True) for id in self._told if id not in self._announced]
        # Who has just connected here is online, though the owner has not said so yet.
        gone = [id for id in self._announced if id not in self._told and not self._connected(id)]
        changes += [(id, False) for id in gone]
        for participant_id, online in changes:
            if online:
                self._announced[participant_id] = None
            else:
                del self._announced[participant_id]
        return Presence(tuple(changes)) if changes else None

    def tell(self, online: Iterable[str]) -> None:
        """Take the owner's list."""
        self._told = dict.fromkeys(online)

    def take_over(self, participant_ids: Iterable[str], now: float) -> None:
        """Go on where another board has ended."""
        for participant_id in participant_ids:
            self._told[participant_id] = self._announced[participant_id] = None
