"""How fast: token buckets let through what they promise, a mailbox's drain is measured, and an outage is told by its age."""

from __future__ import annotations

from copy import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors.rates import LONGEST_OUTAGE, LONGEST_WAIT, PROMISED, Drain, Outage, TokenBucket

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
                early = copy(bucket)
                assert early.take(now + wait * 0.99), "the time that was named is not too long"
            now += wait
            assert not bucket.take(now), "nor too short"


@given(RATES, BURSTS, st.integers(1, 300))
def test_those_who_are_refused_together_are_told_one_time_after_the_other(
    rate: float, burst: int, many: int
) -> None:
    bucket = TokenBucket(rate, burst, 0)
    waits = [bucket.take(0) for _ in range(burst + many)][burst:]
    assert waits == sorted(waits)
    assert waits[-1] <= max(LONGEST_WAIT, 1 / rate * (1 + 1e-9))
    for wait in waits:
        if wait < LONGEST_WAIT:
            assert not bucket.take(wait), "each of them gets through at their time"


def test_what_comes_again_when_it_was_told_finds_its_token_whatever_came_meanwhile() -> None:
    bucket, now = TokenBucket(rate=10, burst=5, now=0), 0.0
    told = {f"{n}": bucket.take(0, f"{n}") for n in range(50)}
    retries = {name: wait for name, wait in told.items() if wait}
    assert len(retries) == 45
    for fresh, (name, due) in enumerate(retries.items()):
        now = due
        assert bucket.take(now, f"fresh {fresh}"), "newcomers wait behind them"
        assert not bucket.take(now, name)


def test_a_newcomer_waits_for_the_tokens_that_are_kept_for_others_too() -> None:
    bucket = TokenBucket(rate=10, burst=5, now=0)
    for n in range(9):
        bucket.take(0, f"{n}")
    assert bucket.take(0.4, "fresh") == pytest.approx(0.1), "the four that are there are kept"
    assert bucket.take(0.4, "late") == pytest.approx(0.2)


def test_what_comes_too_early_is_told_the_same_time_again() -> None:
    bucket = TokenBucket(rate=1, burst=1, now=0)
    bucket.take(0)
    assert bucket.take(0, "ada") == pytest.approx(1)
    assert bucket.take(0, "ben") == pytest.approx(2)
    assert bucket.take(0.5, "ben") == pytest.approx(1.5)
    assert bucket.take(1, "ada") == 0
    assert bucket.take(2, "ben") == 0


def test_what_does_not_come_again_holds_up_nobody_for_long() -> None:
    bucket = TokenBucket(rate=10, burst=5, now=0)
    for n in range(50):
        bucket.take(0, f"{n}")
    assert bucket.take(20, "late") == 0


def test_once_the_bucket_is_full_again_nobody_is_thought_to_wait() -> None:
    bucket = TokenBucket(rate=10, burst=5, now=0)
    for _ in range(5 + 100):
        bucket.take(0)
    assert bucket.take(0) == pytest.approx(10.1)
    for _ in range(5):
        assert bucket.take(1) == 0
    assert bucket.take(1) == pytest.approx(0.1)


def test_the_drain_is_measured_while_there_is_work_and_forgets_old_times() -> None:
    drain = Drain()
    assert drain.rate == 0
    for _ in range(100):
        drain.served(10, 0.1)
    assert drain.rate == pytest.approx(100)
    for _ in range(1000):
        drain.served(10, 0.01)
    assert drain.rate == pytest.approx(1000, rel=0.05)


def test_turns_over_few_do_not_tell_what_a_turn_over_many_takes() -> None:
    drain = Drain()
    for _ in range(1000):
        drain.served(1, 0.001)
    assert drain.rate == pytest.approx(1000)
    drain.served(500, 0.05)
    assert drain.rate == pytest.approx(10_000)
    drain.served(500, 0.15)
    assert drain.rate == pytest.approx(5_000), "such turns are measured together"


def test_where_each_command_costs_its_own_time_nearly_the_whole_rate_is_promised() -> None:
    drain = Drain()
    assert drain.promised(100) == 0, "nothing was measured"
    for size in (10, 20, 30, 20, 10) * 20:
        drain.served(size, size / 1000)
    assert drain.promised(1000) == pytest.approx(PROMISED * 1000)


def test_where_a_turn_costs_the_same_whatever_it_is_over_a_full_mailbox_a_turn_is_promised() -> (
    None
):
    drain = Drain()
    for _ in range(20):
        drain.served(1, 0.1)
    for _ in range(20):
        drain.served(50, 0.1)
    assert drain.rate == pytest.approx(500, rel=0.05)
    assert drain.promised(100) == pytest.approx(PROMISED * 1000, rel=0.05)
    assert drain.promised(10_000) <= PROMISED * 2000, "no more than was nearly seen"


def test_and_less_of_it_where_turns_differ() -> None:
    drain = Drain()
    for _ in range(20):
        drain.served(1, 0.1)
    for n in range(40):
        drain.served(100, 0.1 + 0.03 * (-1) ** n)
    assert drain.swing == pytest.approx(0.06, rel=0.1)
    assert drain.promised(100) == pytest.approx(PROMISED * 1000 / 1.6, rel=0.1)


def test_what_has_failed_for_long_is_not_said_to_be_back_in_a_second() -> None:
    outage = Outage()
    assert outage.retry_after(100, chance=0) == 1
    assert outage.retry_after(101, chance=0) == 1
    assert outage.retry_after(103, chance=0) == 3
    assert outage.retry_after(108, chance=0) == 8
    assert outage.retry_after(120, chance=0) == LONGEST_OUTAGE
    assert outage.retry_after(150, chance=0) == LONGEST_OUTAGE
    assert outage.retry_after(191, chance=0) == 1, "all who waited have come, and it did not fail"


def test_callers_of_an_outage_do_not_come_back_all_at_once() -> None:
    outage = Outage()
    assert [outage.retry_after(0, chance) for chance in (0.0, 0.5, 1.0)] == [1, 1.25, 1.5]
