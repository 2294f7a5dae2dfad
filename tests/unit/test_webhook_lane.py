"""When a conversation's next event is tried again at a webhook."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from salon.web.webhooks.lane import Lane, backoff


@given(st.integers(1, 40), st.integers(-(10**10), 10**10))
def test_a_webhook_waits_for_its_pause_at_most_however_the_clock_is_set(
    attempts: int, passed: int
) -> None:
    lane = Lane(1, "c", 0, 1)
    for _ in range(attempts):
        lane.failed(10**12, "refused", backoff(lane.attempts + 1, 0.5))
    wait = lane.wait(10**12 + passed)
    assert 0 <= wait <= lane.pause
    assert abs(wait - min(lane.pause, max(0.0, lane.pause - passed / 1000))) <= 0.001


def test_what_has_not_failed_waits_for_nothing() -> None:
    assert Lane(1, "c", 0, 1).wait(10**12) == 0
