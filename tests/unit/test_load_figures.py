"""Histograms whose error is bounded, and tallies that add up."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.loadtests.users.figures import BOUNDS, GROWTH, SMALLEST, Histogram, Sample, Tally

LATENCIES = st.floats(0, 1000)


def histogram(*latencies: float) -> Histogram:
    made = Histogram()
    for latency in latencies:
        made.add(latency)
    return made


class TestHistogram:
    @given(st.lists(LATENCIES, min_size=1, max_size=60), st.floats(0, 1))
    def test_is_never_better_than_the_truth_and_at_most_5_percent_worse(
        self, latencies: list[float], share: float
    ) -> None:
        exact = sorted(latencies)[max(0, math.ceil(share * len(latencies)) - 1)]
        found = histogram(*latencies).quantile(share)
        assert found >= exact * 0.999_999_999 or exact > BOUNDS[-1]
        if exact <= BOUNDS[-1]:
            assert found <= max(exact * GROWTH, SMALLEST) * 1.000_000_001

    @given(st.lists(LATENCIES), st.lists(LATENCIES))
    def test_can_be_added_up(self, some: list[float], more: list[float]) -> None:
        total = histogram(*some)
        total.merge(histogram(*more))
        whole = histogram(*some, *more)
        assert (total.counts, total.highest) == (whole.counts, whole.highest)
        assert total.total == len(some) + len(more)

    @given(LATENCIES, st.integers(1, 1000))
    def test_counts_many_at_once(self, latency: float, times: int) -> None:
        at_once = Histogram()
        at_once.add(latency, times)
        assert at_once.counts == histogram(*[latency] * times).counts

    @given(st.lists(LATENCIES, min_size=1))
    def test_shows_what_was_longer_than_its_last_bound(self, latencies: list[float]) -> None:
        assert histogram(*latencies, 10_000.0).quantile(1.0) == 10_000.0

    def test_of_nothing_is_nothing(self) -> None:
        assert Histogram().quantile(0.99) == 0.0
        assert Histogram().highest == 0.0

    def test_reaches_a_minute(self) -> None:
        assert BOUNDS[-1] > 55


class TestTally:
    def test_adds_up_what_processes_saw(self) -> None:
        total = Tally()
        for _ in range(2):
            part = Tally(measuring=True, deliveries=10, sent=3, cpu=1.0, busiest=1.0)
            part.samples = [Sample(0.0, deliveries=4), Sample(0.5, deliveries=6)]
            part.refusal("QUEUE_FULL")
            part.closes[4003] += 1
            part.sample.delivery.add(0.1, 5)
            part.anomaly("lost", "something")
            total.merge(pickle.loads(pickle.dumps(part)))
        assert (total.deliveries, total.sent, total.cpu, total.busiest) == (20, 6, 2.0, 1.0)
        assert [(s.at, s.deliveries, s.refusals) for s in total.samples] == [
            (0.0, 8, 0),
            (0.5, 12, 2),
        ]
        assert total.refused == {"QUEUE_FULL": 2}
        assert total.closes == {4003: 2}
        assert total.delivery.total == 10
        assert total.wrong == {"lost": 2}
        assert total.anomalies == ["lost: something"] * 2

    def test_has_the_samples_of_all(self) -> None:
        one, other = Tally(), Tally()
        one.samples = [Sample(0.0, 1), Sample(1.0, 2)]
        other.samples = [Sample(0.5, 3)]
        one.merge(other)
        assert [sample.deliveries for sample in one.samples] == [1, 3, 2]

    def test_describes_the_first_anomalies_and_counts_all(self) -> None:
        tally = Tally()
        for number in range(100):
            tally.anomaly("lost", str(number))
        assert tally.wrong == {"lost": 100}
        assert tally.anomalies == [f"lost: {number}" for number in range(20)]

    def test_every_figure_is_added(self) -> None:
        """A field that `merge` forgets would be lost with two processes."""
        part, total = Tally(), Tally()
        names = [
            name
            for name in Tally.__dataclass_fields__
            if type(getattr(part, name)) in (int, float) and name not in ("due_from", "due_until")
        ]
        for name in names:
            setattr(part, name, 7)
        total.merge(part)
        assert {name: getattr(total, name) for name in names} == dict.fromkeys(names, 7)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999, 1.0])
def test_quantiles_of_one_value_are_that_value(share: float) -> None:
    assert histogram(0.123).quantile(share) == 0.123
