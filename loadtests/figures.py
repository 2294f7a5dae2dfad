"""Figures that can be added up: latency histograms with a bounded error, and samples over time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

GROWTH = 1.05  # each bucket ends 5 % above the last: the error of any quantile
SMALLEST = 1e-5  # seconds: where the first bucket ends
BUCKETS = 320  # up to about a minute
_LOG = math.log(GROWTH)


class Histogram:
    """Latencies in seconds, by buckets that grow by 5 %."""

    def __init__(self, counts: list[int] | None = None, highest: float = 0.0) -> None:
        self.counts = counts or [0] * BUCKETS
        self.highest = highest

    def add(self, seconds: float, times: int = 1) -> None:
        """Count a latency."""
        bucket = 0
        if seconds > SMALLEST:
            bucket = min(int(math.log(seconds / SMALLEST) / _LOG) + 1, BUCKETS - 1)
        self.counts[bucket] += times
        self.highest = max(self.highest, seconds)

    def merge(self, other: Histogram) -> None:
        """Add another's counts."""
        self.counts = [
            mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)
        ]
        self.highest = max(self.highest, other.highest)

    @property
    def total(self) -> int:
        """How many were counted."""
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """The latency in seconds that this share of all stayed under; 0 where nothing was counted."""
        wanted, seen = share * self.total, 0
        if not self.total:
            return 0.0
        for bucket, count in enumerate(self.counts):
            seen += count
            if seen >= wanted:
                return min(SMALLEST * GROWTH**bucket, self.highest)
        return self.highest


@dataclass(slots=True)
class Sample:
    """What happened within one interval. `at` is in seconds since the measurement began."""

    at: float
    deliveries: int = 0
    receipts: int = 0
    refusals: int = 0
    delivery: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class Tally:
    """What one process saw; several are merged into one."""

    sent: int = 0
    receipts: int = 0
    deliveries: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    reconnects: int = 0
    lagging: int = 0
    closes: dict[int, int] = field(default_factory=dict)
    delivery: Histogram = field(default_factory=Histogram)
    receipt: Histogram = field(default_factory=Histogram)
    connect: Histogram = field(default_factory=Histogram)
    samples: list[Sample] = field(default_factory=list)
    anomalies: list[str] = field(default_factory=list)
    bytes_read: int = 0

    def merge(self, other: Tally) -> None:
        """Add what another process saw."""
        self.sent += other.sent
        self.receipts += other.receipts
        self.deliveries += other.deliveries
        self.reconnects += other.reconnects
        self.lagging += other.lagging
        self.bytes_read += other.bytes_read
        for code, count in other.refused.items():
            self.refused[code] = self.refused.get(code, 0) + count
        for close, count in other.closes.items():
            self.closes[close] = self.closes.get(close, 0) + count
        for mine, theirs in (
            (self.delivery, other.delivery),
            (self.receipt, other.receipt),
            (self.connect, other.connect),
        ):
            mine.merge(theirs)
        self.anomalies.extend(other.anomalies)
        self._merge_samples(other.samples)

    def _merge_samples(self, samples: list[Sample]) -> None:
        by_time = {sample.at: sample for sample in self.samples}
        for sample in samples:
            mine = by_time.get(sample.at)
            if mine is None:
                self.samples.append(sample)
                continue
            mine.deliveries += sample.deliveries
            mine.receipts += sample.receipts
            mine.refusals += sample.refusals
            mine.delivery.merge(sample.delivery)
        self.samples.sort(key=lambda sample: sample.at)
