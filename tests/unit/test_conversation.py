"""The conversation: decide, commit, answer, deliver; who hears what, whatever the store and the readers do."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from salon.actors.attendance import REPLAY_EVENTS
from salon.actors.audience import BREATH_EVERY, RECENT_EVENTS
from salon.actors.conversation import RELOAD_AFTER
from salon.actors.events import Created, Joined, Left, Posted
from salon.actors.future import Future
from salon.actors.limits import Limits
from salon.actors.messages import (
    Admit,
    Attach,
    Detach,
    Join,
    Leave,
    MarkRead,
    Post,
    ReadMarked,
    Receipt,
    SetTyping,
    Sync,
)
from salon.actors.model import Entrant, Participant
from salon.actors.recorder import ENVELOPES, TURNS, Recorder
from salon.actors.refusals import Code, Refusal
from salon.actors.roster import LISTED_MEMBERS
from salon.actors.runtime import ActorDied
from salon.actors.signals import (
    CaughtUp,
    Connected,
    Lagging,
    ParticipantList,
    Presence,
    ReadMoved,
    Typing,
)
from salon.actors.store import StoreError
from tests.unit.engine import (
    ADA,
    BEN,
    CLEO,
    DAN,
    Engine,
    Reader,
    accepted,
    open_engine,
    refused,
    seeded_sources,
)

FULL = 0
MANY = RECENT_EVENTS + 2 * REPLAY_EVENTS + 30  # events: three pages of the log


@pytest.fixture
async def talk(engine: Engine) -> str:
    """Ada's conversation with Ben and Cleo."""
    return await engine.create(ADA, BEN, CLEO)


async def fill(engine: Engine, talk: str, count: int = MANY) -> None:
    """Write so many messages straight into the conversation, each in a turn of its own."""
    ref = engine.directory.conversation(talk)
    for n in range(count):
        await ref.ask(Post(talk, ADA, str(n)))


def crash(engine: Engine, talk: str) -> None:
    """Tell the conversation what only participants understand."""
    engine.directory.conversation(talk).tell(Admit("nonsense"))


def went_away(reader: Reader) -> int | None:
    return None if reader.closed is None else reader.closed[0]


# --- the four steps -------------------------------------------------------------------------------------------------------


async def test_nothing_is_answered_or_delivered_before_it_is_committed(
    engine: Engine, talk: str
) -> None:
    ada, ben = await engine.connect(talk, ADA), await engine.connect(talk, BEN)
    heard = [list(reader.heard) for reader in (ada, ben)]
    engine.store.hold("append")
    ada.post("hello")
    ada.tell(SetTyping(talk, ADA, True))
    ada.tell(MarkRead(talk, ADA, 2))
    ada.tell(Join(talk, ADA, Entrant(DAN)))
    await engine.settle()
    assert engine.store.calls[-1] == "append"
    assert [reader.heard for reader in (ada, ben)] == heard
    state = engine.conversation(talk).state
    assert state is not None
    assert state.head == 1, "nor does anybody see it"

    engine.store.let_go()
    await engine.settle()
    assert ada.of(Receipt)
    assert ben.sequences == [1, 2, 3]
    assert ben.of(Typing)


async def test_the_answer_comes_before_the_copy(engine: Engine, talk: str) -> None:
    ada = await engine.connect(talk, ADA)
    ada.post("hello")
    await engine.settle()
    assert [type(message) for message in ada.heard[-2:]] == [Receipt, Posted]


async def test_a_batch_is_one_commit_and_one_delivery(engine: Engine, talk: str) -> None:
    ada, ben = await engine.connect(talk, ADA), await engine.connect(talk, BEN)
    engine.store.hold("append")
    ada.post("first")
    await engine.settle()
    for n in range(50):
        (ada if n % 2 else ben).post(str(n))
        await engine.settle()
    ben.room = 2
    engine.store.let_go()
    await engine.settle()
    assert [len(changes.records) for changes in engine.store.appended] == [1, 1, 50]
    assert ben.contents == ["first", *map(str, range(50))]
    assert ben.room == FULL, "it took two payloads"


async def test_who_is_refused_touches_nothing_and_nobody_else_hears_of_it(
    engine: Engine, talk: str
) -> None:
    ada = await engine.connect(talk, ADA)
    heard, calls = list(ada.heard), list(engine.store.calls)
    refusals = [
        await engine.post(talk, DAN, "hello", "k"),
        await engine.post(talk, BEN, "x" * 10_001),
        await engine.join(talk, BEN),
        await engine.leave(talk, DAN),
        await engine.do(SetTyping(talk, DAN, True)),
        await engine.do(MarkRead(talk, DAN, 1)),
    ]
    assert all(isinstance(refusal, Refusal) for refusal in refusals)
    await engine.settle()
    assert ada.heard == heard
    assert engine.store.calls == calls
    entry = engine.directory.refusals.find(refusals[0].id)
    assert entry is not None
    assert (entry.participant_id, entry.conversation_id) == ("dan", talk)
    assert entry.refusal.key == "k"


