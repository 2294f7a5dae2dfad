"""A person's data in the store: where they left traces, their erasure, and legal holds.

Times are whole milliseconds since the Unix epoch, UTC. Futures fail as those of `Store`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from .files import StoredFile
    from .future import Future
    from .store import Report

HoldKind = Literal["person", "conversation"]
TRACED = 16_384  # places of the log in one step: some 20 ms of a reader's time


class Trace(NamedTuple):
    """An event that is by a person, or has their id in it."""

    conversation_id: str
    sequence: int


class Traces(NamedTuple):
    """What one step has found. `through` is the place in the log to go on after; None where there are no later events."""

    found: tuple[Trace, ...]
    through: int | None


class PersonErasure(NamedTuple):
    """The erasure of a person, which `by` has asked for. The log was looked through up to the place `through`.

    Of `messages` messages only the place is left. `done_at` is None until nothing is left of the person.
    """

    id: str
    participant_id: str
    by: str
    asked_at: int
    through: int = 0
    messages: int = 0
    done_at: int | None = None


class LegalHold(NamedTuple):
    """What a person has said, or a conversation, may not be erased until an operator releases it."""

    id: str
    kind: HoldKind
    subject: str
    reason: str
    by: str
    at: int
    released_at: int | None = None


class PersonRows(NamedTuple):
    """What stands about a person outside of conversations. `name` is that of a guest, or the last that they chose."""

    name: str | None
    is_guest: bool
    files: tuple[StoredFile, ...]
    reports: tuple[Report, ...]


class Holds(Protocol):
    """What may not be erased now. Asked with each deletion and edit, so it answers from memory."""

    def cover(self, conversation_id: str, participant_id: str | None = None) -> bool:
        """Whether a conversation is held, or what a person has said."""


class NoHolds:
    """Holds of a server that has none."""

    def cover(self, conversation_id: str, participant_id: str | None = None) -> bool:
        """Nothing is held."""
        return False


class Expired(NamedTuple):
    """Messages that are older than a time, and not deleted. `through` as in `Traces`; None too where the rest is younger."""

    found: tuple[Trace, ...]
    through: int | None


class Retained(NamedTuple):
    """A conversation whose messages are kept for so many days."""

    conversation_id: str
    number: int
    days: int


class PeopleStore(Protocol):
    """What a store offers about people."""

    def traces(self, participant_id: str, *, after: int) -> Future[Traces]:
        """The events after a place in the log that are by a person or name them, of the next `TRACED` places."""

    def expired(self, before: int, *, after: int) -> Future[Expired]:
        """The messages sent before a time and not deleted since, of the next `TRACED` places after a place in the log."""

    def retained(self) -> Future[tuple[Retained, ...]]:
        """The conversations that keep their messages for a number of days of their own."""

    def expired_in(self, number: int, before: int) -> Future[tuple[int, ...]]:
        """The sequences of the first messages of a conversation sent before a time and not deleted since, up to `TRACED`."""

    def person(self, participant_id: str) -> Future[PersonRows]:
        """What stands about a person outside of conversations."""

    def forget_person(self, participant_id: str) -> Future[None]:
        """Delete what stands about a person outside of the events of conversations, and their name where they are no member."""

    @property
    def erasing(self) -> bool:
        """Whether the disk may still have something of what was deleted before."""

    def save_erasure(self, erasure: PersonErasure) -> Future[None]:
        """Store an erasure in place of what was stored of it."""

    def erasures(self) -> Future[tuple[PersonErasure, ...]]:
        """All erasures, in the order in which they were asked for."""

    def save_hold(self, hold: LegalHold) -> Future[None]:
        """Store a hold in place of what was stored of it."""

    def holds(self) -> Future[tuple[LegalHold, ...]]:
        """All holds, in the order of their times; also those that are released."""
