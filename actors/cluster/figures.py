"""What a node counts of its life among others, since its start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class ClusterFigures:
    """Each of them is a cost in time, and of no message."""

    sent_again: int = (
        0  # commands that had no outcome after a second, or whose owner is another now
    )
    gaps: int = 0  # batches that did not follow the one before: the log was read instead
    silences: int = 0  # times that an owner said nothing for so long that the log was read instead
