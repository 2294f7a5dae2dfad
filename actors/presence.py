"""What members are told of each other and nobody stores: who is online, who is typing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .signals import Presence, Typing

if TYPE_CHECKING:
    from collections.abc import Callable

TYPING_REPEAT = 1.0  # seconds between two signals that the same person still types


class PresenceBoard:
    """Who is online, as the others are told: gathered, and offline only after a grace period without a connection.

    `connected` tells whether a participant has a connection now. All times are seconds on the caller's clock.
    """

    __slots__ = ("_announced", "_connected", "_grace", "_interval", "_last", "_leaving", "_touched")

    def __init__(self, connected: Callable[[str], bool], *, grace: float, interval: float) -> None:
        self._connected = connected
        self._grace = grace
        self._interval = interval
        self._announced: dict[str, None] = {}  # an empty set is three times as large
        self._leaving: dict[str, float] = {}  # id -> when the grace ends
        self._touched: dict[str, None] = {}
        self._last = float("-inf")

    def online(self, participant_id: str) -> bool:
        """Whether somebody is connected, or was a moment ago."""
        return self._connected(participant_id) or participant_id in self._leaving

    def touch(self, participant_id: str, now: float) -> None:
        """Take note that a connection came or went."""
        if self._connected(participant_id):
            self._leaving.pop(participant_id, None)
        elif participant_id not in self._leaving:
            self._leaving[participant_id] = now + self._grace
        self._touched[participant_id] = None

    def forget(self, participant_id: str) -> None:
        """Somebody is no member any more: nothing more is said about them."""
        self._leaving.pop(participant_id, None)
        self._touched.pop(participant_id, None)
        self._announced.pop(participant_id, None)

    def due(self) -> float | None:
        """When there will be something to say, if there will."""
        earliest = self._last + self._interval
        times = [self._leaving.get(participant_id, earliest) for participant_id in self._touched]
        return max(min(times), earliest) if times else None

    def collect(self, now: float) -> Presence | None:
        """What has changed and may be said now."""
        if now < self._last + self._interval:
            return None
        for participant_id in [p for p, ends in self._leaving.items() if ends <= now]:
            del self._leaving[participant_id]
        changes = []
        for participant_id in list(self._touched):
            online = self.online(participant_id)
            if online != (participant_id in self._announced):
                changes.append((participant_id, online))
                if online:
                    self._announced[participant_id] = None
                else:
                    self._announced.pop(participant_id, None)
            if participant_id not in self._leaving:
                del self._touched[participant_id]
        if not changes:
            return None
        self._last = now
        return Presence(tuple(changes))


class TypingBoard:
    """Who is typing. It ends by itself after `timeout` seconds, or with a message."""

    __slots__ = ("_ends", "_timeout", "_told")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._ends: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def note(self, signal: Typing, now: float) -> bool:
        """Take note; whether the others have to be told."""
        participant_id = signal.participant_id
        if not signal.is_typing:
            return self.stop(participant_id)
        recently = now - self._told.get(participant_id, float("-inf")) < TYPING_REPEAT
        if recently and participant_id not in self._ends:
            return False  # on and off faster than anybody types
        self._ends[participant_id] = now + self._timeout
        if recently:
            return False
        self._told[participant_id] = now
        return True

    def stop(self, participant_id: str) -> bool:
        """Somebody types no more; whether they did."""
        return self._ends.pop(participant_id, None) is not None

    def forget(self, participant_id: str) -> bool:
        """Somebody has said it, or is no member any more; whether they typed."""
        self._told.pop(participant_id, None)
        return self.stop(participant_id)

    def expire(self, now: float) -> list[str]:
        """Those whose typing has ended by itself."""
        ended = [p for p, ends in self._ends.items() if ends <= now]
        for participant_id in ended:
            self.stop(participant_id)
        return ended

    def due(self) -> float | None:
        """When the next one ends by itself."""
        return min(self._ends.values()) if self._ends else None
