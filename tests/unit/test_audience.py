"""Those who are connected: who hears live, who is replayed to, and how one becomes the other."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors.audience import (
    BREATH_EVERY,
    DELIVERY_BYTES,
    PAGE_BYTES,
    RECENT_BYTES,
    RECENT_EVENTS,
    Audience,
)
from salon.actors.events import Posted
from salon.actors.model import Participant
from salon.actors.signals import CaughtUp, Delta, Lagging, ParticipantList, Presence, Typing
from salon.actors.store import Record
from salon.actors.subscriber import Subscriber
from tests.unit.engine import ADA, BEN, CLEO, Engine, PickleCodec, Reader

PAGE = 7  # events of the log read at once here
FULL = 0
MEMBERS = ParticipantList("talk", (), 3)
ONLINE = Presence((("cleo", True),))


class CountingCodec(PickleCodec):
    """Counts how often something is encoded or put together."""

    def __init__(self) -> None:
        self.payloads = 0

    def payload(self, bodies: Sequence[bytes]) -> bytes:
        self.payloads += 1
        return super().payload(bodies)


@dataclass
class Room:
    """An audience, the log that it reads, and what it has asked of the log and not been given yet."""

    log: list[Record] = field(default_factory=list)
    asked: list[tuple[Subscriber, int]] = field(default_factory=list)
    so_far: tuple[Delta, ...] = ()
    codec: CountingCodec = field(default_factory=CountingCodec)
    engine: Engine = field(default_factory=Engine)

    def __post_init__(self) -> None:
        self.audience = Audience(
            self.codec,
            lambda *asked: self.asked.append(asked),
            lambda subscriber: self.codec.encode(MEMBERS),
            lambda subscriber: self.so_far,
            lambda subscriber: 1,
        )

    def reader(self, who: Participant = ADA) -> Reader:
        return Reader(self.engine, "talk", who)

    def enter(self, who: Participant = ADA, after: int | None = None, room: float = 999) -> Reader:
        """A reader that has everything up to `after`; by default all there is."""
        reader = self.reader(who)
        reader.room = room
        self.audience.place(reader, len(self.log) if after is None else after)
        self.audience.catch_up(reader)
        return reader

    def write(self, count: int = 1, size: int = 0) -> list[Record]:
        """New events in the log, of at least that many bytes each."""
        new = []
        for sequence in range(len(self.log) + 1, len(self.log) + count + 1):
            body = self.codec.encode(Posted("talk", sequence, 0, ADA, "x" * size))
            new.append(Record(sequence, 0, body, b"", sequence))
        self.log += new
        return new

    def say(self, count: int = 1, size: int = 0) -> int:
        """Deliver new events in one batch; how many took them."""
        return finish(self.audience.deliver(self.write(count, size)))[0]

    def answer(self) -> None:
        """The log gives the page that was asked for first."""
        subscriber, after = self.asked.pop(0)
        self.audience.replayed(subscriber, after, self.log[after : after + PAGE])


def finish(work: Coroutine[Any, None, int]) -> tuple[int, int]:
    """What it comes to, and how often it took breath."""
    breaths = 0
    while True:
        try:
            work.send(None)
        except StopIteration as end:
            return end.value, breaths
        breaths += 1


@pytest.fixture
def room() -> Room:
    return Room()


# --- live -----------------------------------------------------------------------------------------------------------------


def test_all_who_are_live_get_the_same_bytes_made_once(room: Room) -> None:
    readers = [room.enter(who) for who in (ADA, BEN, CLEO)]
    before = room.codec.payloads
    assert room.say(3) == 3
    assert room.codec.payloads == before + 1
    assert [reader.sequences for reader in readers] == [[1, 2, 3]] * 3


def test_a_delivery_takes_breath_every_so_many_sockets(room: Room) -> None:
    for n in range(BREATH_EVERY * 3 + 1):
        room.enter(Participant(f"p{n}", "P"))
    assert finish(room.audience.deliver(room.write())) == (BREATH_EVERY * 3 + 1, 3)


def test_signals_go_to_all_who_are_live_but_one_person(room: Room) -> None:
    ada, ada_too, ben = room.enter(ADA), room.enter(ADA), room.enter(BEN)
    room.audience.signal(Typing("ada", True), but="ada")
    assert ada.of(Typing) == ada_too.of(Typing) == []
    assert ben.of(Typing) == [Typing("ada", True)]


def test_who_is_behind_or_has_no_room_misses_signals_and_nothing_else(room: Room) -> None:
    room.say(5)
    behind, full = room.enter(after=2, room=FULL), room.enter(BEN, room=FULL)
    room.audience.signal(Typing("cleo", True))
    for reader in (behind, full):
        reader.room = 999
        room.audience.catch_up(reader)
    room.say()
    assert behind.of(Typing) == full.of(Typing) == []
    assert behind.sequences == [3, 4, 5, 6]
    assert full.sequences == [6]


def test_who_missed_who_came_and_went_is_given_the_list_again_before_it_is_live(room: Room) -> None:
    room.say(5)
    behind, full = room.enter(after=2, room=FULL), room.enter(BEN, room=FULL)
    room.audience.signal(ONLINE)
    for reader in (behind, full):
        assert reader.of(Presence) == []
        reader.room = 999
        room.audience.catch_up(reader)
        assert reader.heard[-2:] == [MEMBERS, CaughtUp(5)]
    assert behind.sequences == [3, 4, 5]
    assert full.of(Lagging) == [Lagging(5)]
    room.audience.signal(ONLINE)
    assert behind.of(Presence) == full.of(Presence) == [ONLINE]


def test_who_missed_nothing_of_that_is_given_no_list(room: Room) -> None:
    room.say(5)
    behind = room.enter(after=2, room=FULL)
    room.audience.signal(Typing("cleo", True))
    behind.room = 999
    room.audience.catch_up(behind)
    assert behind.of(ParticipantList) == []


def test_a_batch_of_long_messages_goes_out_in_parts_and_who_has_no_room_goes_on_from_there(
    room: Room,
) -> None:
    reader, slow = room.enter(), room.enter(BEN, room=1)
    before = room.codec.payloads
    many = 3 * DELIVERY_BYTES // 10_000
    assert room.say(many, size=10_000) == 1
    assert 3 <= room.codec.payloads - before <= 5, "the parts, and that somebody lags"
    assert reader.sequences == list(range(1, many + 1))
    [lagging] = slow.of(Lagging)
    assert slow.sequences == list(range(1, lagging.sequence + 1))
    assert 0 < lagging.sequence < many
    slow.room = 999
    room.audience.catch_up(slow)
    assert slow.sequences == reader.sequences


def test_one_that_goes_in_the_middle_of_a_delivery_harms_nobody(room: Room) -> None:
    class Closing(Reader):
        def deliver(self, payload: bytes) -> bool:
            room.audience.remove(self)
            return False

    first, last = room.enter(ADA), Closing(room.engine, "talk", BEN)
    room.audience.place(last, 0)
    room.audience.catch_up(last)
    third = room.enter(CLEO)
    assert room.say() == 2
    assert first.sequences == third.sequences == [1]
    assert last not in room.audience


# --- who is here ----------------------------------------------------------------------------------------------------------


def test_a_person_is_connected_as_long_as_one_of_their_connections_is(room: Room) -> None:
    first, second, other = room.enter(ADA), room.enter(ADA), room.enter(BEN)
    assert room.audience.of("ada") == [first, second]
    assert list(room.audience.participants()) == ["ada", "ben"]
    assert len(room.audience) == 3
    assert list(room.audience) == [first, second, other]

    assert room.audience.remove(first)
    assert not room.audience.remove(first), "once"
    assert room.audience.connected("ada")
    assert room.audience.remove(second)
    assert not room.audience.connected("ada")
    assert room.audience.of("ada") == []
    assert list(room.audience.participants()) == ["ben"]


def test_being_placed_again_is_no_second_connection(room: Room) -> None:
    reader = room.enter()
    for _ in range(3):
        room.audience.place(reader, 0)
    assert len(room.audience) == 1
    room.audience.remove(reader)
    assert not room.audience.connected("ada")


# --- falling behind and coming back ---------------------------------------------------------------------------------------


def test_who_has_no_room_is_told_and_gets_the_rest_from_memory_when_there_is_some(
    room: Room,
) -> None:
    slow, quick = room.enter(), room.enter(BEN)
    room.say()
    slow.room = FULL
    assert room.say(2) == 1
    assert slow.of(Lagging) == [Lagging(1)]
    room.say(3)
    assert slow.sequences == [1], "live push has stopped"

    slow.room = 999
    room.audience.catch_up(slow)
    assert slow.sequences == [1, 2, 3, 4, 5, 6]
    assert slow.heard[-1] == CaughtUp(6)
    room.say()
    assert slow.sequences == quick.sequences
    assert room.asked == [], "the log was not needed"


def test_where_memory_does_not_reach_the_log_is_read_page_by_page(room: Room) -> None:
    room.say()
    for _ in range(RECENT_EVENTS + PAGE):
        room.say()
    reader = room.enter(after=0)
    assert room.asked == [(reader, 0)]
    room.answer()
    assert reader.sequences == list(range(1, PAGE + 1))
    assert not reader.caught_up
    assert room.asked == [(reader, PAGE)]
    room.answer()
    assert room.asked == [], "from here on memory reaches"
    assert reader.sequences == list(range(1, len(room.log) + 1))
    assert reader.heard[-1] == CaughtUp(len(room.log))


def test_what_is_said_while_the_log_is_read_comes_after_it(room: Room) -> None:
    room.say(RECENT_EVENTS)
    room.say()
    reader = room.enter(after=0)
    room.say(2)
    assert reader.sequences == []
    room.answer()
    assert reader.sequences == list(range(1, len(room.log) + 1))


@pytest.mark.parametrize("space", range(4))
def test_who_has_no_room_in_the_middle_of_a_page_goes_on_from_there(room: Room, space: int) -> None:
    for _ in range(RECENT_EVENTS + 2 * PAGE):
        room.say(size=PAGE_BYTES // 2)
    reader = room.enter(after=0, room=space)
    room.answer()
    assert len(reader.sequences) in {2 * space, PAGE}, "two of this size make a payload"
    while not reader.caught_up:
        reader.room = 1
        room.audience.catch_up(reader)
        if room.asked:
            room.answer()
    assert reader.sequences == list(range(1, len(room.log) + 1))


def test_only_one_page_at_a_time_is_read_for_one_reader_however_often_it_asks(room: Room) -> None:
    for _ in range(RECENT_EVENTS * 2):
        room.say()
    reader = room.enter(after=0)
    for after in (3, 5, 9, 4):
        room.audience.place(reader, after)
        room.audience.catch_up(reader)
    assert room.asked == [(reader, 0)]
    room.answer()
    assert reader.sequences == [], "nobody wants that page any more"
    assert room.asked == [(reader, 4)]
    while room.asked:
        room.answer()
    assert reader.sequences == list(range(5, len(room.log) + 1))


def test_a_page_for_who_has_gone_is_thrown_away(room: Room) -> None:
    for _ in range(RECENT_EVENTS * 2):
        room.say()
    gone, live = room.enter(after=0), room.enter(BEN)
    room.audience.remove(gone)
    room.answer()
    room.audience.replayed(live, 0, room.log[:PAGE])
    room.audience.catch_up(live)
    assert gone.sequences == live.sequences == []


def test_who_missed_a_delivery_that_never_was_catches_up(room: Room) -> None:
    near, far = room.enter(), room.enter(BEN)
    room.say(2)
    far.room = FULL
    room.write(3)
    room.audience.recall(room.log)
    room.audience.fall_back(2)
    assert near.sequences == [1, 2, 3, 4, 5]
    far.room = 999
    room.audience.catch_up(far)
    assert far.sequences == [1, 2, 3, 4, 5]


# --- what is kept at hand -------------------------------------------------------------------------------------------------


def reach(room: Room) -> int:
    """How many events a newcomer gets without the log."""
    for after in range(len(room.log) + 1):
        reader = room.enter(after=after)
        room.audience.remove(reader)
        if reader.caught_up:
            room.asked.clear()
            return len(room.log) - after
    raise AssertionError


def test_a_screenful_of_events_is_kept_at_hand(room: Room) -> None:
    for _ in range(RECENT_EVENTS + 20):
        room.say()
    assert reach(room) == RECENT_EVENTS


def test_of_long_messages_fewer_are_kept_but_always_the_last_batch(room: Room) -> None:
    for _ in range(20):
        room.say(size=RECENT_BYTES // 4)
    assert reach(room) == 3
    room.say(30, size=RECENT_BYTES // 4)
    assert reach(room) == 30
    room.say(size=RECENT_BYTES * 2)
    assert reach(room) == 1


def test_a_large_batch_is_kept_until_the_next(room: Room) -> None:
    room.say(RECENT_EVENTS * 4)
    assert reach(room) == RECENT_EVENTS * 4
    room.say()
    assert reach(room) == RECENT_EVENTS


def test_what_is_recalled_takes_the_place_of_what_was_remembered(room: Room) -> None:
    room.say(30)
    room.audience.recall(room.log[-20:])
    assert room.audience.head == 30
    reader = room.enter(after=10)
    assert reader.sequences == list(range(11, 31)), "each once"
    room.write(100)
    room.audience.recall(room.log[-20:])
    assert reach(room) == 20, "and there is no gap inside"


def test_no_more_than_is_kept_at_hand_is_recalled(room: Room) -> None:
    room.audience.recall(room.write(RECENT_EVENTS, size=RECENT_BYTES // 4))
    assert reach(room) == 3


# --- whatever happens -----------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("enter"), st.integers(0, 99), st.integers(0, 3)),
        st.tuples(st.just("room"), st.integers(0, 9), st.integers(0, 3)),
        st.tuples(st.just("again"), st.integers(0, 9), st.integers(0, 99)),
        st.tuples(st.just("page"), st.just(0), st.just(0)),
        st.tuples(st.just("go"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("reload"), st.integers(0, 3), st.integers(1, 9)),
    ),
    max_size=60,
)


@given(STEPS)
def test_every_reader_gets_everything_after_its_place_once_and_in_order(
    steps: list[tuple[str, int, int]],
) -> None:
    room = Room()
    room.say(RECENT_EVENTS + 1)
    places: dict[Reader, tuple[int, int]] = {}  # what it had when it was placed, heard before

    def place(reader: Reader, after: int) -> None:
        places[reader] = after, len(reader.sequences)
        room.audience.place(reader, after)
        room.audience.catch_up(reader)

    for step, number, more in steps:
        reader = list(places)[number % len(places)] if places else room.reader()
        match step:
            case "say":
                room.say(number)
            case "enter":
                new = room.reader()
                new.room = more
                place(new, min(number, len(room.log)))
            case "room":
                reader.room = more
                room.audience.catch_up(reader)
            case "again" if reader in room.audience:
                place(reader, min(more, len(room.log)))
            case "page" if room.asked:
                room.answer()
            case "go":
                room.audience.remove(reader)
                places.pop(reader, None)
            case "reload":
                delivered = room.audience.head
                room.write(number)
                room.audience.recall(room.log[-more:])
                room.audience.fall_back(delivered)
        for each, (after, before) in places.items():
            got = each.sequences[before:]
            assert got == list(range(after + 1, after + 1 + len(got)))

    for each in places:
        each.room = 999
        room.audience.catch_up(each)
    while room.asked:
        room.answer()
    room.say()
    for each, (after, before) in places.items():
        assert each.sequences[before:] == list(range(after + 1, len(room.log) + 1))
        assert each in room.audience.live
