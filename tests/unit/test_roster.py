"""The roster shows newcomers who is in, and is made anew only where that has changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from salon.actors.events import Event
from salon.actors.model import Member, Participant, State
from salon.actors.roster import LISTED_MEMBERS, Roster
from salon.actors.signals import ParticipantList, Signal
from tests.unit.engine import PickleCodec


class CountingCodec(PickleCodec):
    """Counts how often a roster is made, and keeps the last."""

    def __init__(self) -> None:
        self.made = 0
        self.last: ParticipantList | None = None

    def encode(self, message: Event | Signal) -> bytes:
        assert isinstance(message, ParticipantList)
        self.made += 1
        self.last = message
        return super().encode(message)


@dataclass
class Room:
    """Members p0, p1, …, of whom some are connected and some have just left."""

    size: int
    connected: dict[str, None] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    codec: CountingCodec = field(default_factory=CountingCodec)

    def __post_init__(self) -> None:
        members = {id: Member(Participant(id, "P"), "member", 0) for id in self.ids(self.size)}
        self.state = State("talk", head=1, members=members)
        self.roster = Roster(self.codec, lambda: iter(self.connected), self.online)

    @staticmethod
    def ids(count: int) -> list[str]:
        return [f"p{n}" for n in range(count)]

    def online(self, participant_id: str) -> bool:
        return participant_id in self.connected or participant_id in self.leaving

    def shown(self) -> list[tuple[str, bool]]:
        self.roster.body(self.state)
        assert self.codec.last is not None
        assert self.codec.last.participant_count == self.size
        return [(view.participant.id, view.is_online) for view in self.codec.last.members]


def test_a_small_conversation_is_shown_whole_in_the_order_of_joining() -> None:
    room = Room(3, connected={"p2": None})
    assert room.shown() == [("p0", False), ("p1", False), ("p2", True)]


def test_as_long_as_nothing_changes_the_same_bytes_serve_everybody() -> None:
    room = Room(3)
    assert room.roster.body(room.state) is room.roster.body(room.state)
    room.state = replace(room.state, head=2, messages=1)
    room.roster.body(room.state)
    assert room.codec.made == 1


def test_who_comes_online_and_who_joins_is_shown() -> None:
    room = Room(3)
    room.shown()
    room.connected["p1"] = None
    assert ("p1", True) in room.shown()
    newcomer = Member(Participant("p3", "P"), "member", 0)
    room.state = replace(room.state, members=room.state.members | {"p3": newcomer})
    room.size = 4
    assert ("p3", False) in room.shown()
    assert room.codec.made == 3


def test_in_a_crowd_of_those_online_another_one_changes_nothing() -> None:
    room = Room(3 * LISTED_MEMBERS)
    room.connected = dict.fromkeys(room.ids(2 * LISTED_MEMBERS))
    room.shown()
    room.connected["p250"] = None
    room.shown()
    assert room.codec.made == 1


@given(
    size=st.integers(1, LISTED_MEMBERS + 40),
    connected=st.sets(st.integers(0, LISTED_MEMBERS + 39)),
    leaving=st.sets(st.integers(0, LISTED_MEMBERS + 39)),
)
def test_those_online_come_first_where_there_is_no_room_for_all(
    size: int, connected: set[int], leaving: set[int]
) -> None:
    ids = Room.ids(size)
    room = Room(
        size,
        connected=dict.fromkeys(ids[n] for n in connected if n < size),
        leaving={ids[n] for n in leaving if n < size},
    )
    shown = room.shown()
    assert len(shown) == len(dict(shown)) == min(size, LISTED_MEMBERS)
    assert all(online is room.online(id) for id, online in shown)
    if size > LISTED_MEMBERS:
        flags = [online for _, online in shown]
        assert flags == sorted(flags, reverse=True)
        assert sum(flags) == min(LISTED_MEMBERS, sum(map(room.online, ids)))
