"""Presence and typing: signals that members get about each other and that are not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .signals import Presence, Typing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TYPING_REPEAT = 1.0  # seconds between two typing signals of the same participant


class PresenceBoard:
    """Who is online. Changes are sent in batches; a participant is offline after a grace period without a connection.

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
        """Whether a participant is connected, or was within the grace period."""
        return self._connected(participant_id) or participant_id in self._leaving

    def touch(self, participant_id: str, now: float) -> None:
        """Note that a connection was opened or closed."""
        if self._connected(participant_id):
            self._leaving.pop(participant_id, None)
        elif participant_id not in self._leaving:
            self._leaving[participant_id] = now + self._grace
        self._touched[participant_id] = None

    @property
    def announced(self) -> tuple[str, ...]:
        """Those whom the other members are shown as online."""
        return tuple(self._announced)

    def take_over(self, participant_ids: Iterable[str], now: float) -> None:
        """Go on where another board has ended, which has shown these as online: whoever does not come back has the grace."""
        for participant_id in participant_ids:
            if participant_id not in self._announced:
                self._announced[participant_id] = None
                self.touch(participant_id, now)

    def forget(self, participant_id: str) -> None:
        """Remove a participant who is no longer a member; no signal is sent about them."""
        self._leaving.pop(participant_id, None)
        self._touched.pop(participant_id, None)
        self._announced.pop(participant_id, None)

    def due(self) -> float | None:
        """The time at which a signal is due, or None."""
        earliest = self._last + self._interval
        times = [self._leaving.get(participant_id, earliest) for participant_id in self._touched]
        return max(min(times), earliest) if times else None

    def collect(self, now: float) -> Presence | None:
        """The changes that may be sent now."""
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
    """Who is typing. Typing ends after `timeout` seconds without a repeat, or with a message."""

    __slots__ = ("_ends", "_timeout", "_told")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._ends: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._ends or self._told)

    def note(self, signal: Typing, now: float) -> bool:
        """Note a typing signal; return whether the other members must be told."""
        participant_id = signal.participant_id
        if not signal.is_typing:
            return self.stop(participant_id)
        recently = now - self._told.get(participant_id, float("-inf")) < TYPING_REPEAT
        if recently and participant_id not in self._ends:
            return False  # typing was switched off and on faster than anybody types
        self._ends[participant_id] = now + self._timeout
        if recently:
            return False
        self._told[participant_id] = now
        return True

    def stop(self, participant_id: str) -> bool:
        """End somebody's typing; return whether they were typing."""
        return self._ends.pop(participant_id, None) is not None

    def forget(self, participant_id: str) -> bool:
        """Drop a participant who sent the message or left; return whether they were typing."""
        self._told.pop(participant_id, None)
        return self.stop(participant_id)

    def expire(self, now: float) -> list[str]:
        """The participants whose typing has timed out."""
        ended = [p for p, ends in self._ends.items() if ends <= now]
        for participant_id in ended:
            self.stop(participant_id)
        return ended

    def due(self) -> float | None:
        """When the next typing times out, or None."""
        return min(self._ends.values()) if self._ends else None
