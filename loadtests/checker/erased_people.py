"""People who are erased: once that is told, nothing that is read has a word or a name of theirs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .version import has_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .history import Erased

Event = dict[str, Any]


def left(erased: Erased, events: Iterable[Event]) -> Iterator[tuple[str, int]]:
    """What of somebody is in these events: a text and the sequence."""
    for event in events:
        sequence = int(event["sequence_id"])
        if event["type"] == "message":
            by = event["message"]["sender_id"]
        else:
            by = event.get("by") if event["type"] == "message_edited" else None
        if by == erased.person and has_text(event):
            yield f"sequence {sequence} has something that {erased.person} said", sequence
        text = json.dumps(event, ensure_ascii=False)
        if any(name in text for name in erased.names):
            yield f"sequence {sequence} has the name of {erased.person}", sequence


class ErasedPeople:
    """Those of a history, with the line that tells of it."""

    def __init__(self) -> None:
        self._all: dict[str, tuple[int, Erased]] = {}

    @property
    def people(self) -> set[str]:
        """Their ids."""
        return set(self._all)

    def take(self, line: int, erased: Erased) -> None:
        """Take that it is told of one."""
        self._all.setdefault(erased.person, (line, erased))

    def read(self, since: float, events: Iterable[Event]) -> Iterator[tuple[str, int, int]]:
        """What somebody should not have read, at `since` or later: text, sequence, and the line that tells of the erasure."""
        for line, erased in self._all.values():
            if erased.at < since:
                yield from ((text, sequence, line) for text, sequence in left(erased, events))

    def in_log(self, events: Iterable[Event]) -> Iterator[tuple[str, int, int]]:
        """What the log has in the end; as `read`."""
        yield from self.read(float("inf"), events)
