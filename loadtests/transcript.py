"""What the readers of one conversation were sent, compared byte by byte.

All readers are sent the same bytes. The first to receive an event has it parsed and kept; for all others it is enough that
their bytes are the same, which is checked at the speed of `memcmp`. So every delivery of a million a second is checked.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

KEPT_BYTES = (
    64_000_000  # of one conversation; older ones are dropped once every reader has passed them
)
MESSAGE = b'{"type":"message","sequence_id":'
KEY = b'"client_message_id":"'
CONTENT = b'"content":"'


class Frame(NamedTuple):
    """One text frame: where its bytes end, and its text."""

    end: int
    text: bytes
    opcode: int


def next_frame(data: bytes, at: int) -> Frame | None:
    """The frame that begins at a position of a server's stream, if it is there whole."""
    if len(data) - at < 2:
        return None
    length, start = data[at + 1], at + 2
    if length == 126:
        length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
    elif length == 127:
        length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
    end = start + length
    if end > len(data) or start > len(data):
        return None
    return Frame(end, data[start:end], data[at] & 0x0F)


class Transcript:
    """The events of one conversation as they were first received. Offsets count bytes since the first of them."""

    def __init__(self) -> None:
        self.first: int | None = None  # sequence of the first event kept
        self.last = 0
        self.keys: dict[str, int] = {}  # client_message_id -> sequence
        self.repeated: list[str] = []
        self._bytes = bytearray()
        self._base = 0  # offset of the first byte kept
        self._ends: list[int] = []  # offset where each event ends
        self._due: list[float] = []
        self._first_kept = 0  # sequence of the first entry of the two lists

    @property
    def end(self) -> int:
        """The offset after the last event."""
        return self._base + len(self._bytes)

    def offset_after(self, sequence: int) -> int | None:
        """Where the event after `sequence` begins; None where it is not kept any more."""
        if self.first is None or sequence == self.last:
            return self.end
        index = sequence - self._first_kept
        if index == -1:
            return self._base
        return self._ends[index] if 0 <= index < len(self._ends) else None

    def sequence_at(self, offset: int) -> int:
        """The sequence of the last event that ends at or before an offset."""
        return self._first_kept + bisect_right(self._ends, offset) - 1

    def floor(self, offset: int) -> int:
        """The end of the last event that ends at or before an offset."""
        index = bisect_right(self._ends, offset)
        return self._ends[index - 1] if index else self._base

    def same(self, offset: int, data: bytes) -> int:
        """How many of these bytes are known at an offset and the same; -1 where they differ."""
        start = offset - self._base
        known = self._bytes[start : start + len(data)]
        return len(known) if data.startswith(known) else -1

    def append(self, sequence: int, raw: bytes, text: bytes) -> str | None:
        """Keep a new event; what is wrong with it, if anything is."""
        problem = None
        if self.first is None:
            self.first = self._first_kept = sequence
        elif sequence != self.last + 1:
            kind = "gap" if sequence > self.last + 1 else "reordered or repeated"
            problem = f"{kind}: sequence {sequence} after {self.last}"
        self.last = max(self.last, sequence)
        self._bytes += raw
        self._ends.append(self.end)
        due = 0.0
        if text.startswith(MESSAGE):
            due = self._read_message(sequence, text)
        self._due.append(due)
        return problem

    def between(self, offset: int, after: int) -> tuple[int, float]:
        """How many events end in (offset, after], and when the oldest of them was due, if it is one of ours."""
        first, last = bisect_right(self._ends, offset), bisect_right(self._ends, after)
        return last - first, self._due[first] if first < last else 0.0

    @property
    def large(self) -> bool:
        """Whether it is time to forget what every reader has passed."""
        return len(self._bytes) > KEPT_BYTES

    def forget(self, offset: int) -> None:
        """Drop what every reader has passed."""
        index = bisect_right(self._ends, offset)
        if index:
            cut = self._ends[index - 1]
            del self._bytes[: cut - self._base]
            self._base = cut
            del self._ends[:index]
            del self._due[:index]
            self._first_kept += index

    def _read_message(self, sequence: int, text: bytes) -> float:
        at = text.find(KEY)
        if at >= 0:
            start = at + len(KEY)
            key = text[start : text.index(b'"', start)].decode()
            if key in self.keys:
                self.repeated.append(key)
            self.keys[key] = sequence
        at = text.find(CONTENT)
        word = text[at + len(CONTENT) : at + len(CONTENT) + 17]
        if at >= 0 and word[16:17] == b" ":
            try:
                return int(word[:16], 16) / 1e9
            except ValueError:
                pass
        return 0.0


def sequence_of(text: bytes) -> int | None:
    """The sequence of an event's frame; None for a frame that has none of its own."""
    if text.startswith(MESSAGE):
        return int(text[len(MESSAGE) : text.index(b",", len(MESSAGE))])
    for kind in (b"conversation_created", b"participant_joined", b"participant_left"):
        prefix = b'{"type":"%b","sequence_id":' % kind
        if text.startswith(prefix):
            return int(text[len(prefix) : text.index(b",", len(prefix))])
    return None
