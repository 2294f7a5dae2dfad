"""The line before a full mailbox: whoever was told when to come back finds their place, and nobody else is held up for long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors.line import (
    AHEAD,
    GRACE,
    KEPT_AHEAD,
    LENGTH,
    LONGEST_RETRY,
    PROMISED,
    SHORTEST_RETRY,
    Line,
)

RATE = 100.0  # commands a second
STEP = 1 / RATE / PROMISED
TURN = 0.1 / AHEAD  # seconds: what is due within a tenth of a second is near


def line_of(*sender_ids: str, limit: int = 10, share: int = 0) -> Line:
    """A line in which these stand, in their order, since the mailbox was full at the time 0."""
    line = Line(limit, share)
    for sender_id in sender_ids:
        line.retry_after(sender_id, limit, RATE, 0.0)
    return line


def test_who_is_refused_is_told_a_time_one_after_the_other() -> None:
    line = Line(10, 0)
    waits = [line.retry_after(f"caller {n}", 10, RATE, 0.0) for n in range(4)]
    assert waits == pytest.approx([0.1, 0.1 + STEP, 0.1 + 2 * STEP, 0.1 + 3 * STEP])


def test_before_anything_was_measured_it_is_a_second() -> None:
    assert Line(250, 0).retry_after("ada", 250, 0.0, 0.0) == 1


def test_a_time_is_never_sooner_than_helps_nor_later_than_is_known() -> None:
    assert Line(10, 0).retry_after("ada", 1, 1e6, 0.0) == SHORTEST_RETRY
    slow = Line(1000, 0)
    assert slow.retry_after("ada", 1000, 0.01, 0.0) == LONGEST_RETRY
    assert not slow, "so far ahead nobody has a place"


def test_a_place_that_is_near_is_kept_free_and_only_for_who_it_was_promised() -> None:
    line = line_of("ada", "ben", "cleo")
    assert line.room("dan", 0.1, TURN) == 10 - 3
    assert line.room("ada", 0.1, TURN) == 10
    assert line.room("ada", 0.1, TURN) == 10 - 2, "one place, one command"
    assert line.room("ben", 0.1 + STEP, TURN) == 10
    assert line.room("cleo", 0.1 + 2 * STEP, TURN) == 10
    assert not line


def test_who_comes_before_their_time_is_a_newcomer_and_keeps_their_place() -> None:
    line = line_of("ada", "ben", limit=4)
    assert line.room("ada", 0.03, TURN) == 2
    assert line.room("ada", 0.05, TURN) == 4


def test_a_place_is_kept_for_a_while_and_not_for_ever() -> None:
    assert line_of("ada").room("ada", 0.1 + GRACE, TURN) == 10
    late = line_of("ada", "ben")
    assert late.room("dan", 0.2 + STEP + GRACE, TURN) == 10
    assert not late


def test_newcomers_always_have_a_place_however_many_do_not_come_back() -> None:
    line = line_of(*(f"caller {n}" for n in range(400)), limit=100)
    assert line.room("dan", 2.0, TURN) == 1
    assert line.kept > 100


def test_one_sender_has_no_more_of_the_line_than_of_the_mailbox() -> None:
    line = line_of(*["ada"] * 50, limit=20, share=5)
    assert line.retry_after("ben", 20, RATE, 0.0) == pytest.approx(20 / RATE + 5 * STEP)


def test_who_has_used_up_their_own_share_takes_nobody_elses_place() -> None:
    line = Line(10, 2)
    waits = [line.share_after("ada", 2, RATE, 0.0) for _ in range(5)]
    assert waits == pytest.approx([0.05, 0.05, 0.05, 0.05, 0.06]), "one after the other"
    assert not line
    assert line.room("ben", 0.0, TURN) == 10
    assert line.share_after("cleo", 8, 0.01, 0.0) == LONGEST_RETRY


def test_the_line_has_an_end() -> None:
    line = Line(2, 2)
    for number in range(1000):
        assert line.retry_after(f"caller {number}", 2, 1000.0, 0.0) < KEPT_AHEAD
    line.room("nobody", KEPT_AHEAD, TURN)
    kept = Line(2, 2)
    for number in range(1000):
        kept.retry_after(f"caller {number}", 2, 1000.0, 0.0)
    kept.room("nobody", 0.5, 100.0)  # everything is near now
    assert kept.kept == LENGTH * 2


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 8), st.floats(0, 3), st.booleans()), max_size=200),
)
def test_whatever_happens_its_count_is_that_of_its_places(
    limit: int, steps: list[tuple[int, float, bool]]
) -> None:
    line, now = Line(limit, max(1, limit // 4)), 0.0
    for who, pause, refused in steps:
        now += pause
        sender_id = f"caller {who}"
        if refused:
            assert 0 < line.retry_after(sender_id, limit, RATE, now) <= LONGEST_RETRY
        else:
            assert 1 <= line.room(sender_id, now, TURN) <= limit
        assert line.kept >= 0
    line.room("nobody", now + 1000, TURN)
    assert line.kept == 0
    assert not line, "nothing is left of those who have not come back"


@given(
    st.floats(1, 5000), st.integers(0, 1000), st.lists(st.floats(0, 0.2), min_size=2, max_size=100)
)
def test_those_who_obey_come_back_no_faster_than_they_can_be_served(
    rate: float, waiting: int, pauses: list[float]
) -> None:
    line, now = Line(1000, 0), 0.0
    back: list[float] = []
    for number, pause in enumerate(pauses):
        now += pause
        wait = line.retry_after(f"caller {number}", waiting, rate, now)
        assert wait >= min(waiting / rate, LONGEST_RETRY) - 1e-9, "there is room by then"
        if wait == LONGEST_RETRY:
            break
        back.append(now + wait)
    back.sort()
    for first, start in enumerate(back):
        for last in range(first, len(back)):
            assert last - first <= (back[last] - start + SHORTEST_RETRY) * rate + 1