async def test_who_is_refused_does_not_stop_the_others_of_the_batch(
    engine: Engine, talk: str
) -> None:
    ada, dan = await engine.connect(talk, ADA), Reader(engine, talk, DAN)
    ada.post("before")
    dan.post("not mine")
    ada.post("after")
    await engine.settle()
    assert ada.contents == ["before", "after"]
    assert len(ada.of(Receipt)) == 2
    refused(dan.of(Refusal)[0], Code.NOT_PARTICIPANT)


async def test_a_turn_can_be_followed_afterwards(engine: Engine, talk: str) -> None:
    recorder = engine.conversation(talk).recorder = Recorder()
    start = trio.current_time()
    with engine.directory.system:
        engine.directory.participant(ADA.id).tell(Post(talk, ADA, "hello"))
        engine.directory.participant(DAN.id).tell(Leave(talk, DAN))
    await engine.settle()
    [trace] = recorder.traces
    assert {envelope.trace for envelope in recorder.envelopes} == {trace}
    post, leave = sorted(recorder.envelopes, key=lambda envelope: envelope.command, reverse=True)
    assert (post.command, post.sender_id, post.verdict) == ("Post", ADA.id, "stored")
    assert (post.sequence, post.refusal) == (2, None)
    assert (leave.command, leave.sender_id, leave.verdict) == ("Leave", DAN.id, "refused")
    assert leave.refusal is not None
    assert engine.directory.refusals.find(leave.refusal.id) is not None
    assert (trace.size, trace.refused) == (2, 1)
    assert (trace.first_sequence, trace.last_sequence) == (2, 2)
    assert start <= trace.enqueued_at <= trace.begun_at <= trace.committed_at <= trace.delivered_at


async def test_the_last_commands_can_be_followed_however_many_there_were(
    engine: Engine, talk: str
) -> None:
    ada = await engine.connect(talk, ADA)
    for number in range(ENVELOPES + 5):
        ada.post(str(number), "k" if number >= ENVELOPES else None)
    await engine.settle()
    recorder = engine.conversation(talk).recorder
    assert (recorder.traces[-1].size, len(recorder.envelopes)) == (ENVELOPES + 5, ENVELOPES)
    verdicts = [envelope.verdict for envelope in recorder.envelopes]
    assert verdicts == ["stored"] * (ENVELOPES - 4) + ["refused"] * 4
    assert recorder.envelopes[-1].refusal is not None
    assert recorder.envelopes[-1].refusal.code is Code.KEY_REUSED
    assert recorder.envelopes[0].sequence == 2 + 5

    ada.post(str(ENVELOPES), "k")
    ada.tell(MarkRead(talk, ADA, 2))
    await engine.settle()
    repeated, noted = recorder.envelopes[-2:]
    assert (repeated.verdict, repeated.sequence) == ("repeated", 2 + ENVELOPES)
    assert (noted.command, noted.verdict, noted.sequence) == ("MarkRead", "noted", 0)
    for number in range(TURNS):
        await engine.post(talk, ADA, str(number))
    assert (len(recorder.traces), len(recorder.envelopes)) == (TURNS, ENVELOPES)


# --- the same key ---------------------------------------------------------------------------------------------------------


async def test_the_same_key_is_the_same_message_in_one_batch_and_later(
    engine: Engine, talk: str
) -> None:
    ada, ben = await engine.connect(talk, ADA), await engine.connect(talk, BEN)
    for _ in range(3):
        ada.post("hello", "k")
    await engine.settle()
    again = accepted(await engine.post(talk, ADA, "hello", "k"))
    first, *repeated = ada.of(Receipt)
    assert not first.duplicate
    assert [*repeated, again] == [first._replace(duplicate=True)] * 3
    assert ben.contents == ["hello"]


@pytest.mark.parametrize("end", ["passivate", "crash"])
async def test_the_same_key_is_the_same_message_for_every_incarnation(
    engine: Engine, talk: str, end: str
) -> None:
    first = accepted(await engine.post(talk, ADA, "hello", "k"))
    if end == "crash":
        crash(engine, talk)
        await engine.settle()
    else:
        engine.directory.passivate(engine.conversation(talk))
    assert accepted(await engine.post(talk, ADA, "hello", "k")) == first._replace(duplicate=True)
    accepted(await engine.post(talk, BEN, "hello", "k"))
    assert len(engine.log(talk)) == 3


async def test_the_same_key_for_another_message_is_refused(engine: Engine, talk: str) -> None:
    await engine.post(talk, ADA, "hello", "k")
    refusal = refused(await engine.post(talk, ADA, "goodbye", "k"), Code.KEY_REUSED)
    assert refusal.key == "k"


