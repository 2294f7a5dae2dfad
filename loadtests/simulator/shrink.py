"""Shrinks a failing run to as few of its steps as still fail in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_RUNS = 150  # half a minute or less


def shrunk(
    numbers: tuple[int, ...], fails: Callable[[set[int]], bool], runs: int = MOST_RUNS
) -> tuple[int, ...]:
    """A minimal failing subset of the steps by Zeller's ddmin, or the smallest found within `runs` runs."""
    parts = 2
    while len(numbers) > 1 and runs > 0:
        size = -(-len(numbers) // parts)
        for start in range(0, len(numbers), size):
            rest = (*numbers[:start], *numbers[start + size :])
            runs -= 1
            if fails(set(rest)):
                numbers, parts = rest, max(parts - 1, 2)
                break
            if runs <= 0:
                break
        else:
            if parts >= len(numbers):
                break
            parts = min(2 * parts, len(numbers))
    return numbers
