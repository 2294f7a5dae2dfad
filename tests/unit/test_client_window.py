"""What a client has received and what it lacks: the rules, without a loop."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from salon.web.client import Frame
from salon.web.client.rules import Window, is_event
from tests.scripted import (
    connected,
    event,
    events,
    numbers,
)


def taken(window: Window) -> list[Frame]:
    return list(iter(window.take, None))


@settings(deadline=None)
@example(last=4, arrivals=[2, 5, 4], limit=1, takes=set())
@example(last=8, arrivals=[2, 3, 5, 6, 7, 4], limit=5, takes=set())
@given(
    last=st.integers(1, 40),
    arrivals=st.lists(st.integers(0, 40), max_size=120),
    limit=st.integers(1, 50),
    takes=st.sets(st.integers(0, 120)),
)
def test_each_event_is_taken_once_and_in_order_however_a_stream_is_shuffled_or_cut(
    last: int, arrivals: list[int], limit: int, takes: set[int]
) -> None:
    window, got, highest = Window(limit), [], 0
    assert window.open(connected(last, 1))
    replaying = True
    for turn, number in enumerate(arrivals):
        if number == 0:
            replaying = window.caught_up(highest) is not None
        else:
            highest = max(highest, 1 + number % last)
            replaying |= window.put(event(1 + number % last)) is not None
        assert window.contiguous >= highest or window.page_due or replaying
        assert window.buffered <= 2 * limit
        if turn in takes:
            got += taken(window)
    for _ in range(2):  # the first may ask for a sync, which is lost
        window.caught_up(last)
    got += taken(window)
    while window.page_due:
        after = window.contiguous
        window.fill(events(after + 1, min(last, after + 7)))
        got += taken(window)
    assert numbers(got) == list(range(1, last + 1))


def test_a_gap_is_asked_for_once_and_what_came_after_it_is_held_back() -> None:
    window = Window(10)
    window.open(connected(1, 1))
    window.put(event(1))
    window.caught_up(1)
    assert window.put(event(4)) == 1
    assert window.put(event(5)) is None
    assert window.put(event(4)) is None
    assert window.duplicates == 1
    assert numbers(taken(window)) == [1]
    window.put(event(2))
    window.put(event(3))
    assert numbers(taken(window)) == [2, 3, 4, 5]
    assert window.gaps == 1


def test_a_gap_that_a_sync_does_not_fill_is_left_to_the_log() -> None:
    window = Window(10)
    window.open(connected(1, 1))
    window.put(event(1))
    window.caught_up(1)
    assert window.put(event(3)) == 1
    assert not window.page_due
    assert window.caught_up(3) is None
    assert window.page_due


def test_a_gap_in_a_replay_waits_for_the_end_of_the_replay() -> None:
    window = Window(10, last=0)
    window.open(connected(3, 1, resume="complete"))
    assert window.put(event(1)) is None
    assert window.put(event(3)) is None
    assert window.caught_up(3) == 1


def test_a_gap_behind_events_that_were_let_go_is_paged_too() -> None:
    window = Window(1)
    window.open(connected(1, 1))
    for number in (1, 2):
        window.put(event(number))
    window.caught_up(2)
    assert numbers(taken(window)) == [1]
    window.put(event(5))
    window.fill([event(2)])
    assert numbers(taken(window)) == [2]
    assert window.page_due


@pytest.mark.parametrize("kind", ["caught_up", "lagging", "message_ack", "read"])
def test_what_names_a_sequence_and_has_no_place_in_it_is_no_event(kind: str) -> None:
    assert is_event(event(3))
    assert not is_event({"type": kind, "sequence_id": 3})


def test_an_early_caught_up_leaves_no_gap_unasked_for() -> None:
    window = Window(10)
    window.open(connected(1, 1))
    window.put(event(1))
    window.caught_up(1)
    assert window.put(event(9)) == 1
    window.caught_up(4)
    window.fill(events(2, 4))
    assert window.page_due


def test_a_tail_that_never_came_is_noticed_when_the_server_says_caught_up() -> None:
    window = Window(10)
    window.open(connected(3, 1))
    window.put(event(1))
    assert window.caught_up(3) == 1


def test_a_fresh_window_misses_nothing_from_before_its_first_event() -> None:
    window = Window(10)
    window.open(connected(80, 31))
    assert window.position == 30
    window.put(event(31))
    assert numbers(taken(window)) == [31]


def test_beginning_after_nothing_wants_the_first_event() -> None:
    window = Window(10, last=0)
    window.open(connected(1, 1, resume="complete"))
    assert window.position == 0
    window.put(event(1))
    assert numbers(taken(window)) == [1]


@pytest.mark.parametrize("other", [{"epoch": "e2"}, {"head_sequence_id": 2}])
def test_another_epoch_or_a_shorter_log_voids_what_was_kept(other: Frame) -> None:
    window = Window(10, last=2, epoch="e1")
    window.open(connected(3))
    window.put(event(3))
    assert not window.open({**connected(9, 4), **other})
    assert window.position is None
    [notice] = taken(window)
    assert notice["type"] == "epoch_changed"
    assert notice["previous_epoch"] == "e1"


def test_what_does_not_fit_is_let_go_and_wanted_from_the_log() -> None:
    window = Window(2, last=0)
    window.open(connected(0))
    for number in range(1, 8):
        assert window.put(event(number)) is None
    assert window.buffered <= 4
    assert numbers(taken(window)) == [1, 2]
    assert window.page_due
    window.fill(events(3, 7))
    assert numbers(taken(window)) == [3, 4]
    assert window.page_due
