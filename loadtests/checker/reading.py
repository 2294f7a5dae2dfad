"""What each reader was let in to and shown: only members read, from where they may, and nobody what was deleted."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .rights_log import timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .history import Page
    from .socket_log import SocketLog

Event = dict[str, Any]
# Kind, text, lines, and the socket if it is of one.
Found = tuple[str, str, tuple[int, ...], "SocketLog | None"]


@dataclass(slots=True)
class _Read:
    """A page that somebody has read, asked for when `told` was known, and answered when `committed` was stored."""

    line: int
    person: str
    told: int
    committed: int | None
    lowest: int


class ObservedReading:
    """Takes what concerns reading. `wrong` is called with the kind of an anomaly, its text, lines and the socket."""

    def __init__(self, wrong: Callable[..., None]) -> None:
        self._wrong = wrong
        self._heads: dict[str, int] = {}  # socket -> the log's end when it was let in
        self._lowest: dict[str, tuple[int, int]] = {}  # socket -> sequence and line
        self._pages: list[_Read] = []
        self._told_at: list[float] = []
        self._told: list[int] = []
        self._after: list[dict[str, int]] | None = None
        self.deleted: tuple[int, float] | None = None  # line and time of the answer

    # --- records, in their order ---------------------------------------------------------------

    def told(self, at: float, sequence: int) -> None:
        """Take that somebody was told of a sequence: whoever asks later gets no older state."""
        if not self._told or sequence > self._told[-1]:
            self._told_at.append(at)
            self._told.append(sequence)

    def gone(self, line: int, at: float) -> None:
        """Take that the conversation is deleted: nobody gets anything of it who asks later."""
        self.deleted = self.deleted or (line, at)

    def connected(self, line: int, view: SocketLog) -> None:
        """Take that somebody was let in."""
        self._heads[view.socket] = view.head
        if self.deleted is not None and self.deleted[0] < view.opened:
            text = "let in to the conversation, which was deleted before"
            self._wrong("erased", text, self.deleted[0], line, view=view)

    def answered(self, line: int, asked: int) -> None:
        """Take the receipt of what was asked for on the line `asked`."""
        if self.deleted is not None and self.deleted[0] < asked:
            text = "something was done in the conversation, which was deleted before"
            self._wrong("erased", text, self.deleted[0], line)

    def event(self, line: int, view: SocketLog, event: Event) -> None:
        """Take an event on a socket."""
        lowest = _tells_of(event)
        if lowest < self._lowest.get(view.socket, (lowest + 1, 0))[0]:
            self._lowest[view.socket] = lowest, line

    def page(self, line: int, page: Page, committed: int | None) -> None:
        """Take a page that was read over HTTP."""
        if self.deleted is not None and self.deleted[1] < page.since:
            text = f"{page.person} reads of the conversation, which was deleted before"
            self._wrong("erased", text, self.deleted[0], line)
        place = bisect_right(self._told_at, page.since) - 1
        told = self._told[place] if place >= 0 else 0
        lowest = min(map(_tells_of, page.events), default=0)
        self._pages.append(_Read(line, page.person, told, committed, lowest))

    # --- the verdict ---------------------------------------------------------------------------

    def verdict(self, events: Sequence[Event], views: Mapping[str, SocketLog]) -> Iterator[Found]:
        """What somebody has read and was not entitled to, by the whole log."""
        after = self._after = timeline(events)
        known = {who for each in after for who in each}
        for socket, head in self._heads.items():
            view = views[socket]
            if view.person not in known or head >= len(after):
                continue
            first = after[head].get(view.person)
            lowest, line = self._lowest.get(socket, (0, 0))
            if first is None:
                text = f"let in when the log ended at {head}, and no member"
                yield "outsider", text, (view.opened,), view
            elif line and lowest < min(each.get(view.person, first) for each in after[head:]):
                text = f"told of sequence {lowest}, and may read from {first} on"
                yield "hidden", text, (view.opened, line), view
        for read in self._pages:
            yield from _of_page(read, after, known)

    def hidden(self, view: SocketLog) -> set[int]:
        """The sequences that a reader need not be sent: `verdict` has to be read first."""
        head = self._heads.get(view.socket)
        if self._after is None or head is None:
            return set()
        return set(
            range(1, max((each.get(view.person, 1) for each in self._after[head:]), default=1))
        )


def _of_page(read: _Read, after: list[dict[str, int]], known: set[str]) -> Iterator[Found]:
    end = len(after) - 1 if read.committed is None else read.committed
    states = after[read.told : end + 1]
    if read.person not in known or not states:
        return
    firsts = [each[read.person] for each in states if read.person in each]
    if not firsts:
        text = f"{read.person} reads, and is no member from {read.told} to {end}"
        yield "outsider", text, (read.line,), None
    elif 0 < read.lowest < min(firsts):
        text = f"{read.person} reads of sequence {read.lowest}, and may from {min(firsts)} on"
        yield "hidden", text, (read.line,), None


def _tells_of(event: Event) -> int:
    """The oldest sequence of which an event tells something that is to be read."""
    if event["type"] == "message_edited" and "content" in event:
        return int(event["message_id"].rpartition("-")[2])
    return int(event["sequence_id"])
