"""The participant: who may send how fast, over how many connections, and what becomes of commands on their way."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from salon.actors.events import Created, Posted
from salon.actors.future import Future
from salon.actors.limits import Limits
from salon.actors.mailbox import MailboxFull
from salon.actors.messages import (
    Admit,
    Attach,
    Create,
    Detach,
    Look,
    MarkRead,
    Post,
    ReadMarked,
    Receipt,
    Revoke,
    SetTyping,
    Sync,
)
from salon.actors.model import Participant
from salon.actors.participant import BUCKETS_KEPT, WAITING
from salon.actors.refusals import Code, Refusal
from salon.actors.runtime import ActorDied
from salon.actors.signals import Connected
from tests.unit.engine import ADA, BEN, CLEO, Engine, Reader, accepted, open_engine, refused

LIMITS = Limits(message_rate=2, message_burst=5)


def crash(engine: Engine, who: Participant) -> None:
    """Tell a participant what only conversations understand."""
    engine.directory.participant(who.id).tell(Look())


# --- forwarding -----------------------------------------------------------------------------------------------------------


async def test_a_command_goes_to_its_conversation_and_the_outcome_to_who_sent_it(
    engine: Engine,
) -> None:
    conversation = await engine.create(ADA, BEN)
    ben = await engine.connect(conversation, BEN)
    ben.post("hello", key="k")
    await engine.settle()
    [receipt] = ben.of(Receipt)
    assert receipt.key == "k"
    assert ben.contents == ["hello"]


async def test_what_comes_over_one_connection_is_done_in_order(engine: Engine) -> None:
    conversation = await engine.create(ADA, BEN)
    reader = Reader(engine, conversation, BEN)
    reader.tell(Attach(conversation, reader))
    for n in range(5):
        reader.post(str(n))
    reader.close(1000)
    await engine.settle()
    assert [event.content for event in engine.log(conversation)[1:]] == list("01234")  # type: ignore[union-attr]
    assert not engine.conversation(conversation).audience


async def test_of_an_unknown_conversation_nothing_is_found_and_nothing_is_kept(
    engine: Engine,
) -> None:
    refused(await engine.post("nowhere", ADA, "hello"), Code.NOT_FOUND)
    assert engine.directory.conversations == {}


# --- rates ----------------------------------------------------------------------------------------------------------------


async def test_messages_beyond_the_burst_wait_for_the_rate(autojump_clock: MockClock) -> None:
    async with open_engine(LIMITS) as engine:
        conversation = await engine.create(ADA)
        for n in range(5):
            accepted(await engine.post(conversation, ADA, str(n)))
        refusal = refused(await engine.post(conversation, ADA, "more", "k"), Code.RATE_LIMITED)
        assert refusal.facts == {"limit": 2, "unit": "messages a second"}
        assert (refusal.scope, refusal.key) == ("participant", "k")
        assert refusal.retry_after == pytest.approx(0.5)
        await trio.sleep(refusal.retry_after or 0)
        accepted(await engine.post(conversation, ADA, "more", "k"))
        refused(await engine.post(conversation, ADA, "and more"), Code.RATE_LIMITED)


async def test_a_rate_belongs_to_one_person_in_one_conversation(autojump_clock: MockClock) -> None:
    async with open_engine(LIMITS) as engine:
        here, there = await engine.create(ADA, BEN), await engine.create(ADA)
        for n in range(5):
            await engine.post(here, ADA, str(n))
        refused(await engine.post(here, ADA, "more"), Code.RATE_LIMITED)
        accepted(await engine.post(there, ADA, "more"))
        accepted(await engine.post(here, BEN, "more"))


async def test_asking_again_for_events_counts_as_a_message_does(autojump_clock: MockClock) -> None:
    async with open_engine(LIMITS) as engine:
        conversation = await engine.create(ADA)
        reader = await engine.connect(conversation, ADA)
        for _ in range(6):
            reader.tell(Sync(conversation, reader, 0))
        await engine.settle()
        assert reader.sequences == [1] * 6
        [refusal] = reader.of(Refusal)
        refused(refusal, Code.RATE_LIMITED)


async def test_reading_and_typing_are_not_limited(autojump_clock: MockClock) -> None:
    async with open_engine(LIMITS) as engine:
        conversation = await engine.create(ADA)
        for _ in range(20):
            assert await engine.do(MarkRead(conversation, ADA, 1)) == ReadMarked(1)
            assert not isinstance(await engine.do(SetTyping(conversation, ADA, True)), Refusal)


async def test_a_rate_of_zero_is_off(autojump_clock: MockClock) -> None:
    async with open_engine(Limits(message_rate=0, message_burst=1)) as engine:
        conversation = await engine.create(ADA)
        for n in range(300):
            accepted(await engine.post(conversation, ADA, str(n)))


async def test_conversations_are_begun_at_an_hourly_rate(autojump_clock: MockClock) -> None:
    async with open_engine(Limits(conversations_per_hour=2)) as engine:
        await engine.create(ADA)
        await engine.create(ADA)
        refusal = refused(await engine.do(Create("third", ADA, "Third")), Code.RATE_LIMITED)
        assert refusal.facts == {"limit": 2, "unit": "conversations an hour"}
        assert refusal.retry_after == pytest.approx(1800)
        assert "the limit of conversations an hour is 2." in refusal.text
        await engine.create(BEN)
        await trio.sleep(1800)
        await engine.create(ADA)


async def test_rates_at_rest_are_forgotten(autojump_clock: MockClock) -> None:
    async with open_engine(LIMITS) as engine:
        for n in range(BUCKETS_KEPT * 4):
            await engine.post(f"nowhere {n}", ADA, "hello")
            await trio.sleep(1)
        assert len(engine.participant(ADA)._rates) <= BUCKETS_KEPT + 1


# --- a full queue ---------------------------------------------------------------------------------------------------------


async def test_a_full_mailbox_is_told_with_its_depth_its_limit_and_when_there_is_room(
    autojump_clock: MockClock,
) -> None:
    async with open_engine(Limits(queue_size=3, queue_share=2)) as engine:
        conversation = await engine.create(ADA, BEN, CLEO)
        engine.store.hold("append")
        readers = {who: Reader(engine, conversation, who) for who in (ADA, BEN, CLEO)}
        readers[ADA].post("under way")
        await engine.settle()
        for who in (ADA, ADA, ADA, BEN, CLEO):
            readers[who].post("waiting", key=who.id)
            await engine.settle()

        [share] = readers[ADA].of(Refusal)
        refused(share, Code.QUEUE_FULL)
        assert share.facts == {"queue_size": 2, "limit": 2}
        assert (share.scope, share.key) == ("participant", "ada")
        [whole] = readers[CLEO].of(Refusal)
        refused(whole, Code.QUEUE_FULL)
        assert whole.facts == {"queue_size": 3, "limit": 3}
        assert whole.scope == "conversation"
        assert whole.retry_after >= share.retry_after > 0

        entry = engine.directory.refusals.find(whole.id)
        assert entry is not None
        assert (entry.participant_id, entry.conversation_id) == ("cleo", conversation)
        assert entry.figures is not None
        assert "drain_rate" in entry.figures

        engine.store.let_go()
        await engine.settle()
        accepted(await engine.post(conversation, CLEO, "now", "cleo"))


async def test_a_participants_own_mailbox_is_bounded_too(engine: Engine) -> None:
    conversation = await engine.create(ADA)
    ref = engine.directory.participant("ada")
    for _ in range(WAITING):
        ref.tell(Post(conversation, ADA, "hello"))
    with pytest.raises(MailboxFull):
        ref.tell(Post(conversation, ADA, "one more"))


# --- draining -------------------------------------------------------------------------------------------------------------


async def test_a_server_that_drains_takes_nothing_new_and_tells_each_when_to_come_back(
    engine: Engine,
) -> None:
    conversation = await engine.create(ADA)
    reader = await engine.connect(conversation, ADA)
    engine.store.hold("append")
    reader.post("accepted before")
    await engine.settle()
    slots = iter([1.5, 2.5, 3.5])
    engine.directory.draining = lambda: next(slots)

    refusal = refused(await engine.post(conversation, ADA, "too late", "k"), Code.DRAINING)
    assert (refusal.retry_after, refusal.scope, refusal.key) == (1.5, "server", "k")
    assert refused(await engine.join(conversation, BEN), Code.DRAINING).retry_after == 2.5
    reader.tell(Sync(conversation, reader, 0))
    engine.store.let_go()
    await engine.settle()
    assert [refusal.retry_after for refusal in reader.of(Refusal)] == [3.5]
    assert reader.contents == ["accepted before"]


# --- connections ----------------------------------------------------------------------------------------------------------


async def admit(engine: Engine, connection_id: str) -> Refusal | None:
    answer: Refusal | None = await engine.directory.participant("ada").ask(Admit(connection_id))
    return answer


async def test_a_person_has_so_many_connections_and_each_that_closes_makes_room(
    autojump_clock: MockClock,
) -> None:
    async with open_engine(Limits(connections_per_person=2)) as engine:
        conversation = await engine.create(ADA)
        for name in ("id-one", "id-two"):
            assert await admit(engine, name) is None
        refusal = refused(await admit(engine, "id-three"), Code.TOO_MANY_CONNECTIONS)
        assert refusal.facts == {"limit": 2}
        assert refusal.scope == "participant"
        assert refusal.retry_after

        reader = Reader(engine, conversation, ADA)
        reader.connection_id = "id-one"
        reader.tell(Attach(conversation, reader))
        await engine.settle()
        assert await admit(engine, "id-three") is not None, "attached is not a place more"
        reader.close(1000)
        assert await admit(engine, "id-three") is None


async def test_a_place_that_is_given_back_before_it_was_granted_is_not_lost(
    autojump_clock: MockClock,
) -> None:
    async with open_engine(Limits(connections_per_person=1)) as engine:
        conversation = await engine.create(ADA)
        for _ in range(3):
            reader = Reader(engine, conversation, ADA)
            admitted: Future[None] = Future()
            engine.directory.participant("ada").tell(Admit(reader.connection_id), admitted)
            engine.directory.participant("ada").tell(Detach(conversation, reader))
            await engine.settle()
            assert admitted.get() is None
        assert engine.participant(ADA).connections == {}


async def test_no_limit_on_connections_is_none(autojump_clock: MockClock) -> None:
    async with open_engine(Limits(connections_per_person=0)) as engine:
        assert [await admit(engine, str(n)) for n in range(50)] == [None] * 50


async def test_a_revoked_token_closes_its_own_connections_and_no_others(engine: Engine) -> None:
    conversation = await engine.create(ADA)
    stolen, kept, plain = [await engine.connect(conversation, ADA) for _ in range(3)]
    stolen.token_id, kept.token_id = "stolen", "kept"
    await admit(engine, "under way")
    engine.directory.participant("ada").tell(Revoke("stolen"))
    await engine.settle()
    assert stolen.closed == (4500, "identity revoked")
    assert kept.closed is plain.closed is None
    assert list(engine.conversation(conversation).audience) == [kept, plain]


# --- crashes --------------------------------------------------------------------------------------------------------------


async def test_a_crash_sends_the_connections_away_and_the_conversation_knows_that_they_are_gone(
    engine: Engine,
) -> None:
    conversation = await engine.create(ADA, BEN)
    ada, ben = await engine.connect(conversation, ADA), await engine.connect(conversation, BEN)
    crash(engine, ADA)
    await engine.settle()
    assert ada.closed is not None
    assert ada.closed[0] == 4002
    assert ben.closed is None
    assert list(engine.conversation(conversation).audience) == [ben]

    again = await engine.connect(conversation, ADA, last=1)
    accepted(await engine.post(conversation, ADA, "back"))
    assert again.contents == ben.contents == ["back"]
    assert list(engine.participant(ADA).connections.values()) == [again]


async def test_a_connection_whose_goodbye_was_lost_in_a_crash_is_no_ghost(engine: Engine) -> None:
    conversation = await engine.create(ADA, BEN)
    ada = await engine.connect(conversation, ADA)
    crash(engine, ADA)
    ada.close(1000)
    await engine.settle()
    assert not engine.conversation(conversation).audience


async def test_a_connection_that_was_coming_in_hears_of_the_crash(engine: Engine) -> None:
    conversation = await engine.create(ADA)
    crash(engine, ADA)
    reader = await engine.connect(conversation, ADA)
    assert reader.closed is not None
    assert reader.closed[0] == 4002
    assert not engine.conversation(conversation).audience
    assert (await engine.connect(conversation, ADA)).of(Connected)


async def test_a_connection_that_waits_for_an_answer_hears_of_the_crash(engine: Engine) -> None:
    conversation = await engine.create(ADA)
    reader = await engine.connect(conversation, ADA)
    crash(engine, ADA)
    reader.post("lost")
    await engine.settle()
    assert reader.closed is not None
    assert reader.closed[0] == 4002
    assert not engine.conversation(conversation).audience


async def test_who_asks_through_one_that_crashes_hears_of_it(engine: Engine) -> None:
    conversation = await engine.create(ADA)
    crash(engine, ADA)
    with pytest.raises(ActorDied):
        await engine.post(conversation, ADA, "lost")
    accepted(await engine.post(conversation, ADA, "found"))
    assert [e.content for e in engine.log(conversation) if isinstance(e, Posted)] == ["found"]


async def test_of_a_conversation_that_keeps_crashing_people_are_told_and_sent_away(
    autojump_clock: MockClock,
) -> None:
    async with open_engine(Limits(restarts_per_minute=1)) as engine:
        conversation = await engine.create(ADA)
        engine.conversation(conversation).actor_ref.tell(Admit("nonsense"))
        await engine.settle()
        refusal = refused(await engine.post(conversation, ADA, "hello", "k"), Code.INTERNAL_ERROR)
        assert (refusal.scope, refusal.key) == ("conversation", "k")
        assert refusal.retry_after
        reader = await engine.connect(conversation, ADA)
        assert reader.closed is not None
        assert reader.closed[0] == 4002
        await engine.settle()
        assert engine.participant(ADA).connections == {}


# --- at rest --------------------------------------------------------------------------------------------------------------


async def test_a_participant_is_forgotten_when_nothing_would_be_lost(
    autojump_clock: MockClock,
) -> None:
    async with open_engine(LIMITS) as engine:
        conversation = await engine.create(ADA)
        reader = await engine.connect(conversation, ADA)
        actor = engine.participant(ADA)
        assert not engine.directory.passivate(actor), "it has a connection"
        reader.post("hello")
        reader.close(1000)
        await engine.settle()
        assert not engine.directory.passivate(actor), "it remembers a rate"
        await trio.sleep(0.5)
        assert engine.directory.passivate(actor)
        assert engine.directory.participants == {}
        assert isinstance(await engine.do(Create("another", ADA, "Another")), Created)
