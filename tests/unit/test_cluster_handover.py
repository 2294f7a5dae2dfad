"""What a conversation takes along to another owner, and what it must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from salon.actors.cluster.wire import Answer
from salon.actors.events import Created, Posted
from salon.actors.future import Future
from salon.actors.keeping_messages import DeleteConversation
from salon.actors.member_messages import AcceptInvite, CreateInvite, Mute, Remove, RevokeInvite
from salon.actors.messages import Command, Create, Join, Leave, MarkRead, Post, Receipt, Update
from salon.actors.model import Entrant, Participant
from salon.actors.refusals import Code, Refusal
from salon.actors.run_messages import EndRun, ExtendRun, StartRun
from salon.actors.store import Changes
from salon.persistence.memory import MemoryStore
from tests.unit.cluster_engine import EngineCluster, EngineNode, ask, open_cluster
from tests.unit.engine import ADA, BEN, CLEO, DAN, copy, refused


async def joined_by_three(
    cluster: EngineCluster, owner: EngineNode, before: Callable[[str], Any]
) -> list[str]:
    """Those conversations of an owner that a third node takes over; each is given to `before` first."""
    ids = [await owner.create(ADA, BEN) for _ in range(24)]
    ids = [id for id in ids if cluster.owner(id) is owner]
    for id in ids:
        before(id)
    await cluster.settle()
    three = await cluster.add("three")
    return [id for id in ids if cluster.owner(id) is three]


async def test_an_owner_that_has_lost_and_won_a_conversation_in_one_turn_reads_what_came_between(
    autojump_clock: Any,
) -> None:
    async with open_cluster("one", "two") as cluster:
        one, answers, late = cluster.nodes["one"], [], []
        stored = cluster.store.append

        def answer_late(changes: Changes) -> Future[Any]:
            outcome, future = stored(changes), Future[Any]()
            late.append(lambda: copy(outcome, future))
            return future

        def post(id: str) -> None:
            cluster.nursery.start_soon(ask, one, Post(id, ADA, "first"), answers)

        def post_slowly(id: str) -> None:
            cluster.store.append = answer_late  # type: ignore[method-assign]
            post(id)

        moved = await joined_by_three(cluster, one, post_slowly)
        cluster.store.append = stored  # type: ignore[method-assign]
        three = cluster.nodes["three"]
        assert moved
        for id in moved:
            assert isinstance(await three.post(id, BEN, "second"), Receipt)
        await three.node.leave()
        await cluster.settle()
        for finish in late:
            finish()
        await cluster.settle()
        assert all(isinstance(each, Receipt) for each in answers)
        for id in moved:
            assert isinstance(await one.post(id, ADA, "third"), Receipt)
            said = [each.content for each in cluster.log(id) if isinstance(each, Posted)]
            assert said == ["first", "second", "third"]
        assert one.directory.meter.restarts == 0


async def test_who_looks_at_a_conversation_that_moves_meanwhile_sees_it(
    autojump_clock: Any,
) -> None:
    async with open_cluster("one", "two") as cluster:
        one, found = cluster.nodes["one"], []

        async def look(id: str) -> None:
            snapshot = await one.directory.look(id)
            found.append(None if snapshot is None else snapshot.state.id)

        def look_slowly(id: str) -> None:
            one.directory.forget(one.conversation(id))
            cluster.store.hold("read")  # which only the owner waits for
            cluster.nursery.start_soon(look, id)

        moved = await joined_by_three(cluster, one, look_slowly)
        assert moved
        assert not found
        cluster.store.let_go()
        await trio.sleep(3)
        assert set(moved) <= set(found)


async def test_who_sent_no_key_is_told_none_though_the_command_has_moved(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        id, _ = await cluster.talk(ADA, BEN, BEN)
        owner, (first, second) = cluster.owner(id), cluster.others(id)
        cluster.lose(Answer)
        answers: list[Any] = []
        for node in (first, second):  # one of them is the next owner
            cluster.nursery.start_soon(ask, node, Post(id, ADA, f"at {node.id}"), answers)
        await trio.sleep(0.5)
        assert len(cluster.log(id)) == 3
        owner.kill()
        cluster.lose()
        await trio.sleep(6)
        assert len(cluster.log(id)) == 3
        assert [answer.key for answer in answers] == [None, None]


async def test_a_conversation_that_is_created_again_is_not_created_twice(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        one, *_ = cluster.nodes.values()
        id = next(f"talk {n}" for n in range(99) if cluster.owner(f"talk {n}") is not one)
        former = cluster.owner(id)
        cluster.lose(Answer)
        answers: list[Any] = []
        cluster.nursery.start_soon(ask, one, Create(id, ADA, "Talk"), answers)
        await trio.sleep(0.5)
        former.kill()
        cluster.lose()
        await trio.sleep(6)
        before = len(cluster.store.appended)
        assert isinstance(answers[0], Created)
        assert isinstance(await one.post(id, ADA, "hello"), Receipt)
        created = [each for each in cluster.store.appended if not each.number]
        assert len(created) == 1
        assert len(cluster.store.appended) == before + 1


@pytest.mark.parametrize("last", range(7))
async def test_a_command_that_a_dead_owner_has_carried_out_is_not_refused_when_it_comes_again(
    last: int, autojump_clock: Any
) -> None:
    async with open_cluster() as cluster:
        id, _ = await cluster.talk(ADA, BEN, CLEO)
        owner, other = cluster.owner(id), cluster.others(id)[0]
        steps: list[Command] = [
            Join(id, ADA, Entrant(DAN)),
            Leave(id, CLEO),
            Remove(id, ADA, BEN.id),
            CreateInvite(id, ADA, "invite"),
            AcceptInvite(id, BEN, "invite"),
            RevokeInvite(id, ADA, "invite"),
            DeleteConversation(id, ADA),
        ]
        for step in steps[:last]:
            await other.do(step)
        cluster.lose(Answer)
        answers: list[Any] = []
        cluster.nursery.start_soon(ask, other, steps[last], answers)
        await trio.sleep(0.5)
        events = len(cluster.store.appended)
        assert not answers
        owner.kill()
        cluster.lose()
        await trio.sleep(6)
        assert not isinstance(answers[0], Refusal)
        assert len([each for each in cluster.store.appended if each.records]) <= events


async def test_an_owner_that_was_given_up_refuses_nothing_by_what_it_knew(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        id, _ = await cluster.talk(ADA, BEN, CLEO)
        former = cluster.owner(id)
        former.beats.cut = True
        cluster.cut(former)
        await trio.sleep(5)  # the others give it up, and it does not know
        await cluster.owner(id).do(Join(id, ADA, Entrant(DAN)))
        answers: list[Any] = []
        cluster.nursery.start_soon(ask, former, Post(id, DAN, "hello"), answers)
        await trio.sleep(1)
        assert not answers  # else: Dan is no member
        former.beats.cut = False
        cluster.lose()
        await trio.sleep(4)
        assert isinstance(answers[0], Receipt)


@pytest.mark.parametrize("killed", [False, True])
async def test_what_an_agent_has_said_is_in_its_message_though_the_owner_had_not_stored_it(
    killed: bool, autojump_clock: Any
) -> None:
    """An agent that ends its run without saying how long it is: nobody would notice that a part is missing."""
    bot = Participant("bot", "Bot", "agent")
    async with open_cluster() as cluster:
        id, readers = await cluster.talk(ADA, BEN, CLEO)
        owner, (other, _) = cluster.owner(id), cluster.others(id)
        await owner.do(Join(id, ADA, Entrant(bot)))
        agent = await other.connect(id, bot)
        await other.do(StartRun(id, bot, "run"))
        await trio.sleep(3)
        await other.do(ExtendRun(id, bot, "run", 0, "stored "))
        while stored(cluster, id) != "stored ":  # noqa: ASYNC110 - in virtual time
            await trio.sleep(0.05)
        await other.do(ExtendRun(id, bot, "run", 7, "and not stored"))
        await trio.sleep(0.15)
        assert stored(cluster, id) == "stored "
        if killed:
            owner.kill()
        else:
            owner.node.leaving = True  # as when another joins: nothing is stored before
            cluster.store.leave(owner.id)
            owner.node.doubt()
        agent.tell(EndRun(id, bot, "run"))
        await trio.sleep(8)
        left = [each for each in readers if each._engine is not owner]
        assert all(each.contents == ["stored and not stored"] for each in left)


def stored(cluster: EngineCluster, conversation_id: str) -> str:
    """The text of the run, as the store has it."""
    state = MemoryStore.load(cluster.store, conversation_id).get()
    assert state is not None
    return state.runs["run"].text


async def test_who_may_not_speak_yet_may_not_at_another_owner_either(autojump_clock: Any) -> None:
    async with open_cluster() as cluster:
        id, _ = await cluster.talk(ADA, BEN, CLEO)
        owner = cluster.owner(id)
        await owner.do(Update(id, ADA, slow_mode=60))
        await owner.do(Mute(id, ADA, CLEO.id))
        await owner.do(MarkRead(id, ADA, 2))
        assert isinstance(await owner.post(id, BEN, "once"), Receipt)
        owner.kill()
        del cluster.nodes[owner.node.node.name]
        await trio.sleep(6)
        then = cluster.owner(id)
        refused(await then.post(id, BEN, "twice"), Code.SLOW_MODE)
        refused(await then.post(id, CLEO, "muted"), Code.MUTED)
        state = then.conversation(id).state
        assert state is not None
        assert state.reads[ADA.id] == 2
