"""How fast: token buckets let through what they promise, and who obeys `retry_after` finds room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors.pace import LONGEST_RETRY, SHORTEST_RETRY, Drain, TokenBucket

RATES = st.floats(0.01, 1000)
BURSTS = st.integers(1, 200)
PAUSES = st.lists(st.floats(0, 10) | st.just(0.0), max_size=200)


def test_a_burst_goes_through_at_once_and_then_the_rate_counts() -> None:
    bucket = TokenBucket(rate=20, burst=100, now=0)
    assert [bucket.take(0) for _ in range(100)] == [0] * 100
    assert bucket.take(0) == pytest.approx(0.05)
    assert bucket.take(0.05) == 0
    assert bucket.take(0.05) == pytest.approx(0.05)


def test_a_rate_of_zero_lets_everything_through() -> None:
    bucket = TokenBucket(rate=0, burst=0, now=0)
    assert not any(bucket.take(0) for _ in range(1000))


def test_a_burst_below_one_still_lets_one_through() -> None:
    bucket = TokenBucket(rate=5 / 3600, burst=0, now=0)
    assert bucket.take(0) == 0
    assert bucket.take(0) == pytest.approx(720)


def test_a_bucket_that_was_left_alone_remembers_nothing() -> None:
    bucket = TokenBucket(rate=10, burst=5, now=0)
    assert bucket.full(0)
    bucket.take(0)
    assert not bucket.full(0.05)
    assert bucket.full(0.1)


@given(RATES, BURSTS, PAUSES)
def test_never_more_than_the_burst_and_the_rate_go_through(
    rate: float, burst: int, pauses: list[float]
) -> None:
    bucket, now = TokenBucket(rate, burst, 0), 0.0
    passed: list[float] = []
    for pause in pauses:
        now += pause
        if not bucket.take(now):
            passed.append(now)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - start) * rate + 0.001


@given(RATES, BURSTS, PAUSES)
def test_who_waits_as_long_as_they_were_told_gets_through_and_not_before(
    rate: float, burst: int, pauses: list[float]
) -> None:
    bucket, now = TokenBucket(rate, burst, 0), 0.0
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        if wait:
            if wait * rate > 0.001:
                assert bucket.take(now + wait * 0.99), "the time that was named is not too long"
            now += wait
            assert not bucket.take(now), "nor too short"


def test_the_drain_is_measured_while_there_is_work_and_forgets_old_times() -> None:
    drain = Drain()
    assert drain.rate == 0
    for _ in range(100):
        drain.served(10, 0.1)
    assert drain.rate == pytest.approx(100)
    for _ in range(1000):
        drain.served(10, 0.01)
    assert drain.rate == pytest.approx(1000, rel=0.05)


def test_who_is_refused_before_anything_was_measured_is_told_a_second() -> None:
    assert Drain().retry_after(250, now=0) == 1
    assert Drain().retry_after(1, now=0) == 1


def test_a_retry_is_never_sooner_than_helps_nor_later_than_is_known() -> None:
    fast, slow = Drain(), Drain()
    fast.served(1_000_000, 1)
    slow.served(1, 100)
    assert fast.retry_after(1, now=0) == SHORTEST_RETRY
    assert slow.retry_after(1000, now=0) == LONGEST_RETRY
    assert slow.retry_after(0, now=1000) <= LONGEST_RETRY


def test_who_was_refused_long_ago_is_in_nobodys_way() -> None:
    drain = Drain()
    drain.served(10, 1)
    for _ in range(50):
        drain.retry_after(10, now=0)
    assert drain.retry_after(10, now=100) == pytest.approx(1)


@given(
    st.integers(1, 5000),
    st.floats(0.01, 5),
    st.integers(0, 1000),
    st.lists(st.floats(0, 0.2), min_size=2, max_size=100),
)
def test_those_who_obey_come_back_no_faster_than_they_can_be_served(
    commands: int, seconds: float, waiting: int, pauses: list[float]
) -> None:
    drain = Drain()
    drain.served(commands, seconds)
    rate, now = drain.rate, 0.0
    back: list[float] = []
    for pause in pauses:
        now += pause
        retry = drain.retry_after(waiting, now)
        assert retry >= min(waiting / rate, LONGEST_RETRY) - 1e-9, "there is room by then"
        if retry + 1 / rate > LONGEST_RETRY:
            break  # so far ahead nobody has a place of their own
        back.append(now + retry)
    back.sort()
    for first, start in enumerate(back):
        for last in range(first, len(back)):
            window = back[last] - start
            assert last - first <= (window + SHORTEST_RETRY) * rate + 1
