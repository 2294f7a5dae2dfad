"""Counters of a process since its start."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial

TURNS_TIMED = 1024  # turns whose time is kept: a second of a busy server


@dataclass(slots=True)
class Meter:
    """The counters of the process since its start."""

    batches: int = 0
    events: int = 0
    messages: int = 0
    deliveries: int = 0
    activations: int = 0
    passivations: int = 0
    restarts: int = 0
    store_errors: int = 0
    deltas: int = 0
    runs: dict[str, int] = field(default_factory=dict)  # ended ones, by status
    store_failed_at: float = float("-inf")  # seconds of trio's clock
    # Of each conversation's turn, but not over text of runs alone: from the arrival of its oldest command until all were answered
    # and delivered
    turn_seconds: deque[float] = field(default_factory=partial(deque, maxlen=TURNS_TIMED))

    def delivered(self, events: int, messages: int, subscribers: int) -> None:
        """Count a batch of events, the messages among them, and the subscribers that took the batch."""
        self.batches += 1
        self.events += events
        self.messages += messages
        self.deliveries += events * subscribers
