"""The directory: finding, activating, passivating and restarting."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from salon.actors.directory import SWEEP_INTERVAL, Snapshot
from salon.actors.events import Introduced, Posted
from salon.actors.future import Future
from salon.actors.limits import Limits
from salon.actors.messages import Admit, Attach, Create, Look
from salon.actors.refusals import Code, Refusal
from salon.actors.runtime import ActorDied
from salon.actors.store import StoreError
from tests.unit.engine import ADA, BEN, CLEO, Engine, Reader, accepted, open_engine, refused

LIMITS = Limits(idle_timeout=60, restarts_per_minute=3)


def crash(engine: Engine, conversation_id: str) -> None:
    """Tell a conversation what only participants understand."""
    engine.directory.conversation(conversation_id).tell(Admit("nonsense"))


async def passivated(engine: Engine) -> str:
    """A conversation with one message that is not active any more."""
    conversation = await engine.create(ADA, BEN)
    await engine.post(conversation, ADA, "first", "k")
    assert engine.directory.passivate(engine.conversation(conversation))
    assert engine.directory.active(conversation) is None
    return conversation


# --- activating -----------------------------------------------------------------------------------------------------------


async def test_a_conversation_is_loaded_when_it_is_needed_and_once(engine: Engine) -> None:
    conversation = await passivated(engine)
    engine.store.calls.clear()
    accepted(await engine.post(conversation, BEN, "second"))
    accepted(await engine.post(conversation, ADA, "third"))
    assert engine.store.calls.count("load") == 1
    assert engine.directory.conversation(conversation) is engine.directory.conversation(
        conversation
    )


async def test_after_passivation_everything_is_as_it_was(engine: Engine) -> None:
    conversation = await passivated(engine)
    receipt = accepted(await engine.post(conversation, BEN, "second"))
    assert receipt.sequence == 3
    again = accepted(await engine.post(conversation, ADA, "first", "k"))
    assert (again.sequence, again.duplicate) == (2, True)
    assert len(engine.log(conversation)) == 3


async def test_all_who_ask_for_what_does_not_exist_are_told_so(engine: Engine) -> None:
    engine.store.hold("load")
    outcomes: list[Any] = []

    async def post() -> None:
        outcomes.append(await engine.post("nowhere", ADA, "hello"))

    async def look() -> None:
        outcomes.append(await engine.directory.look("nowhere"))

    async with trio.open_nursery() as nursery:
        for question in (post, look, post, look):
            nursery.start_soon(question)
            await engine.settle()
        engine.store.let_go()
    assert sum(outcome is None for outcome in outcomes) == 2
    for outcome in outcomes:
        if outcome is not None:
            refused(outcome, Code.NOT_FOUND)
    assert engine.directory.conversations == {}, "and nothing of it is kept"


async def test_who_comes_for_a_conversation_that_does_not_exist_is_sent_away(
    engine: Engine,
) -> None:
    reader = await engine.connect("nowhere", ADA)
    assert reader.closed == (4503, "no longer a participant")
    assert engine.directory.conversations == {}


async def test_a_conversation_that_may_not_begin_is_not_kept(autojump_clock: MockClock) -> None:
    async with open_engine(Limits(max_participants=1)) as engine:
        with pytest.raises(AssertionError):
            await engine.create(ADA, BEN)
        assert engine.directory.conversations == {}


# --- looking --------------------------------------------------------------------------------------------------------------


async def look(engine: Engine, conversation_id: str) -> Snapshot:
    snapshot = await engine.directory.look(conversation_id)
    assert snapshot is not None
    return snapshot


async def test_looking_wakes_what_is_not_active(engine: Engine) -> None:
    conversation = await passivated(engine)
    snapshot = await look(engine, conversation)
    assert (snapshot.state.head, snapshot.state.messages) == (2, 1)
    assert [member.participant for member in snapshot.members] == [ADA, BEN]
    assert await engine.directory.look("nowhere") is None


async def test_looking_waits_behind_nobody_and_sees_only_what_is_committed(engine: Engine) -> None:
    conversation = await engine.create(ADA)
    engine.store.hold("append")
    Reader(engine, conversation, ADA).post("not yet")
    await engine.settle()
    assert engine.conversation(conversation).busy
    with trio.fail_after(0):
        snapshot = await look(engine, conversation)
    assert snapshot.state.head == 1
    engine.store.let_go()
    await engine.settle()
    assert (await look(engine, conversation)).state.head == 2
    assert snapshot.state.head == 1, "a snapshot does not change"


async def test_looking_at_a_conversation_that_is_being_created_waits_for_it(engine: Engine) -> None:
    engine.store.hold("append")
    engine.directory.participant("ada").tell(Create("new", ADA, "New"))
    await engine.settle()
    seen: list[Snapshot | None] = []

    async def see() -> None:
        seen.append(await engine.directory.look("new"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(see)
        await engine.settle()
        assert seen == []
        engine.store.let_go()
    assert seen[0] is not None
    assert seen[0].state.title == "New"


@pytest.mark.parametrize("call", ["load", "read"])
async def test_looking_where_the_store_fails_says_so_and_works_later(
    engine: Engine, call: Any
) -> None:
    conversation = await passivated(engine)
    engine.store.fail(call)
    with pytest.raises(StoreError):
        await engine.directory.look(conversation)
    assert (await look(engine, conversation)).state.head == 2


async def test_looking_survives_a_passivation_in_between(engine: Engine) -> None:
    conversation = await passivated(engine)
    engine.store.hold("load")
    seen: list[Snapshot] = []

    async def see() -> None:
        seen.append(await look(engine, conversation))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(see)
        await engine.settle()
        engine.directory.forget(engine.conversation(conversation))
        await engine.settle()
        engine.store.let_go()
    assert seen[0].state.head == 2


# --- passivating ----------------------------------------------------------------------------------------------------------


async def test_what_is_idle_and_unobserved_is_swept_away_in_time(autojump_clock: MockClock) -> None:
    async with open_engine(LIMITS) as engine, trio.open_nursery() as nursery:
        nursery.start_soon(engine.directory.sweep)
        quiet, observed, busy = [await engine.create(ADA) for _ in range(3)]
        await engine.connect(observed, ADA)
        await trio.sleep(LIMITS.idle_timeout - 1)
        assert len(engine.directory.conversations) == 3
        await engine.post(busy, ADA, "still here")
        await trio.sleep(SWEEP_INTERVAL + 2)
        assert engine.directory.conversations.keys() == {observed, busy}
        await trio.sleep(LIMITS.idle_timeout + SWEEP_INTERVAL)
        assert engine.directory.conversations.keys() == {observed}
        assert engine.directory.participants.keys() == {"ada"}, "she has a connection"
        assert engine.directory.meter.passivations == 2
        assert [actor.key for actor in engine.directory] == [observed, "ada"]
        assert quiet not in engine.directory.conversations
        nursery.cancel_scope.cancel()


async def test_what_somebody_needs_is_not_passivated(engine: Engine) -> None:
    conversation = await engine.create(ADA, BEN)
    actor = engine.conversation(conversation)

    reader = await engine.connect(conversation, ADA)
    assert not engine.directory.passivate(actor), "somebody listens"
    reader.close(1000)
    await engine.settle()

    engine.store.hold("append")
    Reader(engine, conversation, ADA).post("under way")
    await engine.settle()
    assert not engine.directory.passivate(actor), "a turn is under way"
    engine.store.let_go()
    await engine.settle()

    actor.actor_ref.tell(Look())
    assert not engine.directory.passivate(actor), "something waits"
    await engine.settle()

    assert engine.directory.passivate(actor)
    assert not engine.directory.passivate(actor), "once"


async def test_who_comes_just_after_the_passivation_is_served_by_the_next(engine: Engine) -> None:
    conversation = await engine.create(ADA, BEN)
    actor = engine.conversation(conversation)
    reader = Reader(engine, conversation, BEN)
    reader.tell(Attach(conversation, reader, 0))
    reader.post("hello")
    assert engine.directory.passivate(actor), "what is on its way has not arrived"
    await engine.settle()
    assert engine.conversation(conversation) is not actor
    assert reader.sequences == [1, 2]
    assert reader.closed is None


async def test_presence_and_typing_that_were_to_end_keep_nobody_awake(
    autojump_clock: MockClock,
) -> None:
    async with open_engine(LIMITS) as engine:
        conversation = await engine.create(ADA)
        reader = await engine.connect(conversation, ADA)
        reader.close(1000)
        await engine.settle()
        assert engine.directory.passivate(engine.conversation(conversation))
        await trio.sleep(100)
        assert engine.directory.active(conversation) is None


# --- restarting -----------------------------------------------------------------------------------------------------------


async def test_a_crash_takes_one_conversation_and_the_next_is_right(engine: Engine) -> None:
    conversation, other = await engine.create(ADA), await engine.create(ADA)
    await engine.post(conversation, ADA, "first", "k")
    neighbour = engine.conversation(other)
    crash(engine, conversation)
    await engine.settle()

    assert engine.directory.active(conversation) is None
    assert engine.directory.meter.restarts == 1
    receipt = accepted(await engine.post(conversation, ADA, "first", "k"))
    assert (receipt.sequence, receipt.duplicate) == (2, True)
    assert engine.directory.restarts(engine.conversation(conversation)) == 1
    assert engine.conversation(other) is neighbour
    assert engine.directory.restarts(neighbour) == 0


async def test_what_crashes_too_often_is_refused_for_the_rest_of_the_minute(
    autojump_clock: MockClock,
) -> None:
    async with open_engine(LIMITS) as engine:
        conversation, other = await engine.create(ADA), await engine.create(ADA)
        for _ in range(3):
            await trio.sleep(10)
            crash(engine, conversation)
            await engine.settle()
        with pytest.raises(ActorDied, match="crashed 3 times within a minute"):
            engine.directory.conversation(conversation)
        with pytest.raises(ActorDied):
            await engine.directory.look(conversation)
        refused(await engine.post(conversation, ADA, "hello"), Code.INTERNAL_ERROR)
        accepted(await engine.post(other, ADA, "hello"))
        await trio.sleep(40)
        accepted(await engine.post(conversation, ADA, "hello"))


async def test_a_bound_of_zero_restarts_for_ever(autojump_clock: MockClock) -> None:
    async with open_engine(Limits(restarts_per_minute=0)) as engine:
        conversation = await engine.create(ADA)
        for _ in range(20):
            crash(engine, conversation)
            await engine.settle()
        accepted(await engine.post(conversation, ADA, "hello"))


async def test_crashes_are_forgotten_after_a_while(autojump_clock: MockClock) -> None:
    async with open_engine(LIMITS) as engine, trio.open_nursery() as nursery:
        nursery.start_soon(engine.directory.sweep)
        conversation = await engine.create(ADA)
        reader = await engine.connect(conversation, ADA)
        crash(engine, conversation)
        await engine.settle()
        assert reader.closed is not None
        await engine.connect(conversation, ADA)
        actor = engine.conversation(conversation)
        assert engine.directory.restarts(actor) == 1
        await trio.sleep(61 + SWEEP_INTERVAL)
        assert engine.directory.restarts(actor) == 0
        nursery.cancel_scope.cancel()


async def test_what_waited_for_a_conversation_that_crashes_hears_of_it(engine: Engine) -> None:
    conversation = await engine.create(ADA, BEN)
    engine.store.hold("append")
    engine.store.fail("append", ValueError("a bug"))
    taken, waiting, coming = (Reader(engine, conversation, ADA) for _ in range(3))
    taken.post("taken")
    await engine.settle()
    waiting.post("waiting")
    coming.tell(Attach(conversation, coming))
    asked: Future[Any] = Future()
    engine.conversation(conversation).actor_ref.tell(Look(), asked)
    await engine.settle()
    engine.store.let_go()
    await engine.settle()
    for reader in (taken, waiting, coming):
        assert reader.closed is not None
        assert reader.closed[0] == 4002
    with pytest.raises(ActorDied):
        asked.get()
    assert len(engine.log(conversation)) == 1


async def test_the_meter_counts(engine: Engine) -> None:
    meter = engine.directory.meter
    conversation = await engine.create(ADA, BEN)
    await engine.connect(conversation, BEN)
    await engine.connect(conversation, BEN)
    await engine.post(conversation, ADA, "hello")
    await engine.join(conversation, CLEO)
    assert (meter.batches, meter.events, meter.messages, meter.deliveries) == (3, 3, 1, 4)
    engine.store.fail("append")
    assert isinstance(await engine.post(conversation, ADA, "hello"), Refusal)
    assert meter.store_errors == 1
    assert meter.activations == 1
    assert [type(event) for event in engine.log(conversation)].count(Posted) == 1


async def test_nothing_is_left_of_what_is_passivated_not_even_for_the_garbage_collector(
    autojump_clock: MockClock,
) -> None:
    async with open_engine(Limits(message_rate=0)) as engine:
        talk = await engine.create(ADA, BEN)
        await engine.post(talk, ADA, "hello")
        gone = [weakref.ref(actor) for actor in engine.directory]
        assert len(gone) > 1
        gc.collect()
        gc.disable()
        try:
            for actor in list(engine.directory):
                assert engine.directory.passivate(actor)
            del actor
            assert [ref() for ref in gone] == [None] * len(gone)
        finally:
            gc.enable()


async def test_a_new_name_is_told_at_once_but_not_while_the_server_drains(engine: Engine) -> None:
    talk = await engine.create(ADA, BEN)
    await engine.connect(talk, BEN)
    await engine.directory.rename(ADA._replace(name="Countess"))
    await engine.settle()
    engine.directory.draining = lambda: 1.0
    await engine.directory.rename(ADA._replace(name="Lady"))
    await engine.settle()
    names = [each.participant.name for each in engine.log(talk) if isinstance(each, Introduced)]
    assert names == ["Countess"]
