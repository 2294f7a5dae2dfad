"""One reader's place in a conversation: is each event the next one, and the same as the others were sent?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .transcript import Transcript

FARTHEST = 1_000_000  # events that can be missing at once: beyond it a number is taken for garbage


class Reader:
    """Follows a conversation after `sequence`. `problems` are (kind, text) of what was wrong with what it was sent.

    What is missing is named at the end: by then it has come late, or others have it, or nobody has.
    """

    def __init__(self, transcript: Transcript, sequence: int) -> None:
        self.transcript = transcript
        self.sequence = sequence  # of the last event received
        self.problems: list[tuple[str, str]] = []
        self._missing: set[int] = set()

    def event(self, sequence: int, raw: bytes, text: bytes) -> None:
        """Take an event that was not found by `Transcript.repeated`."""
        next_one = self.sequence + 1
        if sequence > next_one + FARTHEST:
            self._wrong("gap", f"sequence {sequence} after {self.sequence}")
            return
        if sequence != next_one:
            self._out_of_turn(sequence, next_one)
        if not self.transcript.put(sequence, raw, text):
            self._wrong("disagree", f"sequence {sequence} is not what another reader was sent")
        self.sequence = max(self.sequence, sequence)

    def skip(self, sequence: int) -> None:
        """Go on after this one: the server has said that what is between has to be paged back."""
        self.sequence = max(self.sequence, sequence)

    def verdict(self) -> list[tuple[str, str]]:
        """Everything that was wrong, once nothing more is to come."""
        found = list(self.problems)
        holes = self.transcript.holes  # nobody has them: told once, of the conversation
        for first, last in spans(self._missing - holes):
            found.append(("lost", f"{span(first, last)}, which others have"))
        if self.sequence < self.transcript.last:
            found.append(("lost", f"{span(self.sequence + 1, self.transcript.last)}, the end"))
        return found

    def _out_of_turn(self, sequence: int, next_one: int) -> None:
        if sequence > next_one:
            self._missing.update(range(next_one, sequence))
        elif sequence in self._missing:
            self._missing.discard(sequence)
            self._wrong("reordered", f"sequence {sequence} came after {self.sequence}")
        else:
            self._wrong("duplicate", f"sequence {sequence} again, after {self.sequence}")

    def _wrong(self, kind: str, text: str) -> None:
        self.problems.append((kind, text))


def spans(numbers: set[int]) -> list[tuple[int, int]]:
    """The numbers as ranges of which both ends belong to it, ascending."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def span(first: int, last: int) -> str:
    """Such a range in words."""
    return f"sequence {first}" if first == last else f"sequences {first} to {last}"
