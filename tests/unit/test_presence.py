"""Who is online and who is typing, as the others are told."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors.presence import TYPING_REPEAT, PresenceBoard, TypingBoard
from salon.actors.signals import Typing

GRACE, INTERVAL, TIMEOUT = 5.0, 1.0, 5.0
EIGHTHS = st.integers(0, 32).map(lambda n: n / 8)  # of a second: exact in floating point


class Room:
    """A presence board, and who is connected."""

    def __init__(self) -> None:
        self.connected: set[str] = set()
        self.board = PresenceBoard(self.connected.__contains__, grace=GRACE, interval=INTERVAL)

    def come(self, who: str, now: float) -> None:
        self.connected.add(who)
        self.board.touch(who, now)

    def go(self, who: str, now: float) -> None:
        self.connected.discard(who)
        self.board.touch(who, now)

    def told(self, now: float) -> dict[str, bool]:
        presence = self.board.collect(now)
        return {} if presence is None else dict(presence.changes)


@pytest.fixture
def room() -> Room:
    return Room()


def test_who_comes_is_announced_once(room: Room) -> None:
    room.come("ada", 0)
    assert room.told(0) == {"ada": True}
    room.come("ada", 2)
    assert room.told(2) == {}
    assert room.board.due() is None


def test_changes_are_gathered_to_one_signal_an_interval(room: Room) -> None:
    room.come("ada", 0)
    room.told(0)
    room.come("ben", 0.1)
    room.come("cleo", 0.2)
    assert room.told(0.2) == {}
    assert room.board.due() == INTERVAL
    assert room.told(INTERVAL) == {"ben": True, "cleo": True}


def test_who_goes_is_offline_after_the_grace_and_not_before(room: Room) -> None:
    room.come("ada", 0)
    room.told(0)
    room.go("ada", 2)
    assert room.told(2) == {}
    assert room.board.due() == 2 + GRACE
    assert room.told(6.9) == {}
    assert room.board.online("ada")
    assert room.told(7) == {"ada": False}
    assert not room.board.online("ada")
    assert room.board.due() is None


def test_nobody_hears_of_a_reconnect_within_the_grace(room: Room) -> None:
    room.come("ada", 0)
    room.told(0)
    room.go("ada", 2)
    room.told(2)
    room.come("ada", 6)
    assert room.told(6) == {}
    assert room.told(60) == {}
    assert room.board.online("ada")


def test_each_reconnect_begins_a_grace_of_its_own(room: Room) -> None:
    room.come("ada", 0)
    room.told(0)
    for start in (1, 5, 9):
        room.go("ada", start)
        room.come("ada", start + 3)
    room.go("ada", 13)
    assert room.told(17.9) == {}
    assert room.told(18) == {"ada": False}


def test_of_who_is_no_member_any_more_nothing_is_said(room: Room) -> None:
    room.come("ada", 0)
    room.told(0)
    room.go("ada", 1)
    room.board.forget("ada")
    assert room.told(60) == {}
    assert not room.board.online("ada")
    assert room.board.due() is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.booleans(), EIGHTHS),
        max_size=40,
    )
)
def test_what_is_told_is_true_in_the_end_and_nobody_flaps(
    steps: list[tuple[str, bool, float]],
) -> None:
    room, now = Room(), 0.0
    told: dict[str, bool] = {}
    signals: list[float] = []
    last_here: dict[str, float] = {}

    def hear(now: float) -> None:
        presence = room.board.collect(now)
        if presence is None:
            return
        signals.append(now)
        for who, online in presence.changes:
            assert told.get(who, False) is not online, "only changes are told"
            if not online:
                assert now - last_here[who] >= GRACE, "who is back within the grace never left"
            told[who] = online

    def let_time_go_to(end: float) -> None:
        due = room.board.due()
        while due is not None and due <= end:
            hear(due)
            later = room.board.due()
            assert later is None or later > due, "the board does not keep its owner busy"
            due = later

    for who, coming, pause in steps:
        let_time_go_to(now + pause)
        now += pause
        if coming:
            room.come(who, now)
        elif who in room.connected:
            last_here[who] = now
            room.go(who, now)
        hear(now)
    let_time_go_to(now + 100)

    assert {who for who, online in told.items() if online} == room.connected
    assert room.board.due() is None
    assert all(b - a >= INTERVAL for a, b in pairwise(signals))


# --- typing ---------------------------------------------------------------------------------------------------------------

TYPES, STOPS = Typing("ada", True), Typing("ada", False)


@pytest.fixture
def board() -> TypingBoard:
    return TypingBoard(TIMEOUT)


def test_typing_is_told_when_it_begins_and_when_it_ends(board: TypingBoard) -> None:
    assert board.note(TYPES, 0)
    assert board.note(STOPS, 1)
    assert not board.note(STOPS, 2), "once"
    assert board.due() is None


def test_typing_that_goes_on_is_told_again_but_not_at_every_key(board: TypingBoard) -> None:
    assert board.note(TYPES, 0)
    assert not board.note(TYPES, TYPING_REPEAT - 0.1)
    assert board.note(TYPES, TYPING_REPEAT)
    assert board.due() == TYPING_REPEAT + TIMEOUT


def test_typing_ends_by_itself(board: TypingBoard) -> None:
    board.note(TYPES, 0)
    board.note(Typing("ben", True), 2)
    assert board.due() == TIMEOUT
    assert board.expire(TIMEOUT - 0.1) == []
    assert board.expire(TIMEOUT) == ["ada"]
    assert board.due() == 2 + TIMEOUT
    assert board.expire(60) == ["ben"]
    assert board.expire(60) == []


def test_who_said_it_types_no_more_and_may_begin_again_at_once(board: TypingBoard) -> None:
    board.note(TYPES, 0)
    assert board.forget("ada"), "the others thought so"
    assert not board.forget("ada")
    assert board.note(TYPES, 0.1)


def test_typing_on_and_off_is_not_told_faster_than_anybody_types(board: TypingBoard) -> None:
    told = [board.note(TYPES if n % 2 else STOPS, n / 100) for n in range(300)]
    assert sum(told) <= 2 * 3


@given(st.lists(st.tuples(st.sampled_from("tsme"), EIGHTHS), max_size=40))
def test_the_others_always_know_in_the_end(steps: list[tuple[str, float]]) -> None:
    """t: types, s: stops, m: has said it, e: time is looked at."""
    board, now, shown = TypingBoard(TIMEOUT), 0.0, False
    for step, pause in steps:
        now += pause
        match step:
            case "t" if board.note(TYPES, now):
                shown = True
            case "s" if board.note(STOPS, now):
                assert shown
                shown = False
            case "m" if board.forget("ada"):
                assert shown
                shown = False
            case "e" if board.expire(now):
                assert shown
                shown = False
        assert shown is (board.due() is not None), "what is shown will end by itself"
    assert board.expire(now + TIMEOUT) == (["ada"] if shown else [])
