"""The wire waits a moment for more to read where that pays, and nowhere else."""

from __future__ import annotations

from salon.web.socket.coalescing import ENOUGH, MOMENT, PROBE, CoalescingWait

WORK = 0.001  # seconds a round


def rounds(patience: CoalescingWait, count: int, *, ready: int, gain: int, busy: float) -> int:
    """How often it waits in so many rounds; `busy` is the share of the time that is work, but for those waits."""
    waits, now, used = 0, 0.0, 0.0
    for _ in range(count):
        now += WORK / busy
        used += WORK
        if patience.pays(ready, now, used):
            waits += 1
            patience.learn(gain, MOMENT)
            now += MOMENT
    return waits


def test_single_messages_that_come_all_the_time_are_worth_waiting_for() -> None:
    assert rounds(CoalescingWait(), 100 * PROBE, ready=1, gain=2, busy=0.5) > 90 * PROBE


def test_where_nothing_more_comes_it_is_only_tried_now_and_then() -> None:
    patience = CoalescingWait()
    rounds(patience, 100 * PROBE, ready=1, gain=2, busy=0.5)
    waits = rounds(patience, 100 * PROBE, ready=1, gain=0, busy=0.5)
    assert 90 <= waits <= 110, "one probe in so many rounds"


def test_nor_is_it_where_enough_can_be_read_already() -> None:
    assert rounds(CoalescingWait(), 10 * PROBE, ready=ENOUGH, gain=5, busy=0.5) == 0


def test_it_knows_when_there_is_no_time_to_spare() -> None:
    patience = CoalescingWait()
    assert not patience.overloaded
    rounds(patience, 2000, ready=ENOUGH, gain=0, busy=0.99)
    assert patience.overloaded
    rounds(patience, 2000, ready=ENOUGH, gain=0, busy=0.5)
    assert not patience.overloaded


def test_nobody_is_slowed_down_who_is_answered_without_a_pause() -> None:
    assert rounds(CoalescingWait(), 10 * PROBE, ready=1, gain=9, busy=0.9) == 0


def test_it_notices_when_that_changes() -> None:
    patience = CoalescingWait()
    rounds(patience, 20 * PROBE, ready=1, gain=9, busy=0.9)
    assert rounds(patience, 100 * PROBE, ready=1, gain=2, busy=0.5) > 80 * PROBE


def test_a_look_that_found_nothing_is_not_waited_for() -> None:
    assert rounds(CoalescingWait(), 10 * PROBE, ready=0, gain=5, busy=0.5) == 0
