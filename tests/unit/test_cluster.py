"""Several nodes: one order for everybody, whichever node dies, whatever the network loses."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from salon.actors.cluster.wire import Answer, Ask, Batch
from salon.actors.events import Joined, Posted
from salon.actors.messages import Post, Receipt, SetTyping
from salon.actors.signals import Presence, Typing
from tests.unit.cluster_engine import ask, contents, open_cluster
from tests.unit.engine import ADA, BEN, CLEO, DAN


async def test_people_at_three_nodes_read_the_same_in_one_order(autojump_clock: Any) -> None:
    async with open_cluster() as cluster:
        _, readers = await cluster.talk(ADA, BEN, CLEO)
        for number in range(10):
            for reader in readers:
                reader.post(f"{reader.participant.id} {number}")
        await trio.sleep(1)
        told = contents(readers)
        assert len(told[0]) == 30
        assert told[0] == told[1] == told[2]
        assert all(reader.caught_up for reader in readers)


async def test_a_message_from_another_node_is_answered_after_it_is_stored(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        conversation_id, _ = await cluster.talk(ADA, BEN, CLEO)
        other = cluster.others(conversation_id)[0]
        cluster.store.hold("append")
        answers: list[Any] = []
        cluster.nursery.start_soon(ask, other, Post(conversation_id, ADA, "hello", "k1"), answers)
        await trio.sleep(0.5)
        assert not answers
        cluster.store.let_go()
        await cluster.settle()
        assert isinstance(answers[0], Receipt)
        assert answers[0].sequence == len(cluster.log(conversation_id))


async def test_the_owner_is_killed_and_nothing_is_lost_or_twice(autojump_clock: Any) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        owner = cluster.owner(conversation_id)
        left = [
            r for r, node in zip(readers, cluster.nodes.values(), strict=True) if node is not owner
        ]
        for number in range(5):
            for reader in left:
                reader.post(f"{reader.participant.id} {number}", f"k{number}")
        await trio.lowlevel.checkpoint()
        owner.kill()
        del cluster.nodes[owner.node.node.name]
        for reader in left:
            reader.post("after", "last")
        await trio.sleep(5)
        said = [
            event.content for event in cluster.log(conversation_id) if isinstance(event, Posted)
        ]
        assert len(said) == len(set(said)) + 1 == 12  # both have said "after"
        assert contents(left) == [said, said]
        assert all(len(reader.of(Receipt)) == 6 for reader in left)


async def test_lost_batches_cost_time_and_no_event(autojump_clock: Any) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        cluster.lose(Batch)
        for number in range(5):
            await cluster.owner(conversation_id).post(conversation_id, ADA, f"m{number}")
        await trio.sleep(3)
        assert contents(readers) == [[f"m{number}" for number in range(5)]] * 3


@pytest.mark.parametrize("lost", [Ask, Answer])
async def test_a_command_whose_way_fails_is_carried_out_once(
    lost: type, autojump_clock: Any
) -> None:
    async with open_cluster() as cluster:
        conversation_id, _ = await cluster.talk(ADA, BEN, CLEO)
        other = cluster.others(conversation_id)[0]
        cluster.lose(lost)
        answers: list[Any] = []
        # Without a key of its own: the node gives it one.
        cluster.nursery.start_soon(ask, other, Post(conversation_id, ADA, "hello"), answers)
        await trio.sleep(2.5)
        assert not answers
        cluster.lose()
        await trio.sleep(2)
        assert isinstance(answers[0], Receipt)
        assert answers[0].key is None
        said = [event for event in cluster.log(conversation_id) if isinstance(event, Posted)]
        assert len(said) == 1


async def test_a_cut_off_owner_cannot_write_and_its_commands_are_decided_by_the_new_one(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        owner = cluster.owner(conversation_id)
        owner.beats.cut = True
        cluster.cut(owner)
        await trio.sleep(5)  # the others give it up, and it does not know
        assert owner.id not in {node.id for node in cluster.store.view().nodes}
        mine = next(r for r in readers if r._engine is owner)
        mine.post("said to the former owner", "k")
        await trio.sleep(1)
        assert cluster.store.appended[-1].view < cluster.store.view_number
        owner.beats.cut = False
        cluster.lose()
        await trio.sleep(4)
        said = [
            event.content for event in cluster.log(conversation_id) if isinstance(event, Posted)
        ]
        assert said == ["said to the former owner"]
        assert mine.closed is not None
        assert mine.closed[0] == 4002
        assert owner.id in {node.id for node in cluster.store.view().nodes}


async def test_a_node_that_joins_takes_conversations_over_and_no_socket_is_closed(
    autojump_clock: Any,
) -> None:
    async with open_cluster("one", "two") as cluster:
        talks = [await cluster.talk(ADA, BEN) for _ in range(8)]
        await cluster.add("three")
        assert any(cluster.owner(id) is cluster.nodes["three"] for id, _ in talks)
        for id, readers in talks:
            for reader in readers:
                reader.post(f"in {id}", "k")
        await trio.sleep(2)
        for id, readers in talks:
            assert contents(readers) == [[f"in {id}"] * 2] * 2
            assert all(reader.closed is None for reader in readers)


async def test_a_node_that_leaves_refuses_nothing_and_its_sockets_go_on(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        owner = cluster.owner(conversation_id)
        for reader in readers:
            reader.post("before", "k1")
        await owner.node.leave()
        for reader in readers:
            reader.post("after", "k2")
        await trio.sleep(2)
        told = contents(readers)
        assert sorted(told[0]) == ["after"] * 3 + ["before"] * 3
        assert told[0] == told[1] == told[2]
        assert all(len(reader.of(Receipt)) == 2 for reader in readers)
        assert all(reader.closed is None for reader in readers)


async def test_presence_is_told_across_nodes_and_goes_with_a_dead_node(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        await trio.sleep(2)
        for reader in readers:
            assert _online(reader) == {"ada", "ben", "cleo"}
        for dead in (cluster.owner(conversation_id), None):
            node = dead or cluster.others(conversation_id)[-1]
            gone = next(r for r in readers if r._engine is node)
            readers.remove(gone)
            node.kill()
            del cluster.nodes[node.node.node.name]
            await trio.sleep(cluster.limits.presence_grace + 8)
            for reader in readers:
                assert _online(reader) == {each.participant.id for each in readers}


def _online(reader: Any) -> set[str]:
    online: set[str] = set()
    for signal in reader.heard:
        if type(signal).__name__ == "ParticipantList":
            online = {m.participant.id for m in signal.members if m.is_online}
        elif isinstance(signal, Presence):
            online |= {id for id, is_online in signal.changes if is_online}
            online -= {id for id, is_online in signal.changes if not is_online}
    return online


async def test_typing_is_seen_at_every_node_and_by_nobody_who_types(autojump_clock: Any) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        readers[0].tell(SetTyping(conversation_id, ADA, True))
        await trio.sleep(0.5)
        assert [len(reader.of(Typing)) for reader in readers] == [1, 1, 1]  # Ada: that it is done
        await trio.sleep(cluster.limits.typing_timeout + 1)
        told = [[signal.is_typing for signal in reader.of(Typing)] for reader in readers]
        assert told == [[True], [True, False], [True, False]]


async def test_who_joins_by_another_node_may_connect_at_any_at_once(autojump_clock: Any) -> None:
    async with open_cluster() as cluster:
        conversation_id, _ = await cluster.talk(ADA, BEN, CLEO)
        for node in cluster.nodes.values():
            who = DAN._replace(id=f"dan at {node.id}")
            assert isinstance(await node.join(conversation_id, who), Joined)
            for other in cluster.nodes.values():
                snapshot = await other.directory.look(conversation_id)
                assert snapshot is not None
                assert who.id in snapshot.state.members
                reader = await other.connect(conversation_id, who)
                await trio.sleep(0.1)
                assert reader.closed is None
                assert reader.caught_up
