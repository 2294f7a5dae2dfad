"""Refusing has its price: beyond what there is time for, those who are refused are read later."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from salon.web.socket.read_throttle import AT_ONCE, LONGEST, REFUSALS, ReadThrottle


def test_whoever_is_refused_now_and_then_is_read_at_once() -> None:
    brake = ReadThrottle()
    assert not any(brake.refused(5.0, n / REFUSALS) for n in range(10_000))
    assert not any(brake.refused(5.0, 100.0) for _ in range(AT_ONCE - 1)), "nor is a sudden crowd"


def test_beyond_that_each_rests_a_little_longer_than_the_one_before() -> None:
    brake = ReadThrottle()
    rests = [brake.refused(5.0, 0.0) for _ in range(AT_ONCE + 100)][AT_ONCE:]
    assert rests == sorted(rests)
    assert rests[0] <= 2 / REFUSALS
    assert rests[-1] > 50 / REFUSALS


def test_nobody_rests_longer_than_they_were_told_to_wait_nor_than_is_good_for_a_connection() -> (
    None
):
    brake = ReadThrottle()
    for _ in range(10 * AT_ONCE):
        assert brake.refused(0.05, 0.0) <= 0.05
    assert brake.refused(60.0, 0.0) == LONGEST


@given(st.lists(st.tuples(st.floats(0, 0.1), st.floats(0.05, 300)), max_size=300))
def test_a_rest_is_never_negative_and_ends_when_there_is_time_again(
    steps: list[tuple[float, float]],
) -> None:
    brake, now = ReadThrottle(), 0.0
    for pause, retry_after in steps:
        now += pause
        assert 0 <= brake.refused(retry_after, now) <= min(retry_after, LONGEST)
    assert brake.refused(5.0, now + LONGEST + AT_ONCE / REFUSALS) == 0
