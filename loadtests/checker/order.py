"""A position in a sequence of which every number has to arrive once and in order."""

from __future__ import annotations

from typing import Literal

FARTHEST = (
    1_000_000  # events that can be missing at once; a number farther ahead is taken for garbage
)

Step = Literal["next", "ahead", "reordered", "duplicate", "garbage"]


class Order:
    """Follows a sequence after `sequence`, the highest number taken; `missing` were skipped and have not arrived since."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.missing: set[int] = set()

    @property
    def complete(self) -> int:
        """The last number up to which all have arrived."""
        return min(self.missing) - 1 if self.missing else self.sequence

    def step(self, sequence: int) -> Step:
        """Take a number; return its relation to the numbers before it."""
        next_one = self.sequence + 1
        if sequence > next_one + FARTHEST:
            return "garbage"
        if sequence > next_one:
            self.missing.update(range(next_one, sequence))
        self.sequence = max(self.sequence, sequence)
        if sequence >= next_one:
            return "next" if sequence == next_one else "ahead"
        if sequence in self.missing:
            self.missing.discard(sequence)
            return "reordered"
        return "duplicate"


def spans(numbers: set[int]) -> list[tuple[int, int]]:
    """The numbers as ascending ranges, both ends included."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def span(first: int, last: int) -> str:
    """A range, both ends included, in words."""
    return f"sequence {first}" if first == last else f"sequences {first} to {last}"
