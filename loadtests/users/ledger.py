"""What one person has sent, and what was promised of it: compared at the end with what the log has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ledger:
    """The messages of the person `number`, by key.

    Without `keyed` the messages carry no key. Then an answer is taken for that of the oldest one on its way, which is good
    enough for a latency; what is compared in the end are the sequences of the receipts. With `everywhere` a message is on its
    way until everybody has it, otherwise until it is answered.
    """

    def __init__(self, number: int, *, keyed: bool = True, everywhere: bool = False) -> None:
        self.pending: dict[bytes, float] = {}  # on their way: key -> when it was due
        self.confirmed: dict[bytes, int] = {}  # key -> sequence of the receipt
        self.refused: dict[bytes, str] = {}  # key -> code
        self.put_off: dict[
            bytes, float
        ] = {}  # refused for now, to be said again: key -> when it was due
        self._refusals: dict[bytes, int] = {}  # of messages that were put off
        self.unknown = 0  # messages whose answer was lost with the connection
        self.sent = 0
        self._prefix = b"%d-" % number
        self._keyed = keyed
        self._everywhere = everywhere
        self._undelivered: set[bytes] = set()  # with `everywhere`: accepted or not answered yet

    @property
    def on_their_way(self) -> int:
        """How many messages a window has to count."""
        return len(self._undelivered if self._everywhere else self.pending)

    def send(self, due: float) -> bytes:
        """The key of a new message."""
        self.sent += 1
        key = b"%b%d" % (self._prefix, self.sent)
        self.pending[key] = due
        if self._everywhere:
            self._undelivered.add(key)
        return key

    def delivered(self, sequences: Mapping[bytes, int], upto: int) -> None:
        """Everybody has the log up to a sequence, and it has these messages: key -> sequence."""
        self._undelivered = {
            key for key in self._undelivered if key not in sequences or sequences[key] > upto
        }

    def confirm(self, key: bytes | None, sequence: int) -> float | None:
        """Take a receipt: when its message was due; None where no such message is on its way."""
        key = self._meant(key)
        due = self.pending.pop(key, None)
        if due is not None:
            self.confirmed[key] = sequence
        return due

    def refuse(self, key: bytes | None, code: str) -> bool:
        """Take a refusal; whether it was of a message that is on its way."""
        key = self._meant(key)
        if self.pending.pop(key, None) is None:
            return False
        self._undelivered.discard(key)
        self.refused[key] = code
        return True

    def defer(self, key: bytes) -> int:
        """Take a refusal of a message that is to be said again: how often it was refused; 0 where it is not on its way."""
        due = self.pending.pop(key, None)
        if due is None:
            return 0
        self._undelivered.discard(key)
        self.put_off[key] = due
        self._refusals[key] = self._refusals.get(key, 0) + 1
        return self._refusals[key]

    def again(self, key: bytes) -> float:
        """Say a message again that was put off: when it was due."""
        due = self.pending[key] = self.put_off.pop(key)
        if self._everywhere:
            self._undelivered.add(key)
        return due

    def refusals(self, key: bytes) -> int:
        """How often a message was put off."""
        return self._refusals.get(key, 0)

    def cut(self) -> None:
        """The connection is gone. With keys what is on its way is sent again; without, what became of it is not known."""
        if not self._keyed:
            self.unknown += len(self.pending)
            self._undelivered.difference_update(self.pending)
            self.pending.clear()

    def verdict(self, mine: Mapping[bytes, int]) -> list[tuple[str, str]]:
        """What does not fit to the log, which has these messages of theirs: key -> sequence."""
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
