"""The line before a full mailbox: whoever was told when to come back finds their place, and nobody else is held up for long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors import reservations as line_module
from salon.actors.reservations import FAIR, GRACE, LATE, LONGEST_RETRY, SHORTEST_RETRY, Reservations

RATE = 100.0  # commands a second
STEP = 1 / RATE
AHEAD = 0.1  # seconds until the mailbox is emptied


def line_of(*sender_ids: str, limit: int = 10, share: int = 0) -> Reservations:
    """A line in which these stand, in their order, since the mailbox was full at the time 0."""
    line = Reservations(limit, share)
    for sender_id in sender_ids:
        line.retry_after(sender_id, "k", limit, RATE, 0.0)
    return line


def room(line: Reservations, now: float, ahead: float = AHEAD) -> int:
    """How many commands may wait so that a newcomer is let in."""
    waiting = 0
    while line.admits("a newcomer", None, waiting, now, ahead):
        waiting += 1
    return waiting


def test_who_is_refused_is_told_a_time_one_after_the_other() -> None:
    line = Reservations(10, 0)
    waits = [line.retry_after(f"caller {n}", "k", 10, RATE, 0.0) for n in range(4)]
    assert waits == pytest.approx([0.1 + n * STEP for n in range(4)])


def test_before_anything_was_measured_it_is_a_second() -> None:
    assert Reservations(250, 0).retry_after("ada", "k", 250, 0.0, 0.0) == 1


def test_a_time_is_never_sooner_than_helps_nor_later_than_is_known() -> None:
    assert Reservations(10, 0).retry_after("ada", "k", 1, 1e6, 0.0) == SHORTEST_RETRY
    slow = Reservations(1000, 0)
    assert slow.retry_after("ada", "k", 1000, 0.01, 0.0) == LONGEST_RETRY
    assert not slow, "so far ahead nobody has a place"


def test_a_place_that_is_near_is_kept_free_and_only_for_who_it_was_promised() -> None:
    line = line_of("ada", "ben", "cleo")
    assert room(line, 0.11) == 10 - 3
    assert line.admits("ada", "k", 9, 0.11, AHEAD)
    assert not line.admits("ada", "k", 9, 0.11, AHEAD), "one place, one command"
    assert line.admits("ben", "k", 9, 0.11 + STEP, AHEAD)
    assert line.admits("cleo", "k", 9, 0.11 + 2 * STEP, AHEAD)
    assert not line


def test_who_is_due_after_the_mailbox_is_emptied_takes_nothing_of_this_one() -> None:
    assert room(line_of("ada", "ben", "cleo"), 0.0, ahead=0.05) == 10


def test_a_place_is_that_of_one_message_and_not_of_what_else_its_sender_says() -> None:
    line = Reservations(10, 0)
    line.retry_after("ada", "first", 10, RATE, 0.0)
    assert not line.admits("ada", "second", 9, 0.2, AHEAD)
    assert line.admits("ada", "first", 9, 0.2, AHEAD)
    line.retry_after("ben", None, 10, RATE, 1.0)
    line.retry_after("ben", None, 10, RATE, 1.0)
    assert [line.admits("ben", None, 9, 1.2, AHEAD) for _ in range(2)] == [True, True]
    assert not line


def test_who_comes_before_their_time_is_told_the_same_time_again_and_keeps_their_place() -> None:
    line = line_of("ada", "ben", limit=40)
    assert not line.admits("ben", "k", 39, 0.3, 0.2)
    assert line.retry_after("ben", "k", 40, RATE, 0.3) == pytest.approx(0.11)
    assert line.admits("ben", "k", 39, 0.41, AHEAD)


def test_who_comes_in_time_and_finds_the_mailbox_full_goes_to_the_end() -> None:
    line = line_of("ada", "ben")
    assert not line.admits("ada", "k", 10, 0.11, AHEAD)
    assert line.retry_after("ada", "k", 10, RATE, 0.11) == pytest.approx(0.1)
    assert line.admits("ada", "k", 9, 0.21, AHEAD)


def test_a_place_is_kept_for_a_while_and_not_for_ever() -> None:
    assert line_of("ada").admits("ada", "k", 9, 0.1 + GRACE, AHEAD)
    late = line_of("ada", "ben")
    assert room(late, 0.2 + STEP + GRACE) == 10
    assert not late


def test_those_who_are_late_have_no_more_than_their_part_of_the_mailbox() -> None:
    line = line_of(*(f"caller {n}" for n in range(100)), limit=80)
    assert line.admits("caller 0", "k", 79, 0.9, 0.0)
    assert room(line, 1.9, ahead=0.0) == 80 - 80 * LATE


def test_where_nobody_comes_back_newcomers_soon_have_the_whole_mailbox() -> None:
    line = line_of(*(f"caller {n}" for n in range(1000)), limit=100)
    assert room(line, 0.9, ahead=2.0) == 1
    room(line, 12.0)  # most of them are over their time
    line.retry_after("dan", "k", 100, RATE, 12.0)
    room(line, 15.0)
    for n in range(1000):
        line.retry_after(f"caller {n}", "k", 100, RATE, 15.0)
    assert room(line, 16.0, ahead=1.0) > 95


def test_where_most_come_back_their_places_are_kept_again() -> None:
    line, now = Reservations(100, 0), 0.0
    line.shows = 0.0
    for n in range(1000):
        now += line.retry_after(f"caller {n}", "k", 1, RATE, now)
        assert line.admits(f"caller {n}", "k", 99, now, 0.0)
    assert line.shows > 0.95


def test_one_sender_has_no_more_of_the_line_than_of_the_mailbox_where_others_have_few() -> None:
    line = line_of(limit=20, share=5)
    waits = [line.retry_after("ada", f"{n}", 20, RATE, 0.0) for n in range(50)]
    assert waits == sorted(waits)
    assert line.retry_after("ben", "k", 20, RATE, 0.0) < 20 / RATE + 12 * STEP


def test_where_everybody_has_many_places_nobody_is_told_anothers_time() -> None:
    line = Reservations(100, 2)
    waits = [
        line.retry_after(f"caller {n % 10}", f"{n}", 100, RATE, 0.0)
        for n in range(round(10 * 10 * FAIR))
    ]
    assert waits == pytest.approx([1 + n * STEP for n in range(len(waits))])


def test_who_has_used_up_their_own_share_takes_nobody_elses_place() -> None:
    line = Reservations(10, 2)
    waits = [line.share_after("ada", 2, RATE, 0.0) for _ in range(5)]
    assert waits == pytest.approx([0.05, 0.05, 0.05, 0.05, 0.06]), "one after the other"
    assert not line
    assert room(line, 0.0) == 10
    assert line.share_after("cleo", 8, 0.01, 0.0) == LONGEST_RETRY


def test_the_line_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "PLACES", 100)
    line = Reservations(2000, 0)
    for number in range(1000):
        assert line.retry_after(f"caller {number}", "k", 2, 1000.0, 0.0) < 1.1, "told all the same"
    room(line, 0.5, ahead=100.0)  # everything is near now
    assert line.near + line.late == 100


@given(
    st.integers(1, 50),
    st.lists(
        st.tuples(
            st.integers(0, 8), st.sampled_from([None, "a", "b"]), st.floats(0, 3), st.integers(0, 2)
        ),
        max_size=200,
    ),
)
def test_whatever_happens_its_counts_are_those_of_its_places(
    limit: int, steps: list[tuple[int, str | None, float, int]]
) -> None:
    line, now = Reservations(limit, max(1, limit // 4)), 0.0
    for who, key, pause, kind in steps:
        now += pause
        sender_id = f"caller {who}"
        if kind:
            assert 0 < line.retry_after(sender_id, key, limit, RATE, now) <= LONGEST_RETRY
        else:
            assert not line.admits(sender_id, key, limit, now, AHEAD)
            line.admits(sender_id, key, limit - 1, now, AHEAD)
        assert min(line.near, line.late) >= 0
        assert 0 <= line.shows <= 1
    room(line, now + 1000)
    assert line.near == line.late == line.kept == 0
    assert not line, "nothing is left of those who have not come back"


@given(
    st.floats(1, 5000), st.integers(0, 1000), st.lists(st.floats(0, 0.2), min_size=2, max_size=100)
)
def test_those_who_obey_come_back_no_faster_than_they_can_be_served(
    rate: float, waiting: int, pauses: list[float]
) -> None:
    line, now = Reservations(1000, 0), 0.0
    back: list[float] = []
    for number, pause in enumerate(pauses):
        now += pause
        wait = line.retry_after(f"caller {number}", "k", waiting, rate, now)
        assert wait >= min(waiting / rate, LONGEST_RETRY) - 1e-9, "there is room by then"
        if wait == LONGEST_RETRY:
            break
        back.append(now + wait)
    back.sort()
    for first, start in enumerate(back):
        for last in range(first, len(back)):
            assert last - first <= (back[last] - start + SHORTEST_RETRY) * rate + 1
