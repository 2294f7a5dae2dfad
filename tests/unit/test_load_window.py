"""A window that counts deliveries: a message is on its way until everybody who reads has it, in whatever process they are."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.loadtests.scenarios.scenario import Scenario
from salon.loadtests.users.everywhere import NOBODY, Everywhere, Positions, shares
from salon.loadtests.users.ledger import Ledger

ROOM = "room"
SPAWN = multiprocessing.get_context("spawn")


@dataclass
class Place:
    """As far as somebody has the log."""

    complete: int = 0


@dataclass
class Somebody:
    """Whether somebody reads."""

    reads: bool = True


@dataclass(eq=False)
class Reading:
    """As much of a user as is looked at."""

    room: str = ROOM
    reader: Place = field(default_factory=Place)
    person: Somebody = field(default_factory=Somebody)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9) | st.just(NOBODY))))
def test_the_least_position_is_that_of_who_is_last(moves: list[tuple[int, int]]) -> None:
    positions, at = Positions(), [NOBODY] * 5
    for who, to in moves:
        before = positions.least
        changed = positions.move(at[who], to)
        at[who] = to
        assert positions.least == min(at)
        assert changed == (positions.least != before)


class TestEverywhere:
    def told_by(self, *parts: list[Reading]) -> tuple[list[Everywhere], list[tuple[int, int]]]:
        told: list[tuple[int, int]] = []
        boards = shares(SPAWN, [[ROOM] for _ in parts])
        followers = [
            Everywhere(share, part, lambda _, upto, mine=mine: told.append((mine, upto)))
            for mine, (share, part) in enumerate(zip(boards, parts, strict=True))
        ]
        return followers, told

    def test_says_how_far_everybody_of_one_process_is(self) -> None:
        ada, ben = Reading(), Reading()
        (follower,), told = self.told_by([ada, ben])
        ada.reader.complete = 3
        follower.look(ada, there=True)
        assert told == []
        ben.reader.complete = 2
        follower.look(ben, there=True)
        assert told == [(0, 2)]

    def test_waits_for_the_readers_of_the_other_processes(self) -> None:
        ada, ben = Reading(), Reading()
        (here, there), told = self.told_by([ada], [ben])
        ada.reader.complete = 3
        here.look(ada, there=True)
        assert told == []
        ben.reader.complete = 3
        there.look(ben, there=True)
        assert told == [(1, 3)]
        here.heard()  # the bell has been rung
        assert told == [(1, 3), (0, 3)]

    def test_owes_nothing_to_who_is_away_until_they_are_back(self) -> None:
        ada, ben = Reading(), Reading()
        (follower,), told = self.told_by([ada, ben])
        ada.reader.complete = 3
        follower.look(ada, there=True)
        follower.look(ben, there=False)
        assert told == [(0, 3)]

    def test_owes_nothing_to_who_does_not_read(self) -> None:
        ada, eve = Reading(), Reading(person=Somebody(reads=False))
        (follower,), told = self.told_by([ada, eve])
        ada.reader.complete = 1
        follower.look(ada, there=True)
        assert told == [(0, 1)]


class TestLedger:
    def test_a_message_is_on_its_way_until_it_has_been_delivered_to_all(self) -> None:
        ledger = Ledger(1, everywhere=True)
        first, second = ledger.send(0.0), ledger.send(0.0)
        ledger.confirm(first, 7)
        ledger.confirm(second, 8)
        assert ledger.on_their_way == 2
        ledger.delivered({first: 7, second: 8}, 7)
        assert ledger.on_their_way == 1
        ledger.delivered({first: 7, second: 8}, 8)
        assert ledger.on_their_way == 0

    def test_a_message_that_was_refused_is_not_waited_for(self) -> None:
        ledger = Ledger(1, everywhere=True)
        ledger.refuse(ledger.send(0.0), "CAPACITY_EXCEEDED")
        assert ledger.on_their_way == 0

    def test_a_receipt_frees_its_place_where_receipts_are_counted(self) -> None:
        ledger = Ledger(1)
        ledger.confirm(ledger.send(0.0), 7)
        assert ledger.on_their_way == 0


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (Scenario("a", window=8), "window 8, until receipt"),
        (Scenario("a", window=2, window_counts="deliveries"), "window 2, until delivered to all"),
        (Scenario("a", window=0, rate=1000.0), "1,000 messages/s, on schedule"),
    ],
)
def test_a_run_says_what_decided_when_a_message_was_sent(scenario: Scenario, words: str) -> None:
    assert scenario.pace == words