async def test_a_repeated_key_does_not_hold_up_what_is_new(engine: Engine, talk: str) -> None:
    old = accepted(await engine.post(talk, ADA, "old", "k"))
    ada = await engine.connect(talk, ADA)
    for content, key in (("new 1", None), ("old", "k"), ("new 2", "k2"), ("other", "k")):
        ada.post(content, key)
    await engine.settle()
    assert ada.contents[1:] == ["new 1", "new 2"]
    assert [receipt.sequence for receipt in ada.of(Receipt)] == [3, 2, 4]
    assert ada.of(Receipt)[1] == old._replace(duplicate=True)
    refused(ada.of(Refusal)[0], Code.KEY_REUSED)


# --- coming and going -----------------------------------------------------------------------------------------------------


async def test_everyone_hears_who_comes_and_who_goes(engine: Engine, talk: str) -> None:
    ben = await engine.connect(talk, BEN)
    assert isinstance(await engine.join(talk, DAN), Joined)
    left = await engine.leave(talk, DAN)
    assert isinstance(left, Left)
    assert left.participant_count == 3
    await engine.settle()
    assert [(type(event), event.participant) for event in ben.events[1:]] == [
        (Joined, DAN),
        (Left, DAN),
    ]


async def test_who_leaves_is_seen_off_on_all_their_connections_and_hears_nothing_more(
    engine: Engine, talk: str
) -> None:
    ada = await engine.connect(talk, ADA)
    here, there = await engine.connect(talk, BEN), await engine.connect(talk, BEN)
    here.tell(Leave(talk, BEN))
    await engine.settle()
    await engine.post(talk, ADA, "good riddance")
    await engine.settle()
    assert here.closed == there.closed == (1000, "Left conversation")
    assert here.of(Left), "the answer to the one who asked"
    assert there.events == here.of(Created)
    assert ada.contents == ["good riddance"]
    assert list(engine.conversation(talk).audience) == [ada]


async def test_what_was_said_in_the_batch_in_which_they_leave_is_still_answered(
    engine: Engine, talk: str
) -> None:
    ben = await engine.connect(talk, BEN)
    ben.post("goodbye")
    ben.tell(Leave(talk, BEN))
    await engine.settle()
    assert [type(message) for message in ben.heard[-2:]] == [Receipt, Left]


async def test_the_last_one_out_archives_the_conversation(engine: Engine) -> None:
    talk = await engine.create(ADA)
    await engine.leave(talk, ADA)
    refused(await engine.join(talk, ADA), Code.NOT_FOUND)
    snapshot = await engine.directory.look(talk)
    assert snapshot is not None
    assert snapshot.state.ended_at is not None


# --- attaching ------------------------------------------------------------------------------------------------------------


async def test_the_first_a_connection_hears_is_who_it_is_who_is_here_and_what_it_lacks(
    engine: Engine, talk: str
) -> None:
    await engine.post(talk, ADA, "hello")
    reader = await engine.connect(talk, BEN)
    connected, people, created, posted, caught_up, *_ = reader.heard
    assert connected == Connected(
        talk,
        "ben",
        reader.connection_id,
        several=True,
        head=2,
        first_sequence=1,
        epoch=engine.store.epoch,
        resume="fresh",
    )
    assert isinstance(people, ParticipantList)
    assert people.participant_count == 3
    assert [(m.participant, m.role, m.is_online) for m in people.members] == [
        (ADA, "owner", False),
        (BEN, "member", True),
        (CLEO, "member", False),
    ]
    assert [created.sequence, posted.sequence] == [1, 2]
    assert caught_up == CaughtUp(2)


async def test_several_people_are_several_and_agents_are_no_people(engine: Engine) -> None:
    alone = await engine.create(ADA, Participant("bot", "Bot", "agent"))
    assert not (await engine.connect(alone, ADA)).of(Connected)[0].several
    together = await engine.create(ADA, BEN)
    assert (await engine.connect(together, ADA)).of(Connected)[0].several


@pytest.mark.parametrize(
    ("last", "resume", "first"),
    [
        (None, "fresh", MANY + 1 - RECENT_EVENTS + 1),
        (0, "complete", 1),
        (3, "complete", 4),
        (MANY, "complete", MANY + 1),
        (MANY + 1, "complete", MANY + 2),
        (MANY + 2, "reset", MANY + 1 - RECENT_EVENTS + 1),
    ],
)
async def test_a_connection_gets_what_it_lacks(
    engine: Engine, talk: str, last: int | None, resume: str, first: int
) -> None:
    await fill(engine, talk)
    reader = await engine.connect(talk, BEN, last)
    [connected] = reader.of(Connected)
    assert (connected.head, connected.first_sequence) == (MANY + 1, first)
    assert connected.resume == resume
    assert reader.sequences == list(range(first, MANY + 2))
    assert reader.of(CaughtUp) == [CaughtUp(MANY + 1)]


@pytest.mark.parametrize(("last", "resume", "first"), [(69, "reset", 72), (71, "complete", 72)])
async def test_who_lacks_more_than_is_sent_on_a_socket_begins_anew(
    autojump_clock: MockClock, last: int, resume: str, first: int
) -> None:
    async with open_engine(Limits(resume_limit=30)) as engine:
        talk = await engine.create(ADA)
        await fill(engine, talk, 100)
        reader = await engine.connect(talk, ADA, last)
        [connected] = reader.of(Connected)
        assert (connected.resume, connected.first_sequence) == (resume, first)
        assert reader.sequences == list(range(first, 102))


