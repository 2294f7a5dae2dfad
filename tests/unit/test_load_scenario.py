"""Scenarios: what is shipped can be played, what cannot is said; and the schedule does not wait for the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.loadtests.scenarios.processes import divide
from salon.loadtests.scenarios.scenario import Scenario, load, names
from salon.loadtests.scenarios.schedule import Schedule
from salon.loadtests.scenarios.setup import Room, bare_rooms
from salon.loadtests.users.user import Person

SHIPPED = ["burst", "churn", "day", "fanout", "overload", "rooms", "slow", "storm"]


class TestFiles:
    def test_these_are_shipped(self) -> None:
        assert names() == SHIPPED

    @pytest.mark.parametrize("name", SHIPPED)
    def test_what_is_shipped_can_be_played(self, name: str) -> None:
        scenario = load(name)
        assert scenario.name == name
        assert scenario.about
        assert scenario.sizes

    def test_one_s_own_file_is_as_good(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text("rooms: 3\nrate: 5\nwindow: 0\nmix: [[0.5, 2], [0.5, 4]]\n")
        assert load(str(path)) == Scenario(
            "mine", rooms=3, rate=5.0, window=0, mix=((0.5, 2), (0.5, 4))
        )

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("roms: 3", "unknown: roms; known: about, burst_factor"),
            ("rooms: many", "rooms: 'many' is not what it takes (int)"),
            ("rooms: 2.5", "rooms: 2.5 is not what it takes (int)"),
            ("rate: true", "rate: True is not what it takes (float)"),
            ("mix: [2, 3]", "mix: [2, 3] is not what it takes"),
            ("", "lines of 'parameter: value' are wanted"),
            ("- 1", "lines of 'parameter: value' are wanted"),
            ("a: [", "is not YAML"),
            ("rooms: 0", "rooms has to be at least 1"),
            ("seconds: 0.1", "seconds has to be at least 0.5"),
            ("size: 39", "size has to be at least 40"),
            ("churn: -1", "churn has to be at least 0"),
            ("window: 0", "a window or a rate"),
            ("window_counts: sent", "window_counts has to be one of: receipts, deliveries"),
            ("never_read: 4", "somebody has to read"),
            ("mix: [[0.5, 2]]", "shares make 1"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path: Path, text: str, problem: str) -> None:
        path = tmp_path / "wrong.yaml"
        path.write_text(text)
        with pytest.raises(ValueError, match=r".") as error:
            load(str(path))
        assert problem in str(error.value)
        assert "wrong" in str(error.value)

    @pytest.mark.parametrize("name", ["dance", "dance.yaml"])
    def test_one_that_is_not_there_is_answered_with_those_that_are(self, name: str) -> None:
        with pytest.raises(
            ValueError, match=f"no scenario {name}; known are: {', '.join(SHIPPED)}"
        ):
            load(name)

    def test_parameters_can_be_changed(self) -> None:
        assert load("rooms").changed(rooms=7, seconds=2, senders=None).rooms == 7
        with pytest.raises(ValueError, match="rooms has to be at least 1"):
            load("rooms").changed(rooms=0)


class TestSizes:
    def test_a_day_has_eighty_fifteen_and_five_in_a_hundred(self) -> None:
        assert load("day").sizes == [2] * 80 + [5] * 15 + [100] * 5

    @given(st.integers(1, 400), st.lists(st.integers(1, 9), min_size=1, max_size=5))
    def test_there_are_as_many_rooms_as_were_asked_for(self, rooms: int, parts: list[int]) -> None:
        mix = tuple((part / sum(parts), people) for people, part in enumerate(parts, 1))
        sizes = Scenario("x", rooms=rooms, mix=mix).sizes
        assert len(sizes) == rooms
        for share, people in mix:
            assert abs(sizes.count(people) - share * rooms) <= 1.001


class TestPeople:
    def test_some_send_and_others_never_read(self) -> None:
        (room,) = bare_rooms(Scenario("x", readers=5, senders=2, never_read=1))
        assert [person.sends for _, person in room.people] == [True, True, False, False, False]

    def test_of_a_small_room_with_many_who_never_read_somebody_does(self) -> None:
        (room,) = bare_rooms(Scenario("x", mix=((1.0, 2),), senders=2, never_read=20))
        assert [person.sends for _, person in room.people] == [True, False]

    @given(st.integers(1, 9), st.integers(1, 7), st.integers(1, 6))
    def test_are_divided_among_processes_each_once(
        self, rooms: int, readers: int, processes: int
    ) -> None:
        stage = bare_rooms(Scenario("x", rooms=rooms, readers=readers))
        parts = divide(stage, processes)
        assert len(parts) == processes
        numbers = [number for part in parts for room in part for number, _ in room.people]
        assert sorted(numbers) == list(range(rooms * readers))

    def test_of_one_room_are_divided_too(self) -> None:
        people = tuple((number, Person("", True, True)) for number in range(5))
        first, second = divide([Room("a", 1, people)], 2)
        assert [number for number, _ in first[0].people] == [0, 2, 4]
        assert [number for number, _ in second[0].people] == [1, 3]


class TestSchedule:
    def schedule(self, start: float = 0.0, **values: Any) -> Schedule:
        scenario = Scenario("x", **{"window": 0, "rate": 10.0, "warm_up": 0.0, **values})
        return Schedule(scenario, start, senders=1.0, people=1.0)

    def test_has_what_is_due_at_its_time(self) -> None:
        schedule = self.schedule(start=100.0)
        assert schedule.next_due == pytest.approx(100.1)
        assert schedule.due(100.05) == []
        kinds, dues = zip(*schedule.due(100.25), strict=True)
        assert kinds == ("post", "post")
        assert dues == pytest.approx((100.1, 100.2))
        assert schedule.due(100.25) == []
        assert schedule.next_due == pytest.approx(100.3)

    @given(st.lists(st.floats(0.001, 3), min_size=1, max_size=30))
    def test_owes_after_a_stall_what_was_due_meanwhile(self, waits: list[float]) -> None:
        """How often it is looked at changes nothing: no omission is coordinated with a slow server."""
        schedule = self.schedule(rate=7.0, typing=3.0)
        now, told = 0.0, []
        for wait in waits:
            now += wait
            told += schedule.due(now)
        at_once = self.schedule(rate=7.0, typing=3.0).due(now)
        assert sorted(told) == sorted(at_once)
        assert len([kind for kind, _ in told if kind == "post"]) == pytest.approx(7 * now, abs=1)

    def test_of_a_burst_is_faster_for_a_while(self) -> None:
        schedule = self.schedule(warm_up=1.0, burst_factor=10.0, burst_from=2.0, burst_until=3.0)
        dues = [due for _, due in schedule.due(6.0)]
        in_second = [sum(second < due <= second + 1 for due in dues) for second in range(6)]
        assert in_second == [pytest.approx(n, abs=1) for n in (10, 10, 10, 100, 10, 10)]

    def test_of_a_process_is_its_share(self) -> None:
        scenario = Scenario("x", window=0, rate=10.0, churn=8.0, leaving=4.0, reading=2.0)
        schedule = Schedule(scenario, 0.0, senders=0.5, people=0.25)
        kinds = [kind for kind, _ in schedule.due(10.001)]
        counts = {kind: kinds.count(kind) for kind in ("post", "churn", "leave", "read", "typing")}
        assert counts == {"post": 50, "churn": 20, "leave": 10, "read": 5, "typing": 0}

    def test_leaves_the_messages_to_the_window_where_there_is_one(self) -> None:
        assert self.schedule(window=3).due(100.0) == []
        assert self.schedule(window=3).next_due == float("inf")
