"""Checks the frames that one socket received: complete, in order, none twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .anomaly import Anomaly
from .order import Order, span, spans

if TYPE_CHECKING:
    from collections.abc import Iterator


class SocketLog:
    """The frames of one socket, opened on `line`. Anomalies are appended to `problems`."""

    def __init__(
        self,
        names: tuple[str, str, str],
        line: int,
        after: int | None,
        problems: list[Anomaly],
    ) -> None:
        self.conversation, self.person, self.socket = names
        self.opened, self.ended = line, 0
        self.asked_at = 0.0  # when it was requested
        self.head = after or 0  # the log's last sequence when the server answered
        self.order = Order(after or 0)
        self.known = (
            after or 0,
            line,
        )  # the highest sequence its person was told of before it was opened, and the line of that
        self._fresh = after is None
        self._asked: Counter[int] = Counter()  # first sequence of each range asked for again
        self._passed: dict[int, int] = {}  # missing sequence -> line of the event that skipped it
        self._last = line  # line of the last event
        self._problems = problems

    def connected(self, line: int, frame: dict[str, Any]) -> None:
        """Take the `connected` frame, which says where the server's sending begins."""
        first = int(frame["first_sequence_id"])
        self.head = int(frame["head_sequence_id"])
        if self._fresh or frame["resume"] == "reset":
            self.order.sequence = first - 1
            self._fresh = False
        elif first == frame.get("oldest_sequence_id", 1) > self.order.sequence:
            self.order.sequence = first - 1  # what is before it this member may not read
        elif first != self.order.sequence + 1:
            text = f"asked for what follows {self.order.sequence}, the answer begins with {first}"
            self._wrong("gap", text, self.opened, line, sequence=first)

    def ask(self, after: int) -> None:
        """Take a `sync`: the client asks for everything after a sequence again."""
        self._asked[after + 1] += 1

    def event(self, line: int, sequence: int) -> None:
        """Take an event."""
        if self._asked[sequence] and sequence != self.order.sequence + 1:
            self._asked[sequence] -= 1
            self.order.sequence = sequence - 1
        before = self.order.sequence
        match self.order.step(sequence):
            case "ahead":
                for missing in range(before + 1, sequence):
                    self._passed[missing] = line
            case "garbage":
                text = f"sequence {sequence} came after {before}"
                self._wrong("gap", text, self._last, line, sequence=sequence)
            case "reordered":
                text = f"sequence {sequence} came after {before}"
                self._wrong("reordered", text, self._passed[sequence], line, sequence=sequence)
            case "duplicate":
                text = f"sequence {sequence} came again, after {before}"
                self._wrong("duplicate", text, self._last, line, sequence=sequence)
        self._last = line

    def caught_up(self, line: int, sequence: int) -> None:
        """Take a `caught_up` frame: the server says that everything up to `sequence` has been sent."""
        has = self.order.sequence
        if sequence > has and self._asked[sequence + 1]:
            # The client's `sync` said that it has `sequence`: the server no longer answers an older `sync`.
            self._asked[sequence + 1] -= 1
            has = self.order.sequence = sequence
        if sequence > has:
            text = f"told to have everything up to {sequence}, with {has} the last that came"
            self._wrong("gap", text, self._last, line, sequence=sequence)
        elif sequence < has:
            text = f"told to have everything up to {sequence}, after {has} had come"
            self._wrong("non-monotonic", text, self._last, line, sequence=sequence)

    def missing(self, nowhere: set[int]) -> Iterator[Anomaly]:
        """An anomaly for each range that never arrived; `nowhere` are the sequences that the log does not have either."""
        for first, last in spans(self.order.missing - nowhere):
            lines = (self._passed.get(first, self._last),)
            text = f"{span(first, last)} left out, what follows came"
            yield self._anomaly("gap", text, lines, sequence=first)

    def unseen(self, line: int, head: int) -> Iterator[Anomaly]:
        """An anomaly if the end of the log, read on `line`, was not sent."""
        if self.order.sequence < head:
            text = f"{span(self.order.sequence + 1, head)} never came"
            yield self._anomaly("unseen", text, (self._last, line), sequence=head)

    def _anomaly(self, kind: str, text: str, lines: tuple[int, ...], sequence: int) -> Anomaly:
        names = self.conversation, self.person, self.socket
        return Anomaly(kind, text, lines, *names, sequence)

    def _wrong(self, kind: str, text: str, *lines: int, sequence: int) -> None:
        self._problems.append(self._anomaly(kind, text, lines, sequence))
