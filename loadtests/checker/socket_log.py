"""What one socket was sent, followed frame by frame: complete, in order, nothing twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .anomaly import Anomaly
from .order import Order, span, spans

if TYPE_CHECKING:
    from collections.abc import Iterator


class SocketLog:
    """One socket's, from the line on which it was opened. `problems` is where anomalies go."""

    def __init__(
        self,
        names: tuple[str, str, str],
        line: int,
        after: int | None,
        problems: list[Anomaly],
    ) -> None:
        self.conversation, self.person, self.socket = names
        self.opened, self.ended = line, 0
        self.head = after or 0  # the log's last when the server answered
        self.order = Order(after or 0)
        self.known = (
            after or 0,
            line,
        )  # the last that its person knew of when it was opened, and since when
        self._fresh = after is None
        self._asked: Counter[int] = Counter()  # first sequences of what was asked for again
        self._passed: dict[int, int] = {}  # missing sequence -> line of the event that came instead
        self._last = line  # of the last event
        self._problems = problems

    def connected(self, line: int, frame: dict[str, Any]) -> None:
        """The server says from where on it sends."""
        first = int(frame["first_sequence_id"])
        self.head = int(frame["head_sequence_id"])
        if self._fresh or frame["resume"] == "reset":
            self.order.sequence = first - 1
            self._fresh = False
        elif first != self.order.sequence + 1:
            text = f"asked for what follows {self.order.sequence}, the answer begins with {first}"
            self._wrong("gap", text, self.opened, line, sequence=first)

    def ask(self, after: int) -> None:
        """The client asks for everything after a sequence once more."""
        self._asked[after + 1] += 1

    def event(self, line: int, sequence: int) -> None:
        """An event has come."""
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
        """The server says that everything up to there has been sent."""
        has = self.order.sequence
        if sequence > has and self._asked[sequence + 1]:
            # It had asked for what follows this one, and so said that it has it: an older question is not answered any more.
            self._asked[sequence + 1] -= 1
            has = self.order.sequence = sequence
        if sequence > has:
            text = f"told to have everything up to {sequence}, with {has} the last that came"
            self._wrong("gap", text, self._last, line, sequence=sequence)
        elif sequence < has:
            text = f"told to have everything up to {sequence}, after {has} had come"
            self._wrong("non-monotonic", text, self._last, line, sequence=sequence)

    def missing(self, nowhere: set[int]) -> Iterator[Anomaly]:
        """What was passed over for good; `nowhere` is what the log does not have either."""
        for first, last in spans(self.order.missing - nowhere):
            lines = (self._passed.get(first, self._last),)
            text = f"{span(first, last)} left out, what follows came"
            yield self._anomaly("gap", text, lines, sequence=first)

    def unseen(self, line: int, head: int) -> Iterator[Anomaly]:
        """What the end of the log has, read on that line, and was not sent."""
        if self.order.sequence < head:
            text = f"{span(self.order.sequence + 1, head)} never came"
            yield self._anomaly("unseen", text, (self._last, line), sequence=head)

    def _anomaly(self, kind: str, text: str, lines: tuple[int, ...], sequence: int) -> Anomaly:
        names = self.conversation, self.person, self.socket
        return Anomaly(kind, text, lines, *names, sequence)

    def _wrong(self, kind: str, text: str, *lines: int, sequence: int) -> None:
        self._problems.append(self._anomaly(kind, text, lines, sequence))
