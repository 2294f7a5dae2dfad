"""What waits for the writer, and how long the writer waits for it."""

from __future__ import annotations

from queue import Empty

import pytest

from salon.persistence import intake
from salon.persistence.intake import ENOUGH, PROBE, Intake, Linger


def test_items_come_out_in_the_order_in_which_they_went_in() -> None:
    queue: Intake[int] = Intake()
    for item in range(3):
        queue.put(item)
    assert [queue.get(), queue.get_nowait(), queue.get()] == [0, 1, 2]
    with pytest.raises(Empty):
        queue.get_nowait()
    with pytest.raises(Empty):
        queue.get(timeout=0)


def test_what_is_gathered_wakes_nobody_until_it_is_handed_over() -> None:
    queue: Intake[int] = Intake()
    queue.gather()
    queue.put(1)
    queue.put(2)
    assert queue._signals.empty()
    queue.hand_over()
    queue.hand_over()
    assert queue._signals.qsize() == 2
    assert [queue.get(), queue.get()] == [1, 2]
    with pytest.raises(Empty):
        queue.get(timeout=0)  # signals for what was taken already are no items


def test_handing_over_nothing_wakes_nobody() -> None:
    queue: Intake[int] = Intake()
    queue.hand_over()
    assert queue._signals.empty()


def test_what_is_urgent_wakes_at_once() -> None:
    queue: Intake[int] = Intake()
    queue.gather()
    queue.put(1, urgent=True)
    assert not queue._signals.empty()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moments that were waited."""
    waited: list[float] = []
    monkeypatch.setattr(intake.time, "sleep", waited.append)
    return waited


def test_waiting_in_vain_is_soon_given_up_and_tried_again_now_and_then(waits: list[float]) -> None:
    queue: Intake[int] = Intake()
    linger = Linger()
    for _ in range(10 * PROBE):
        linger.for_more(queue)
    assert 10 <= len(waits) <= 20


def test_waiting_goes_on_where_it_brings_more(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue: Intake[int] = Intake()
    linger = Linger()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        queue.put(1)

    monkeypatch.setattr(intake.time, "sleep", sleep)
    for _ in range(50):
        linger.for_more(queue)
        queue.get_nowait()
    assert len(waits) == 50


def test_nobody_waits_where_enough_is_there(waits: list[float]) -> None:
    queue: Intake[int] = Intake()
    for item in range(ENOUGH):
        queue.put(item)
    Linger().for_more(queue)
    assert waits == []
