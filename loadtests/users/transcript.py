"""What the readers of one conversation were sent, compared byte by byte.

All readers are sent the same bytes. The first to receive an event has it parsed and kept; for all others it is enough that
their bytes are the same, which is checked at the speed of `memcmp`. So every delivery of a million a second is checked.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple
from zlib import crc32

from .figures import NEVER
from .frame import CONTENT, KEY, compact, parse

KEPT_BYTES = 64_000_000  # of a conversation; what every reader has passed is dropped then
DUE = 16  # hexadecimal digits at the beginning of a message's content: when it was due, in ns
NOTHING = (0, 0, NEVER)


class Digest(NamedTuple):
    """All of a conversation in three numbers, to compare what two processes saw of it. Equal only if the events are."""

    last: int
    checksum: int
    messages: int


class Transcript:
    """The events of one conversation after sequence `head`, as they were first received.

    `problems` are (kind, text) of what is wrong with the log itself, whoever reads it. With `keyed` each message has to
    carry the key that its content names.
    """

    def __init__(self, head: int, *, keyed: bool = True) -> None:
        self.last = head
        self.keys: dict[bytes, int] = {}  # of each message -> its sequence
        self.holes: set[int] = (
            set()
        )  # sequences that were passed over and have not come from anybody
        self.problems: list[tuple[str, str]] = []
        self._keyed = keyed
        self._checksum = 0
        self._first = head + 1  # sequence of the first event kept
        self._bytes = bytearray()
        self._base = 0  # how many bytes were dropped before them
        self._edges = [0]  # where each event begins, and the last one ends
        self._due: list[float] = []
        self._late: dict[int, bytes] = {}  # events that filled a hole
        self._patched = head  # after this sequence there are no holes, and never were
        self._recent_after = -1  # what `repeated` was asked last, by another reader
        self._recent_data = b""
        self._recent = NOTHING

    def repeated(self, after: int, data: bytes) -> tuple[int, int, float]:
        """How many of the events after a sequence these bytes begin with; their size; when the oldest was due."""
        if after == self._recent_after and data == self._recent_data:
            return self._recent
        index = after + 1 - self._first
        if after >= self.last or after < self._patched or index < 0:
            return NOTHING
        edges = self._edges
        start = edges[index]
        begin = start - self._base
        if not data.startswith(self._bytes[begin : edges[index + 1] - self._base]):
            return NOTHING
        known = self._bytes[begin : begin + len(data)]
        following = index + 1  # the first event that is not among them
        if data.startswith(known):
            following = bisect_right(edges, start + len(known), index) - 1
        due = self._due
        oldest = due[index] if following == index + 1 else min(due[index:following])
        self._recent_after, self._recent_data = after, data
        self._recent = following - index, edges[following] - start, oldest
        return self._recent

    def put(self, sequence: int, raw: bytes, text: bytes) -> bool:
        """Keep an event that is new; whether one that is known is the same. `raw` is the frame, `text` what it says."""
        if sequence < self._first:
            return True  # dropped: every reader had passed it
        if sequence <= self.last and sequence not in self.holes:
            index = sequence - self._first
            begin, end = self._edges[index], self._edges[index + 1]
            known = self._late.get(sequence)
            return raw == (known or self._bytes[begin - self._base : end - self._base])
        self._checksum += crc32(raw)
        due = self._read(sequence, text)
        if sequence <= self.last:
            self.holes.discard(sequence)
            self._late[sequence] = raw
            self._due[sequence - self._first] = due
            return True
        for missing in range(self.last + 1, sequence):
            self.holes.add(missing)
            self._edges.append(self._edges[-1])
            self._due.append(NEVER)
            self._patched = missing
        self.last = sequence
        self._bytes += raw
        self._edges.append(self._base + len(self._bytes))
        self._due.append(due)
        return True

    def due_of(self, sequence: int) -> float:
        """When the message with this sequence was due; never, where it is no message of ours."""
        index = sequence - self._first
        return self._due[index] if 0 <= index < len(self._due) else NEVER

    @property
    def large(self) -> bool:
        """Whether it is time to forget what every reader has passed."""
        return len(self._bytes) > KEPT_BYTES

    def forget(self, sequence: int) -> None:
        """Drop the events up to this one: every reader has them."""
        index = sequence + 1 - self._first
        if index > 0:
            cut = self._edges[index]
            del self._bytes[: cut - self._base]
            del self._edges[:index]
            del self._due[:index]
            self._base = cut
            self._first = sequence + 1
            self._late = {number: raw for number, raw in self._late.items() if number > sequence}

    def digest(self) -> Digest:
        """All of it in three numbers."""
        return Digest(self.last, self._checksum, len(self.keys))

    def _read(self, sequence: int, text: bytes) -> float:
        """Note the key of a message; when it was due."""
        if not text.startswith(b'{"type":"message",'):
            text = compact(parse(text))
        at = text.find(CONTENT)
        if at < 0:
            return NEVER  # somebody came or went
        at += len(CONTENT)
        key = text[at + DUE + 1 : text.find(b" ", at + DUE + 1)]
        try:
            due = int(text[at : at + DUE], 16) / 1e9
        except ValueError:
            return NEVER  # somebody else's
        if key in self.keys:
            where = f"{self.keys[key]} and {sequence}"
            self.problems.append(("duplicate", f"{key.decode()} is in the log twice: {where}"))
        self.keys[key] = sequence
        if self._keyed and text.find(b'%b%b"' % (KEY, key), at) < 0:
            self.problems.append(("key", f"sequence {sequence} does not carry {key.decode()}"))
        return due
