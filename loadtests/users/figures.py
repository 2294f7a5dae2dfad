"""Mergeable figures: latency histograms with a bounded error, samples over time, counts of failures."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

GROWTH = 1.05  # each bucket's bound is 5 % above the last: a quantile is at most 5 % too high, never too low
SMALLEST = 1e-5  # seconds: the bound of the first bucket
BOUNDS = tuple(SMALLEST * GROWTH**bucket for bucket in range(320))  # up to about a minute
INTERVAL = 0.5  # seconds of one sample
MOST_ANOMALIES = 20  # described per process; more, from a broken server, would fill the report
NEVER = float("inf")


class Histogram:
    """Latencies in seconds, counted in buckets that grow by 5 %."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)  # the last bucket is for latencies above every bound
        self.highest = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        """Count a latency, `times` times."""
        self.counts[bisect_left(BOUNDS, seconds)] += times
        if seconds > self.highest:
            self.highest = seconds

    def merge(self, other: Histogram) -> None:
        """Add the counts of another histogram."""
        pairs = zip(self.counts, other.counts, strict=True)
        self.counts = [mine + theirs for mine, theirs in pairs]
        self.highest = max(self.highest, other.highest)

    @property
    def total(self) -> int:
        """The number of latencies counted."""
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """The latency in seconds at a quantile, `share` from 0 to 1; 0 if nothing was counted."""
        total, seen = self.total, 0
        if not total:
            return 0.0
        wanted = max(1, math.ceil(share * total))
        for bound, count in zip(BOUNDS, self.counts, strict=False):
            seen += count
            if seen >= wanted:
                return min(bound, self.highest)
        return self.highest


@dataclass(slots=True)
class Sample:
    """The counts and latencies of one interval. `at` is in seconds since the measurement began."""

    at: float
    deliveries: int = 0
    receipts: int = 0
    refusals: int = 0
    delivery: Histogram = field(default_factory=Histogram)
    receipt: Histogram = field(default_factory=Histogram)

    def merge(self, other: Sample) -> None:
        """Add another process's sample of the same interval."""
        self.deliveries += other.deliveries
        self.receipts += other.receipts
        self.refusals += other.refusals
        self.delivery.merge(other.delivery)
        self.receipt.merge(other.receipt)


@dataclass(slots=True)
class Tally:
    """The counts of one process; the tallies of all processes are merged into one.

    Deliveries count while `measuring`. Latencies and receipts count for messages due from `due_from` until `due_until`,
    whenever they arrive.
    """

    measuring: bool = False
    due_from: float = NEVER
    due_until: float = NEVER
    sent: int = 0
    accepted: int = 0  # receipts of the whole run; the samples hold those of the measured time
    unknown: int = 0  # messages whose answer was lost with a connection
    deliveries: int = 0
    put_off: int = 0  # messages that were refused for load and resent after the `retry_after` given
    first_retry: int = 0  # of these, accepted at the first resend
    refused: Counter[str] = field(default_factory=Counter)  # by code
    reconnects: int = 0
    rejoins: int = 0  # users that left and joined again
    resets: int = 0
    lagging: int = 0
    closes: Counter[int] = field(default_factory=Counter)  # by code
    connect: Histogram = field(default_factory=Histogram)
    reconnect: Histogram = field(default_factory=Histogram)
    samples: list[Sample] = field(default_factory=lambda: [Sample(0.0)])
    wrong: Counter[str] = field(default_factory=Counter)  # anomalies by kind
    anomalies: list[str] = field(default_factory=list)  # descriptions of the first ones
    bytes_read: int = 0
    cpu: float = 0.0  # seconds of this process's own CPU within the measured time
    busiest: float = 0.0  # seconds of CPU of the busiest process

    @property
    def sample(self) -> Sample:
        """The sample of the current interval."""
        return self.samples[-1]

    @property
    def receipts(self) -> int:
        """The number of receipts for messages of the measured time."""
        return sum(sample.receipts for sample in self.samples)

    @property
    def delivery(self) -> Histogram:
        """Latencies from the moment a message was due until a reader received it."""
        return _sum(sample.delivery for sample in self.samples)

    @property
    def receipt(self) -> Histogram:
        """Latencies from the moment a message was due until its sender received the receipt."""
        return _sum(sample.receipt for sample in self.samples)

    def anomaly(self, kind: str, text: str) -> None:
        """Count an anomaly; keep the description of the first `MOST_ANOMALIES`."""
        self.wrong[kind] += 1
        if len(self.anomalies) < MOST_ANOMALIES:
            self.anomalies.append(f"{kind}: {text}")

    def refusal(self, code: str) -> None:
        """Count a refusal by its code."""
        self.refused[code] += 1
        self.sample.refusals += 1

    def merge(self, other: Tally) -> None:
        """Add the counts of another process."""
        for name in ("sent", "accepted", "unknown", "deliveries", "reconnects", "rejoins"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("put_off", "first_retry", "resets", "lagging", "bytes_read", "cpu"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.busiest = max(self.busiest, other.busiest)
        self.refused.update(other.refused)
        self.closes.update(other.closes)
        self.wrong.update(other.wrong)
        self.connect.merge(other.connect)
        self.reconnect.merge(other.reconnect)
        self.anomalies.extend(other.anomalies)
        by_time = {sample.at: sample for sample in self.samples}
        for sample in other.samples:
            by_time.setdefault(sample.at, Sample(sample.at)).merge(sample)
        self.samples = sorted(by_time.values(), key=lambda sample: sample.at)


def _sum(histograms: Iterable[Histogram]) -> Histogram:
    total = Histogram()
    for histogram in histograms:
        total.merge(histogram)
    return total
