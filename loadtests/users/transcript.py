"""The events that the readers of one conversation were sent, compared byte by byte.

All readers are sent the same bytes. For the first reader an event is parsed and kept. For all others a comparison of the
bytes is enough, at the speed of `memcmp`. So every delivery is checked, at a million a second.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple
from zlib import crc32

from .figures import NEVER
from .frame import CONTENT, KEY, compact, parse

KEPT_BYTES = 64_000_000  # per conversation; above it, events that every reader has are dropped
DUE = 16  # hexadecimal digits at the beginning of a message's content: when it was due, in ns
NOTHING = (0, 0, NEVER)


class Digest(NamedTuple):
    """A conversation in three numbers, to compare the transcripts of two processes. Equal if the events are equal."""

    last: int
    checksum: int
    messages: int


class Transcript:
    """The events of one conversation after sequence `head`, as they were first received.

    `problems` are the anomalies of the log itself, independent of any reader, as (kind, text). With `keyed` each message has
    to carry the key that its content names.
    """

    def __init__(self, head: int, *, keyed: bool = True) -> None:
        self.last = head
        self.keys: dict[bytes, int] = {}  # key of a message -> its sequence
        self.holes: set[int] = (
            set()
        )  # sequences that were skipped and that no reader has received since
        self.problems: list[tuple[str, str]] = []
        self._keyed = keyed
        self._checksum = 0
        self._first = head + 1  # sequence of the first event kept
        self._bytes = bytearray()
        self._base = 0  # the number of bytes dropped before `_bytes`
        self._edges = [0]  # the offset of each event's beginning, and of the last one's end
        self._due: list[float] = []
        self._late: dict[int, bytes] = {}  # events that filled a hole
        self._patched = head  # no hole was ever after this sequence
        self._recent_after = -1  # the last question to `repeated`, and its answer below
        self._recent_data = b""
        self._recent = NOTHING

    def repeated(self, after: int, data: bytes) -> tuple[int, int, float]:
        """Match bytes against the known events after `after`: (number matched, their size in bytes, when the oldest was due)."""
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
        following = index + 1  # the index of the first event that is not matched
        if data.startswith(known):
            following = bisect_right(edges, start + len(known), index) - 1
        due = self._due
        oldest = due[index] if following == index + 1 else min(due[index:following])
        self._recent_after, self._recent_data = after, data
        self._recent = following - index, edges[following] - start, oldest
        return self._recent

    def put(self, sequence: int, raw: bytes, text: bytes) -> bool:
        """Keep a new event, or compare a known one; False if it differs. `raw` is the frame, `text` its payload."""
        if sequence < self._first:
            return True  # dropped: every reader had it
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
        """When the message with this sequence was due; NEVER if it is no message of a simulated user."""
        index = sequence - self._first
        return self._due[index] if 0 <= index < len(self._due) else NEVER

    @property
    def large(self) -> bool:
        """Whether it is time to call `forget`."""
        return len(self._bytes) > KEPT_BYTES

    def forget(self, sequence: int) -> None:
        """Drop the events up to this sequence, which every reader has."""
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
        """The digest of all events, dropped ones included."""
        return Digest(self.last, self._checksum, len(self.keys))

    def _read(self, sequence: int, text: bytes) -> float:
        """Record the key of a message; return when it was due, NEVER if it is no message of a simulated user."""
        if not text.startswith(b'{"type":"message",'):
            text = compact(parse(text))
        at = text.find(CONTENT)
        if at < 0:
            return NEVER  # no message
        at += len(CONTENT)
        key = text[at + DUE + 1 : text.find(b" ", at + DUE + 1)]
        try:
            due = int(text[at : at + DUE], 16) / 1e9
        except ValueError:
            return NEVER  # not sent by a simulated user
        if key in self.keys:
            where = f"{self.keys[key]} and {sequence}"
            self.problems.append(("duplicate", f"{key.decode()} is in the log twice: {where}"))
        self.keys[key] = sequence
        if self._keyed and text.find(b'%b%b"' % (KEY, key), at) < 0:
            self.problems.append(("key", f"sequence {sequence} does not carry {key.decode()}"))
        return due
