"""Deliberate bugs in delivery: live events, resuming, lagging readers, presence, leaving."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from salon.actors.audience import Audience
from salon.actors.conversation import ConversationActor
from salon.actors.presence import PresenceBoard
from salon.web import drain
from salon.web.socket.connection import Connection

if TYPE_CHECKING:
    from salon.actors.store import Record

Change = tuple[Any, str, Callable[[Any], Any]]


def resume_one_late() -> Change:
    def change(real: Any) -> Any:
        def place(self: Any, subscriber: Any, sequence: int) -> None:
            real(self, subscriber, sequence + (0 < sequence < self.head))

        return place

    return Audience, "place", change


def resume_one_early() -> Change:
    def change(real: Any) -> Any:
        def place(self: Any, subscriber: Any, sequence: int) -> None:
            real(self, subscriber, max(0, sequence - 1))

        return place

    return Audience, "place", change


def reorder_within_a_batch() -> Change:
    def change(real: Any) -> Any:
        async def deliver(self: Any, records: list[Record]) -> int:
            recent = list(records)
            payload = self._codec.payload
            self._codec.payload = lambda bodies: payload(list(bodies)[::-1])
            try:
                taken: int = await real(self, recent)
            finally:
                del self._codec.payload
            return taken

        return deliver

    return Audience, "deliver", change


def drop_on_lagging() -> Change:
    """A reader with a full outbox misses the event and stays live."""
    return Audience, "_fall_behind", lambda real: lambda self, subscriber, sequence: None


def forget_who_waited_for_a_failed_commit() -> Change:
    """A commit that failed but took effect is not delivered to the readers that were live meanwhile."""
    return Audience, "fall_back", lambda real: lambda self, sequence: None


def live_too_early() -> Change:
    """A newcomer gets live events while its replay is still going on."""

    def change(real: Any) -> Any:
        def place(self: Any, subscriber: Any, sequence: int) -> None:
            real(self, subscriber, sequence)
            self.live[subscriber] = None

        return place

    return Audience, "place", change


def lose_what_is_drained() -> Change:
    """A connection with a full outbox is not told that there is room again."""
    return Connection, "_drained", lambda real: lambda self: None


def tell_those_who_left() -> Change:
    def change(real: Any) -> Any:
        return lambda self, participant_id, **_: self.attendance.presence.forget(participant_id)

    return ConversationActor, "_see_off", change


def crash_forgets_its_readers() -> Change:
    """The connections of an actor that crashed are not sent to fresh sockets."""
    return ConversationActor, "on_stop", lambda real: lambda self: None


def old_socket_takes_the_new_one_along() -> Change:
    """When one connection of a person ends, the person's other connections get no more events."""

    def change(real: Any) -> Any:
        def remove(self: Audience, subscriber: Any) -> bool:
            there: bool = real(self, subscriber)
            for other in self.of(subscriber.participant.id) if there else ():
                real(self, other)
            return there

        return remove

    return Audience, "remove", change


def back_and_still_offline() -> Change:
    """A person reported as offline that comes back is not reported as online again."""
    known: dict[PresenceBoard, set[str]] = {}

    def change(real: Any) -> Any:
        def touch(self: PresenceBoard, participant_id: str, now: float) -> None:
            seen = known.setdefault(self, set())
            gone = participant_id in seen and participant_id not in self._announced
            if not (gone and self._connected(participant_id)):
                real(self, participant_id, now)
            seen.add(participant_id)

        return touch

    return PresenceBoard, "touch", change


def closed_before_all_was_sent() -> Change:
    """A draining server closes its sockets at once."""

    def change(real: Any) -> Any:
        return lambda parts, connection: True

    return drain, "_has_everything", change