async def test_without_a_limit_everything_is_sent_on_a_socket(autojump_clock: MockClock) -> None:
    async with open_engine(Limits(resume_limit=0)) as engine:
        talk = await engine.create(ADA)
        await fill(engine, talk)
        assert (await engine.connect(talk, ADA, 0)).sequences == list(range(1, MANY + 2))


async def test_who_is_no_member_is_sent_away(engine: Engine, talk: str) -> None:
    reader = await engine.connect(talk, DAN)
    assert reader.closed == (4503, "no longer a participant")
    assert reader.heard == []
    assert not engine.conversation(talk).audience


async def test_of_many_members_those_online_are_listed_first(autojump_clock: MockClock) -> None:
    async with open_engine(Limits(max_participants=0)) as engine:
        crowd = [Participant(f"p{n}", "P") for n in range(LISTED_MEMBERS + 5)]
        talk = await engine.create(ADA, *crowd)
        await engine.connect(talk, crowd[-1])
        reader = await engine.connect(talk, crowd[-2])
        [people] = reader.of(ParticipantList)
        assert people.participant_count == LISTED_MEMBERS + 6
        assert len(people.members) == LISTED_MEMBERS
        assert [member.is_online for member in people.members[:3]] == [True, True, False]


async def test_what_is_committed_while_a_connection_comes_in_is_heard_once(
    engine: Engine, talk: str
) -> None:
    engine.store.hold("append")
    ada, ben = Reader(engine, talk, ADA), Reader(engine, talk, BEN)
    ada.post("under way")
    await engine.settle()
    ada.post("waiting")
    ben.tell(Attach(talk, ben, 1))
    ada.post("waiting too")
    engine.store.let_go()
    await engine.settle()
    assert ben.contents == ["under way", "waiting", "waiting too"]


async def test_many_who_come_at_once_let_others_have_their_turns(engine: Engine) -> None:
    talk = await engine.create(ADA)
    actor = engine.conversation(talk)
    readers = [Reader(engine, talk, ADA) for _ in range(BREATH_EVERY * 4)]
    for reader in readers:
        actor.actor_ref.tell(Attach(talk, reader))
    turns, system_turns = actor.turns, engine.system.turns
    await engine.settle()
    assert actor.turns == turns + 1
    assert engine.system.turns == system_turns + 5
    assert all(reader.caught_up for reader in readers)


# --- falling behind -------------------------------------------------------------------------------------------------------


async def test_a_slow_reader_costs_nobody_else_and_misses_nothing(
    engine: Engine, talk: str
) -> None:
    slow, quick = await engine.connect(talk, BEN), await engine.connect(talk, CLEO)
    slow.room = FULL
    await fill(engine, talk)
    assert quick.sequences == list(range(1, MANY + 2))
    assert slow.sequences == [1]
    assert slow.of(Lagging) == [Lagging(1)]
    slow.drain()
    await engine.settle()
    assert slow.sequences == quick.sequences
    assert slow.heard[-1] == CaughtUp(MANY + 1)
    await engine.post(talk, ADA, "live again")
    await engine.settle()
    assert slow.contents[-1] == "live again"


