"""Sources that the engine is given, so that a run can be repeated: wall clock, identifiers, entropy, chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sources:
    """The four sources. `now` gives milliseconds since the epoch; `new_id` gives 128 random bits as text of 22 characters;
    `entropy` gives that many random bytes; `chance` gives a float in [0, 1)."""

    now: Callable[[], int]
    new_id: Callable[[], str]
    entropy: Callable[[int], bytes]
    chance: Callable[[], float]
