"""The messages that one user has sent and the answers to them, compared with the log at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ledger:
    """The messages of the user `number`, by key.

    Without `keyed` the messages carry no key. An answer then counts for the oldest message in flight, which is exact enough
    for a latency; the comparison at the end uses the sequences of the receipts. With `everywhere` a message is in flight
    until all readers have it, otherwise until it is answered.
    """

    def __init__(self, number: int, *, keyed: bool = True, everywhere: bool = False) -> None:
        self.pending: dict[bytes, float] = {}  # in flight: key -> when it was due
        self.confirmed: dict[bytes, int] = {}  # key -> sequence of the receipt
        self.refused: dict[bytes, str] = {}  # key -> code
        self.put_off: dict[
            bytes, float
        ] = {}  # refused for load, to be resent: key -> when it was due
        self._refusals: dict[bytes, int] = {}  # key of a message put off -> how often
        self.unknown = 0  # messages whose answer was lost with a connection
        self.sent = 0
        self._prefix = b"%d-" % number
        self._keyed = keyed
        self._everywhere = everywhere
        self._undelivered: set[bytes] = (
            set()
        )  # with `everywhere`: not refused, and not known to be with all readers

    @property
    def on_their_way(self) -> int:
        """The number of messages in flight, as a window counts them."""
        return len(self._undelivered if self._everywhere else self.pending)

    def send(self, due: float) -> bytes:
        """Register a new message; return its key."""
        self.sent += 1
        key = b"%b%d" % (self._prefix, self.sent)
        self.pending[key] = due
        if self._everywhere:
            self._undelivered.add(key)
        return key

    def delivered(self, sequences: Mapping[bytes, int], upto: int) -> None:
        """All readers have the log up to `upto`. `sequences` are the messages in the log: key -> sequence."""
        self._undelivered = {
            key for key in self._undelivered if key not in sequences or sequences[key] > upto
        }

    def confirm(self, key: bytes | None, sequence: int) -> float | None:
        """Take a receipt; return when its message was due, None if no such message is in flight."""
        key = self._meant(key)
        due = self.pending.pop(key, None)
        if due is not None:
            self.confirmed[key] = sequence
        return due

    def refuse(self, key: bytes | None, code: str) -> bool:
        """Take a final refusal; return whether its message was in flight."""
        key = self._meant(key)
        if self.pending.pop(key, None) is None:
            return False
        self._undelivered.discard(key)
        self.refused[key] = code
        return True

    def defer(self, key: bytes) -> int:
        """Take a refusal after which the message is resent; return how often it was refused, 0 if it is not in flight."""
        due = self.pending.pop(key, None)
        if due is None:
            return 0
        self._undelivered.discard(key)
        self.put_off[key] = due
        self._refusals[key] = self._refusals.get(key, 0) + 1
        return self._refusals[key]

    def again(self, key: bytes) -> float:
        """Put a deferred message in flight again; return when it was due."""
        due = self.pending[key] = self.put_off.pop(key)
        if self._everywhere:
            self._undelivered.add(key)
        return due

    def refusals(self, key: bytes) -> int:
        """How often a message was deferred."""
        return self._refusals.get(key, 0)

    def cut(self) -> None:
        """The connection is gone. Keyed messages stay pending, to be resent; the fate of those without a key is unknown."""
        if not self._keyed:
            self.unknown += len(self.pending)
            self._undelivered.difference_update(self.pending)
            self.pending.clear()

    def verdict(self, mine: Mapping[bytes, int]) -> list[tuple[str, str]]:
        """The anomalies as (kind, text). `mine` are this user's messages in the log: key -> sequence."""
        found = self._compare(mine) if self._keyed else self._compare_sequences(mine)
        if self.pending:
            first = next(iter(self.pending)).decode()
            found.append(("unanswered", f"{len(self.pending)} of their messages, from {first} on"))
        return found

    def _compare(self, mine: Mapping[bytes, int]) -> list[tuple[str, str]]:
        found = []
        for key, sequence in self.confirmed.items():
            there = mine.get(key)
            if there is None:
                found.append(("lost", f"{key.decode()}, of which the receipt says {sequence}"))
            elif there != sequence:
                text = f"{key.decode()} has {sequence}, in the log it has {there}"
                found.append(("receipt", text))
        for key in mine:
            if key in self.refused:
                text = f"{key.decode()} with {self.refused[key]}, and it is in the log"
                found.append(("refused", text))
            elif key in self.put_off:
                found.append(("refused", f"{key.decode()} for now, and it is in the log"))
            elif key not in self.confirmed and key not in self.pending:
                found.append(("invented", f"{key.decode()} is in the log and was never sent"))
        return found

    def _compare_sequences(self, mine: Mapping[bytes, int]) -> list[tuple[str, str]]:
        receipts, there = set(self.confirmed.values()), set(mine.values())
        found = [
            ("lost", f"sequence {sequence} of a receipt is no message of theirs in the log")
            for sequence in sorted(receipts - there)
        ]
        extra = len(there - receipts) - self.unknown - len(self.pending)
        if extra > 0:
            found.append(("refused", f"{extra} messages are in the log and have no receipt"))
        return found

    def _meant(self, key: bytes | None) -> bytes:
        if self._keyed:
            return key or b""
        return next(iter(self.pending), b"")
