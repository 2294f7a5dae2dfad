"""Checks that a draining server sends each socket every event first: the close with 4000 comes after the last event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.web.client import is_event

if TYPE_CHECKING:
    from ..checker import Record

ENDED = "the server was killed or has ended"
LATE = "the drain has taken all of its time"
AWAY = 4000  # the close code of a drain


class Farewell:
    """Takes the records of a run. `wrong` names the sockets that a drain closed before they had every event.

    A socket that was opened during the drain is sent nothing. A socket that is closed because the drain's time is over
    may lack events.
    """

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self._heads: dict[str, int] = {}  # conversation -> last committed sequence
        self._last: dict[str, int] = {}  # socket -> last sequence that it was sent
        self._open: dict[str, str] = {}  # socket -> its conversation
        self._due: dict[str, int] = {}  # socket of an ended server -> the sequence it was due

    def take(self, record: Record) -> None:
        """Take the next record."""
        if record.record == "committed":
            self._heads[record.conversation] = record.sequence
        elif record.record == "note" and record.text in (ENDED, LATE):
            for socket, conversation in self._open.items():
                due = self._heads.get(conversation, 0) if record.text == ENDED else 0
                self._due.setdefault(socket, due)
        elif record.record == "connect":
            self._open[record.socket or ""] = record.conversation
        elif record.record == "received" and record.socket is not None:
            tells = is_event(record.frame) or record.frame["type"] == "caught_up"
            sequence = record.frame["sequence_id"] if tells else 0
            self._last[record.socket] = max(self._last.get(record.socket, 0), sequence)
        elif record.record == "disconnect":
            self._end(record.socket or "", record.person, record.code)

    def _end(self, socket: str, person: str, code: int | None) -> None:
        conversation = self._open.pop(socket)
        due = self._due.pop(socket, self._heads.get(conversation, 0))
        last = self._last.pop(socket, None)
        if code == AWAY and last is not None and last < due:
            self.wrong.append(
                f"{person} in {conversation}, socket {socket}, was sent away with {last} of {due} events"
            )
