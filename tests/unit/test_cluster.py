"""Several nodes: one order for everybody, whichever node dies, whatever the network loses."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from salon.actors.cluster.replica import Reread
from salon.actors.cluster.wire import Answer, Ask, Batch
from salon.actors.events import Created, Joined, Posted
from salon.actors.limits import Limits
from salon.actors.messages import Admit, Create, Join, Post, Receipt, Revoke, SetTyping
from salon.actors.model import Entrant, Participant
from salon.actors.refusals import Code, Refusal
from salon.actors.run_messages import EndRun, ExtendRun, StartRun
from salon.actors.signals import Delta, Presence, RunRequested, Typing
from tests.unit.cluster_engine import ask, contents, open_cluster
from tests.unit.engine import ADA, BEN, CLEO, DAN, refused


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


async def test_a_command_that_came_while_the_log_was_read_is_decided_by_the_node_that_takes_over(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        conversation_id, _ = await cluster.talk(ADA, BEN, CLEO)
        owner, others = cluster.owner(conversation_id), cluster.others(conversation_id)
        replicas = [node.directory.replicas[conversation_id] for node in others]
        answers: list[Any] = []
        cluster.store.hold("load")
        for replica in replicas:
            replica.actor_ref.tell(Reread())  # type: ignore[arg-type]
        await cluster.settle()
        owner.kill()
        del cluster.nodes[owner.node.node.name]
        for node, replica in zip(others, replicas, strict=True):
            post = Post(conversation_id, ADA, "said", node.id)
            cluster.nursery.start_soon(ask, node, post, answers)
            await cluster.settle()
            replica.actor_ref.tell(Reread())  # type: ignore[arg-type]
        for _ in replicas:  # the next turn has the command, and reads the log again
            cluster.store.release()
        await trio.sleep(10)
        cluster.store.let_go()
        await trio.sleep(10)
        assert [type(each) for each in answers] == [Receipt, Receipt]


async def test_a_command_under_way_at_a_node_that_leaves_is_decided_by_the_next_owner(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        conversation_id, _ = await cluster.talk(ADA, BEN, CLEO)
        owner, other = cluster.owner(conversation_id), cluster.others(conversation_id)[0]
        cluster.store.hold("append")
        answers: list[Any] = []
        cluster.nursery.start_soon(ask, other, Post(conversation_id, ADA, "said", "k1"), answers)
        await cluster.settle()
        other.beats.cut = True  # it learns later than the owner that there is another view
        await owner.node.leave()
        cluster.store.let_go()
        await trio.sleep(0.1)
        other.beats.cut = False
        await trio.sleep(10)
        assert [type(each) for each in answers] == [Receipt]


async def test_a_node_that_has_left_carries_commands_while_it_sends_its_sockets_away(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        leaving = cluster.owner(conversation_id)
        reader = next(each for each in readers if each._engine is leaving)
        leaving.directory.draining = lambda: 5.0
        reader.post("too early", "k1")
        await cluster.settle()
        refused(reader.of(Refusal)[0], Code.DRAINING)
        await leaving.node.leave()
        reader.post("in time", "k2")
        await cluster.settle()
        assert leaving.directory.replicas[conversation_id].owes(reader) is False
        assert [type(each) for each in reader.of(Receipt)] == [Receipt]
        cluster.lose(Ask)
        reader.post("under way", "k3")
        await cluster.settle()
        assert leaving.directory.replicas[conversation_id].owes(reader)


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


class Line:
    """Somebody's list of conversations, as it is told of changes."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def note(self, conversation_id: str) -> None:
        self.noted.append(conversation_id)


