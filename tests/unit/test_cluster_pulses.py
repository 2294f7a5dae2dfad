"""Nodes that have nothing new to say stay silent, and what is lost meanwhile is noticed all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import trio

from salon.actors.cluster.encoding import decode
from salon.actors.cluster.pulses import Pulses, digest_of
from salon.actors.cluster.replica import WATCH
from salon.actors.cluster.wire import Batch, Head, Lasting, Pulse, Watch
from salon.actors.messages import Detach
from salon.actors.signals import Presence, ReadMoved
from tests.unit.cluster_engine import EngineCluster, contents, open_cluster
from tests.unit.engine import ADA, BEN, CLEO

QUIET = 10.0  # seconds without a word, before anything is lost


class Way:
    """Counts what passes between nodes, and loses the next message of some kinds."""

    def __init__(self, cluster: EngineCluster) -> None:
        self.counted: Counter[type] = Counter()
        self.lost: list[type] = []
        cluster.network.passes = self._passes

    def _passes(self, sender: str, receiver: str, part: bytes) -> bool:
        kind = type(decode(part)[1])
        self.counted[kind] += 1
        if kind in self.lost:
            self.lost.remove(kind)
            return False
        return True


async def test_quiet_nodes_exchange_one_message_a_second_for_all_conversations(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        for _ in range(20):
            await cluster.talk(ADA, BEN, CLEO)
        await trio.sleep(3)
        way = Way(cluster)
        await trio.sleep(10.5)
        pairs = 3 * 2
        assert 10 * pairs <= way.counted[Pulse] <= 11 * pairs
        assert way.counted.total() == way.counted[Pulse]
        await trio.sleep(4 / 3 * WATCH)  # in case both are wrong
        assert 20 * 2 <= way.counted[Watch] == way.counted[Head] <= 2 * 20 * 2


@pytest.mark.parametrize("lost", [[Batch], [Batch, Pulse], [Batch, Pulse, Pulse, Head]])
async def test_a_message_that_is_lost_after_a_quiet_time_comes_within_seconds(
    lost: list[type], autojump_clock: Any
) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        await trio.sleep(QUIET)
        Way(cluster).lost = lost
        await cluster.owner(conversation_id).post(conversation_id, ADA, "hello")
        await trio.sleep(1.5 + len(lost))
        assert contents(readers) == [["hello"]] * 3


async def test_somebody_whose_going_is_lost_on_the_way_is_seen_to_be_gone(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        other = cluster.others(conversation_id)[0]
        gone = next(reader for reader in readers if reader._engine is other)
        await trio.sleep(QUIET)
        Way(cluster).lost = [Watch]
        other.directory.conversation(conversation_id).tell(Detach(conversation_id, gone))
        await trio.sleep(cluster.limits.presence_grace + 8)
        for reader in readers:
            changes = [each for each in reader.heard if isinstance(each, Presence)]
            assert reader is gone or changes[-1].changes == ((gone.participant.id, False),)


async def test_an_owner_that_was_restarted_learns_who_is_there(autojump_clock: Any) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        owner = cluster.owner(conversation_id)
        await trio.sleep(QUIET)
        owner.directory.crashed(owner.directory.conversations[conversation_id])
        await trio.sleep(2)
        await cluster.others(conversation_id)[0].post(conversation_id, ADA, "hello")
        await trio.sleep(1)
        there = [reader for reader in readers if reader._engine is not owner]
        assert contents(there) == [["hello"]] * 2


@pytest.mark.parametrize("sockets", [1, 2])
async def test_a_read_mark_goes_to_the_other_sockets_of_who_has_some(
    sockets: int, autojump_clock: Any
) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        other = cluster.others(conversation_id)[0]
        sender = next(reader for reader in readers if reader._engine is other)
        more = [
            await other.connect(conversation_id, sender.participant) for _ in range(sockets - 1)
        ]
        await trio.sleep(2)
        way = Way(cluster)
        sender.post("hello", "k")
        await trio.sleep(0.5)
        assert way.counted[Lasting] == len(more)
        assert [len(each.of(ReadMoved)) for each in (sender, *more)] == [0, *(1 for _ in more)]


def _lose(parts: list[bytes], chance: Random) -> None:
    del parts[chance.randrange(len(parts))]


def _repeat(parts: list[bytes], chance: Random) -> None:
    parts.append(chance.choice(parts))


def _lose_and_repeat(parts: list[bytes], chance: Random) -> None:
    _lose(parts, chance)
    _repeat(parts, chance)


def _reorder(parts: list[bytes], chance: Random) -> None:
    chance.shuffle(parts)


@pytest.mark.parametrize(
    ("damage", "is_whole"),
    [(_reorder, True), (_lose, False), (_repeat, False), (_lose_and_repeat, False)],
)
def test_who_has_other_parts_than_were_sent_notices(
    damage: Callable[[list[bytes], Random], None], is_whole: bool
) -> None:
    chance = Random(1)
    for _ in range(50):
        sender, receiver = Pulses(), Pulses()
        parts = [chance.randbytes(40) for _ in range(chance.randint(2, 9))]
        for part in parts:
            sender.sent("b", digest_of(part))
        damage(parts, chance)
        for part in parts:
            receiver.received("a", digest_of(part))
        ((_, pulse),) = sender.due(["b"])
        assert receiver.take("a", pulse, 1.0) is is_whole
        assert (receiver.heard("a").since == 1.0) is not is_whole
        ((_, following),) = sender.due(["b"])
        assert receiver.take("a", following, 2.0)  # what is missing is noticed once


def test_a_lost_pulse_is_noticed_by_the_next() -> None:
    sender, receiver = Pulses(), Pulses()
    sent = [next(iter(sender.due(["b"])))[1] for _ in range(3)]
    assert receiver.take("a", sent[0], 1.0)
    assert not receiver.take("a", sent[2], 3.0)
    assert receiver.heard("a") == (3.0, 3.0)
