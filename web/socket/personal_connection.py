"""One stream of events about all conversations of a person: the lines of their list that have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .connection import OUTBOX_BYTES, Connection, Phase
from .event_connection import EventConnection
from .event_json import compact

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.watchers import Watchers


class PersonalConnection(EventConnection):
    """A participant's stream about their list. It belongs to no conversation, so its `conversation_id` is empty.

    `changed` are the conversations whose lines are to be sent: at most all that the person has.
    """

    __slots__ = ("_watchers", "_woken", "changed", "sent_at")
    protocol: ClassVar[str] = "events"

    def watch(self, watchers: Watchers, woken: Callable[[PersonalConnection], None]) -> None:
        """Take note of changes from now on; `woken` is called when there are some."""
        self.changed: dict[str, None] = {}
        self.sent_at = float("-inf")
        self._woken = woken
        self._watchers = watchers
        watchers.add(self.participant.id, self)

    def note(self, conversation_id: str) -> None:
        """Learn that a line may have changed."""
        self.changed[conversation_id] = None
        self._woken(self)

    @property
    def full(self) -> bool:
        """Whether too much waits already: what has changed is sent later, and once."""
        return self.outbox_bytes > OUTBOX_BYTES

    def tell(self, fields: dict[str, Any]) -> None:
        """Write an event."""
        if self.phase is Phase.OPEN:
            Connection.push(self, b"data: %b\n\n" % compact(fields).encode())

    def _detach(self) -> None:
        self._watchers.remove(self.participant.id, self)
        super()._detach()