async def test_lists_of_conversations_are_told_of_changes_at_a_node_without_a_socket_of_theirs(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        conversation_id, _ = await cluster.talk(ADA, BEN, CLEO)
        owner, lines = cluster.owner(conversation_id), []
        for node in cluster.nodes.values():
            for who in (BEN, DAN):
                lines.append(Line())
                node.directory.watchers.add(who.id, lines[-1])
        await cluster.settle()
        await owner.post(conversation_id, ADA, "hello")
        await trio.sleep(0.5)
        assert [line.noted for line in lines] == [[conversation_id], []] * 3


async def test_the_rate_of_a_sender_holds_for_all_nodes_together(autojump_clock: Any) -> None:
    limits = Limits(message_rate=1, message_burst=5)
    async with open_cluster(limits=limits) as cluster:
        conversation_id, _ = await cluster.talk(ADA, BEN, CLEO)
        outcomes = [
            await node.post(conversation_id, ADA, f"{number} at {node.id}")
            for number in range(5)
            for node in cluster.nodes.values()
        ]
        said = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
        assert len(said) == 5
        for outcome in outcomes:
            if outcome not in said:
                refused(outcome, Code.RATE_LIMITED)


async def test_a_conversation_that_is_created_by_another_node_is_answered_when_its_owner_dies(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        one, *_ = cluster.nodes.values()
        id = next(f"talk {n}" for n in range(99) if cluster.owner(f"talk {n}") is not one)
        cluster.lose(Answer)
        answers: list[Any] = []
        cluster.nursery.start_soon(ask, one, Create(id, ADA, "Talk"), answers)
        await trio.sleep(0.5)
        assert len(cluster.log(id)) == 1  # it is stored, and the answer is lost
        cluster.owner(id).kill()
        cluster.lose()
        await trio.sleep(6)
        assert isinstance(answers[0], Created)
        assert len(cluster.log(id)) == 1


async def test_a_token_that_is_revoked_at_one_node_opens_no_socket_at_another(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        _, readers = await cluster.talk(ADA, BEN, CLEO)
        readers[1].token_id = "t1"
        cluster.nodes["one"].directory.revoke(BEN.id, Revoke("t1"))
        await cluster.settle()
        assert readers[1].closed == (4500, "identity revoked")
        assert readers[0].closed is None


@pytest.mark.parametrize("owned", [True, False])
async def test_an_agent_at_any_node_is_asked_and_its_text_is_read_at_every_node(
    owned: bool, autojump_clock: Any
) -> None:
    bot = Participant("bot", "Bot", "agent")
    async with open_cluster() as cluster:
        id, readers = await cluster.talk(ADA, BEN, CLEO)
        await cluster.nodes["one"].do(Join(id, ADA, Entrant(bot)))
        node = cluster.owner(id) if owned else cluster.others(id)[0]
        agent = await node.connect(id, bot)
        await trio.sleep(0.5)
        readers[0].post("@Bot how are you?")
        await trio.sleep(0.5)
        (request,) = agent.of(RunRequested)
        agent.tell(StartRun(id, bot, request.run_id, request.message_id))
        for number in range(3):
            agent.tell(ExtendRun(id, bot, request.run_id, 5 * number, f"text{number}"))
            await trio.sleep(0.2)
        for each in readers:
            deltas = [d for d in each.of(Delta) if d.run_id == request.run_id]
            assert "".join(delta.text for delta in deltas) == "text0text1text2"
        late = await cluster.others(id)[1].connect(id, BEN)
        await trio.sleep(0.5)
        assert "".join(delta.text for delta in late.of(Delta)) == "text0text1text2"
        agent.tell(EndRun(id, bot, request.run_id))
        await trio.sleep(0.5)
        assert all(each.contents[-1] == "text0text1text2" for each in readers)
        assert not agent.of(Delta)


async def test_the_last_place_is_given_once_though_people_ask_for_it_at_every_node(
    autojump_clock: Any,
) -> None:
    async with open_cluster(limits=Limits(max_participants=5)) as cluster:
        id, _ = await cluster.talk(ADA, BEN, CLEO)
        owner, answers = cluster.owner(id), []
        for n in range(6):
            node = list(cluster.nodes.values())[n % 3]
            who = Participant(f"new{n}", f"New {n}")
            cluster.nursery.start_soon(ask, node, Join(id, who, Entrant(who)), answers)
        await trio.lowlevel.checkpoint()
        owner.kill()  # while they are on their way
        del cluster.nodes[owner.node.node.name]
        await trio.sleep(6)
        late = Participant("late", "Late")
        refused(await cluster.owner(id).do(Join(id, late, Entrant(late))), Code.CAPACITY_EXCEEDED)
        joined = [each for each in cluster.log(id) if isinstance(each, Joined)]
        assert len(joined) == 2


async def test_the_sockets_of_a_person_are_counted_by_each_node(autojump_clock: Any) -> None:
    async with open_cluster(limits=Limits(connections_per_person=2)) as cluster:
        for node in cluster.nodes.values():
            participant = node.directory.participant(ADA.id)
            for n in range(2):
                assert await participant.ask(Admit(f"{node.id}-{n}")) is None
            refused(await participant.ask(Admit("one too many")), Code.TOO_MANY_CONNECTIONS)
