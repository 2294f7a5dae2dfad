"""A status line on the terminal, updated while a scenario is played."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..users import INTERVAL

if TYPE_CHECKING:
    from rich.status import Status

    from .scenario import Scenario


class Ticker:
    """Called by each process every half second with the counts of its last sample."""

    def __init__(self, status: Status, plan: Scenario, title: str) -> None:
        self._status, self._plan, self._title = status, plan, title
        self._began: float | None = None
        self._deliveries = self._refusals = 0

    def __call__(self, deliveries: int, receipts: int, refusals: int, p99: float) -> None:
        """Add the counts and update the line; `p99` is in seconds."""
        now = time.monotonic()
        self._began = self._began or now - INTERVAL
        self._deliveries += deliveries
        self._refusals += refusals
        spent = now - self._began
        self._status.update(
            f"{self._title}: {spent:.0f} of {self._plan.seconds:g} s, {self._deliveries:,} deliveries "
            f"({self._deliveries / spent:,.0f}/s), p99 {1000 * p99:.1f} ms, {self._refusals:,} refused"
        )