@pytest.mark.parametrize("last", [0, MANY - RECENT_EVENTS // 2])
@pytest.mark.parametrize("room", [0, 1, 2, 3])
async def test_a_reader_that_has_no_room_at_any_moment_misses_nothing(
    engine: Engine, talk: str, room: int, last: int
) -> None:
    await fill(engine, talk)
    reader = Reader(engine, talk, BEN)
    reader.room = room
    reader.tell(Attach(talk, reader, last))
    for n in range(5):
        await engine.post(talk, ADA, f"meanwhile {n}")
        await engine.settle()
        reader.drain(room=1)
        await engine.settle()
    reader.drain()
    await engine.settle()
    assert reader.sequences == list(range(last + 1, MANY + 7))
    assert reader.caught_up


async def test_a_reader_that_goes_while_the_log_is_read_for_it_is_forgotten(
    engine: Engine, talk: str
) -> None:
    await fill(engine, talk)
    engine.store.hold("read")
    reader = await engine.connect(talk, BEN, 0)
    reader.close(1000)
    await engine.settle()
    engine.store.let_go()
    await engine.settle()
    assert reader.sequences == []
    assert not engine.conversation(talk).audience


async def test_a_reader_that_goes_in_the_middle_of_a_delivery_harms_nobody(
    engine: Engine, talk: str
) -> None:
    class Leaving(Reader):
        def deliver(self, payload: bytes) -> bool:
            self.close(1006)
            return super().deliver(payload)

    first = await engine.connect(talk, BEN)
    leaving = Leaving(engine, talk, BEN)
    await engine.settle()
    leaving.tell(Attach(talk, leaving, 1))
    await engine.settle()
    last = await engine.connect(talk, CLEO)
    await engine.post(talk, ADA, "hello")
    await engine.settle()
    assert first.contents == last.contents == ["hello"]
    assert list(engine.conversation(talk).audience) == [first, last]


# --- asking again ---------------------------------------------------------------------------------------------------------


async def test_a_reader_may_ask_again_for_everything_after_a_place(
    engine: Engine, talk: str
) -> None:
    await fill(engine, talk)
    reader = await engine.connect(talk, BEN)
    reader.heard.clear()
    reader.tell(Sync(talk, reader, 2))
    await engine.settle()
    assert reader.sequences == list(range(3, MANY + 2))
    assert reader.heard[-1] == CaughtUp(MANY + 1)
    assert not reader.of(Connected, ParticipantList)


async def test_a_reader_that_asks_from_too_far_is_told_where_it_begins(
    autojump_clock: MockClock,
) -> None:
    async with open_engine(Limits(resume_limit=30)) as engine:
        talk = await engine.create(ADA)
        await fill(engine, talk, 100)
        reader = await engine.connect(talk, ADA)
        reader.heard.clear()
        reader.tell(Sync(talk, reader, 0))
        await engine.settle()
        [connected] = reader.of(Connected)
        assert (connected.resume, connected.first_sequence) == ("reset", 72)
        assert reader.sequences == list(range(72, 102))
        assert not reader.of(ParticipantList)


async def test_asking_again_while_catching_up_begins_from_the_new_place(
    engine: Engine, talk: str
) -> None:
    await fill(engine, talk)
    engine.store.hold("read")
    reader = await engine.connect(talk, BEN, 0)
    for last in (9, 5):
        reader.tell(Sync(talk, reader, last))
        await engine.settle()
    reads = engine.store.calls.count("read")
    engine.store.let_go()
    await engine.settle()
    assert reader.sequences == list(range(6, MANY + 2))
    assert reads == 1, "one page at a time, however often it asks"


async def test_who_is_not_attached_cannot_ask(engine: Engine, talk: str) -> None:
    reader = Reader(engine, talk, BEN)
    reader.tell(Sync(talk, reader, 0))
    reader.tell(Detach(talk, reader))
    await engine.settle()
    assert reader.heard == []


# --- when the store fails -------------------------------------------------------------------------------------------------


async def test_what_cannot_be_committed_is_refused_and_never_was(engine: Engine, talk: str) -> None:
    ada, ben = await engine.connect(talk, ADA), await engine.connect(talk, BEN)
    engine.store.fail("append")
    ada.post("lost", "k")
    ada.tell(SetTyping(talk, ADA, True))
    await engine.settle()
    refusals = ada.of(Refusal)
    for refusal in refusals:
        refused(refusal, Code.STORE_UNAVAILABLE)
        assert refusal.scope == "server"
        assert refusal.retry_after
    assert [refusal.key for refusal in refusals] == ["k", None]
    recorder = engine.conversation(talk).recorder
    trace = recorder.traces[-1]
    assert [envelope.refusal for envelope in recorder.envelopes[-2:]] == refusals
    assert (trace.size, trace.refused, trace.first_sequence) == (2, 2, 0)
    assert ben.events == ben.of(Created)

    receipt = accepted(await engine.post(talk, ADA, "lost", "k"))
    assert (receipt.sequence, receipt.duplicate) == (2, False)
    await engine.settle()
    assert ada.sequences == ben.sequences == [1, 2]
    assert went_away(ada) is None


async def test_a_commit_that_failed_and_took_effect_is_heard_of_once(
    engine: Engine, talk: str
) -> None:
    ada, ben = await engine.connect(talk, ADA), await engine.connect(talk, BEN)
    await engine.post(talk, ADA, "before")
    engine.store.fail("append", afterwards=True)
    refused(await engine.post(talk, ADA, "stored", "k"), Code.STORE_UNAVAILABLE)
    again = accepted(await engine.post(talk, ADA, "stored", "k"))
    assert (again.sequence, again.duplicate) == (3, True)
    await engine.post(talk, BEN, "after")
    await engine.settle()
    assert ada.contents == ben.contents == ["before", "stored", "after"]
    assert (await engine.connect(talk, CLEO)).contents == ben.contents


async def test_a_commit_that_failed_and_took_effect_is_heard_of_though_nobody_writes(
    engine: Engine, talk: str
) -> None:
    ben = await engine.connect(talk, BEN)
    engine.store.fail("append", afterwards=True)
    await engine.post(talk, ADA, "stored")
    engine.store.fail("load")
    assert ben.contents == []
    await trio.sleep(2 * RELOAD_AFTER + 0.1)
    assert ben.contents == ["stored"]
    calls = list(engine.store.calls)
    await trio.sleep(100)
    assert engine.store.calls == calls, "once it is known nobody asks any more"


async def test_a_large_commit_that_failed_and_took_effect_is_read_from_the_log(
    engine: Engine, talk: str
) -> None:
    ada, ben = await engine.connect(talk, ADA), await engine.connect(talk, BEN)
    engine.store.hold("append")
    ada.post("first")
    await engine.settle()
    engine.store.fail("append", afterwards=True)
    for n in range(RECENT_EVENTS * 2):
        Reader(engine, talk, (ADA, BEN, CLEO)[n % 3]).post(str(n))
    await engine.settle()
    engine.store.let_go()
    await engine.settle()
    await engine.post(talk, CLEO, "after")
    await engine.settle()
    assert ada.sequences == ben.sequences == list(range(1, RECENT_EVENTS * 2 + 4))
    assert went_away(ada) is went_away(ben) is None


async def test_who_has_left_by_a_commit_that_failed_and_took_effect_hears_nothing_more(
    engine: Engine, talk: str
) -> None:
    ada, ben = await engine.connect(talk, ADA), await engine.connect(talk, BEN)
    engine.store.fail("append", afterwards=True)
    refused(await engine.leave(talk, BEN), Code.STORE_UNAVAILABLE)
    await engine.post(talk, ADA, "among us")
    await engine.settle()
    assert ben.contents == []
    assert went_away(ben) == 1000
    assert ada.contents == ["among us"]


@pytest.mark.parametrize("call", ["load", "read"])
async def test_where_a_conversation_cannot_be_loaded_people_are_told_and_may_try_again(
    engine: Engine, talk: str, call: Any
) -> None:
    engine.directory.passivate(engine.conversation(talk))
    engine.store.fail(call)
    reader = await engine.connect(talk, ADA)
    assert went_away(reader) == 4002
    assert engine.directory.passivate(engine.conversation(talk))
    engine.store.fail(call)
    refusal = refused(await engine.post(talk, ADA, "hello", "k"), Code.STORE_UNAVAILABLE)
    assert refusal.key == "k"
    assert not engine.conversation(talk).audience
    again = await engine.connect(talk, ADA)
    accepted(await engine.post(talk, ADA, "hello", "k"))
    await engine.settle()
    assert again.sequences == [1, 2]


async def test_where_the_log_cannot_be_read_for_one_reader_only_that_one_is_sent_away(
    engine: Engine, talk: str
) -> None:
    await fill(engine, talk)
    ben = await engine.connect(talk, BEN)
    engine.store.fail("read")
    cleo = await engine.connect(talk, CLEO, 0)
    assert went_away(cleo) == 4002
    assert went_away(ben) is None
    assert list(engine.conversation(talk).audience) == [ben]
    assert (await engine.connect(talk, CLEO, 0)).sequences == list(range(1, MANY + 2))


async def test_a_store_that_breaks_while_the_log_is_read_takes_one_conversation(
    engine: Engine, talk: str
) -> None:
    await fill(engine, talk)
    other = await engine.connect(await engine.create(ADA), ADA)
    engine.store.hold("read")
    engine.store.fail("read", ValueError("a bug of the store"))
    reader = await engine.connect(talk, BEN, 0)
    engine.store.let_go()
    await engine.settle()
    assert went_away(reader) == 4002
    assert went_away(other) is None
    assert (await engine.connect(talk, BEN, 0)).sequences == list(range(1, MANY + 2))


async def test_who_closes_while_the_store_fails_is_not_shown_online_for_ever(
    engine: Engine, talk: str
) -> None:
    ada, ben = await engine.connect(talk, ADA), await engine.connect(talk, BEN)
    await trio.sleep(2)
    engine.store.hold("append")
    ada.post("lost")
    await engine.settle()
    ada.post("lost too")
    ben.close(1000)
    await engine.settle()
    engine.store.fail("append")
    engine.store.fail("load")
    engine.store.let_go()
    await trio.sleep(20)
    told = [change for presence in ada.of(Presence) for change in presence.changes]
    assert [online for who, online in told if who == "ben"] == [True, False]


# --- crashes --------------------------------------------------------------------------------------------------------------


async def test_a_crash_sends_everyone_to_a_fresh_socket_and_nothing_is_lost(
    engine: Engine, talk: str
) -> None:
    live, slow = await engine.connect(talk, BEN), await engine.connect(talk, CLEO)
    slow.room = FULL
    await engine.post(talk, ADA, "before")
    crash(engine, talk)
    await engine.settle()
    assert went_away(live) == went_away(slow) == 4002
    accepted(await engine.post(talk, ADA, "after"))
    for gone, who in ((live, BEN), (slow, CLEO)):
        again = await engine.connect(talk, who, gone.sequences[-1])
        assert gone.sequences + again.sequences == [1, 2, 3]


async def test_a_crash_before_the_commit_is_as_if_nothing_was_said(
    engine: Engine, talk: str
) -> None:
    engine.store.fail("append", ValueError("a bug"))
    with pytest.raises(ActorDied):
        await engine.post(talk, ADA, "lost", "k")
    receipt = accepted(await engine.post(talk, ADA, "lost", "k"))
    assert (receipt.sequence, receipt.duplicate) == (2, False)


async def test_a_crash_after_the_commit_keeps_what_was_said_and_the_same_key_finds_it(
    engine: Engine, talk: str
) -> None:
    class Broken(Reader):
        def deliver(self, payload: bytes) -> bool:
            if b"hello" in payload:
                raise ValueError("a bug of the edge")
            return super().deliver(payload)

    ada = await engine.connect(talk, ADA)
    broken, behind = Broken(engine, talk, BEN), Reader(engine, talk, CLEO)
    for reader in (broken, behind):
        reader.tell(Attach(talk, reader))
    await engine.settle()
    ada.post("hello", "k")
    await engine.settle()
    assert [receipt.sequence for receipt in ada.of(Receipt)] == [2], "it was committed"
    assert went_away(ada) == went_away(broken) == went_away(behind) == 4002
    receipt = accepted(await engine.post(talk, ADA, "hello", "k"))
    assert (receipt.sequence, receipt.duplicate) == (2, True)
    assert (await engine.connect(talk, CLEO, 1)).contents == ["hello"]


async def test_one_that_is_stopped_lets_nobody_wait(engine: Engine, talk: str) -> None:
    ada = await engine.connect(talk, ADA)
    engine.store.hold("append")
    asked: Future[Any] = Future()
    engine.conversation(talk).actor_ref.tell(Post(talk, ADA, "hello"), asked)
    await engine.settle()
    engine.directory.forget(engine.conversation(talk))
    assert went_away(ada) == 4002
    with pytest.raises(ActorDied):
        asked.get()


# --- presence -------------------------------------------------------------------------------------------------------------


def told(reader: Reader) -> list[tuple[str, bool]]:
    return [change for presence in reader.of(Presence) for change in presence.changes]


async def test_the_others_hear_who_comes_online_and_after_a_grace_who_is_gone(
    engine: Engine, talk: str
) -> None:
    ada = await engine.connect(talk, ADA)
    await trio.sleep(2)
    here, there = await engine.connect(talk, BEN), await engine.connect(talk, BEN)
    await trio.sleep(2)
    here.close(1000)
    await trio.sleep(10)
    assert told(ada) == [("ada", True), ("ben", True)]
    there.close(1000)
    await trio.sleep(4.9)
    assert told(ada) == [("ada", True), ("ben", True)]
    await trio.sleep(0.2)
    assert told(ada) == [("ada", True), ("ben", True), ("ben", False)]


async def test_nobody_hears_of_one_who_reconnects(engine: Engine, talk: str) -> None:
    ada = await engine.connect(talk, ADA)
    for _ in range(10):
        ben = await engine.connect(talk, BEN)
        await trio.sleep(2)
        ben.close(1000)
        await trio.sleep(3)
    assert told(ada) == [("ada", True), ("ben", True)]


async def test_presence_is_gathered_to_one_signal_a_second(
    autojump_clock: MockClock,
) -> None:
    async with open_engine() as engine:
        crowd = [Participant(f"p{n}", "P") for n in range(30)]
        talk = await engine.create(ADA, *crowd)
        ada = await engine.connect(talk, ADA)
        for who in crowd:
            await engine.connect(talk, who)
            await trio.sleep(0.1)
        await trio.sleep(2)
        assert len(ada.of(Presence)) <= 5
        assert dict(told(ada)) == {"ada": True} | {who.id: True for who in crowd}


async def test_who_is_gone_is_offline_though_nobody_is_there_to_hear_it(
    engine: Engine, talk: str
) -> None:
    ben = await engine.connect(talk, BEN)
    ben.close(1000)
    await trio.sleep(10)
    snapshot = await engine.directory.look(talk)
    assert snapshot is not None
    assert not any(member.is_online for member in snapshot.members)
    ada = await engine.connect(talk, ADA)
    [people] = ada.of(ParticipantList)
    assert [member.is_online for member in people.members] == [True, False, False]


async def test_coming_and_going_for_a_long_time_sets_no_more_timers(engine: Engine) -> None:
    crowd = [Participant(f"p{n}", "P") for n in range(90)]
    talk = await engine.create(ADA, *crowd)
    here: list[Reader] = []
    for n, who in enumerate(crowd):  # all come, and every fourth time somebody goes
        here.append(await engine.connect(talk, who))
        await trio.sleep(0.7)
        if n % 4 == 0:
            here.pop(0).close(1000)
        assert len(engine.system._timers) < 10


# --- typing ---------------------------------------------------------------------------------------------------------------


async def test_the_others_see_somebody_type_until_they_stop_or_forget_to(
    engine: Engine, talk: str
) -> None:
    ada, ben = await engine.connect(talk, ADA), await engine.connect(talk, BEN)
    await engine.do(SetTyping(talk, ADA, True))
    await engine.do(SetTyping(talk, ADA, False))
    assert ben.of(Typing) == [Typing("ada", True), Typing("ada", False)]
    await trio.sleep(2)
    await engine.do(SetTyping(talk, ADA, True))
    await trio.sleep(4.9)
    assert ben.of(Typing)[2:] == [Typing("ada", True)]
    await trio.sleep(0.2)
    assert ben.of(Typing)[2:] == [Typing("ada", True), Typing("ada", False)]
    await trio.sleep(20)
    assert len(ben.of(Typing)) == 4
    assert ada.of(Typing) == []


async def test_a_message_ends_typing_and_typing_may_begin_again_at_once(
    engine: Engine, talk: str
) -> None:
    ben = await engine.connect(talk, BEN)
    await engine.do(SetTyping(talk, ADA, True))
    await engine.post(talk, ADA, "hello")
    await engine.do(SetTyping(talk, ADA, True))
    await engine.settle()
    assert ben.of(Typing, Posted) == [
        Typing("ada", True),
        *ben.of(Posted),
        Typing("ada", False),
        Typing("ada", True),
    ]


async def test_who_types_and_says_it_in_one_batch_is_not_seen_typing(
    engine: Engine, talk: str
) -> None:
    ada, ben = await engine.connect(talk, ADA), await engine.connect(talk, BEN)
    ada.tell(SetTyping(talk, ADA, True))
    ada.post("hello")
    ada.tell(SetTyping(talk, ADA, True))
    ada.tell(SetTyping(talk, ADA, False))
    await trio.sleep(10)
    assert ben.contents == ["hello"]
    assert ben.of(Typing) == []


async def test_who_goes_types_no_more(engine: Engine, talk: str) -> None:
    ada, ben, cleo = [await engine.connect(talk, who) for who in (ADA, BEN, CLEO)]
    ada.tell(SetTyping(talk, ADA, True))
    cleo.tell(SetTyping(talk, CLEO, True))
    cleo.tell(Leave(talk, CLEO))
    await engine.settle()
    ada.close(1000)
    await trio.sleep(10)
    assert ben.of(Typing) == [Typing("ada", True), Typing("ada", False)]


# --- reading --------------------------------------------------------------------------------------------------------------


async def test_how_far_one_has_read_is_told_to_ones_other_connections(
    engine: Engine, talk: str
) -> None:
    here, there = await engine.connect(talk, ADA), await engine.connect(talk, ADA)
    ben = await engine.connect(talk, BEN)
    await engine.post(talk, BEN, "hello")
    here.tell(MarkRead(talk, ADA, 2))
    here.tell(MarkRead(talk, ADA, 1))
    await engine.settle()
    assert here.of(ReadMarked) == [ReadMarked(2), ReadMarked(2)]
    assert there.of(ReadMoved) == [ReadMoved("ada", 2)]
    assert here.of(ReadMoved) == []
    assert ben.of(ReadMoved) == [ReadMoved("ben", 2)], "posted over HTTP, so his tab is told"


async def test_where_reading_is_shared_everyone_is_told(engine: Engine) -> None:
    talk = await engine.create(ADA, BEN, share_reads=True)
    ada, ben = await engine.connect(talk, ADA), await engine.connect(talk, BEN)
    await engine.do(MarkRead(talk, ADA, 1))
    assert ada.of(ReadMoved) == ben.of(ReadMoved) == [ReadMoved("ada", 1)]


async def test_how_far_one_has_read_is_kept_but_not_of_who_left(engine: Engine, talk: str) -> None:
    ben = await engine.connect(talk, BEN)
    await engine.do(MarkRead(talk, ADA, 1))
    ben.tell(MarkRead(talk, BEN, 1))
    ben.tell(Leave(talk, BEN))
    ben.tell(Join(talk, BEN, Entrant(BEN)))
    await engine.settle()
    state = engine.conversation(talk).state
    crash(engine, talk)
    await engine.settle()
    snapshot = await engine.directory.look(talk)
    assert snapshot is not None
    assert snapshot.state == state
    assert snapshot.state.reads == {"ada": 1, "ben": snapshot.state.head}


async def test_the_store_says_why_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    async with open_engine() as engine:
        talk = await engine.create(ADA)
        engine.store.fail("append", StoreError("the disk is on fire"))
        refusal = refused(await engine.post(talk, ADA, "hello"), Code.STORE_UNAVAILABLE)
        assert "the disk is on fire" in caplog.text
        assert "fire" not in refusal.text, "which is for operators, not for people"


async def test_slow_mode_does_not_last_until_a_clock_that_was_set_back_has_caught_up(
    autojump_clock: MockClock,
) -> None:
    async with open_engine() as engine:
        ahead = [3_600_000]
        engine.directory.sources = seeded_sources(
            now=lambda: round(trio.current_time() * 1000) + ahead[0]
        )
        talk = await engine.create(ADA, BEN, slow_mode=5)
        accepted(await engine.post(talk, BEN, "one"))
        refusal = refused(await engine.post(talk, BEN, "at once"), Code.SLOW_MODE)
        ahead[0] = 0
        await trio.sleep(refusal.retry_after or 0)
        accepted(await engine.post(talk, BEN, "two"))
