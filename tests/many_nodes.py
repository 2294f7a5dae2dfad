"""What many nodes say to each other: `python -m tests.many_nodes --nodes 100`. One process, no network.

The nodes' own code runs, over a transport that counts. People of each conversation are at four nodes, drawn at random.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from random import Random

import trio
import typer
from trio.testing import MockClock

from salon.actors.cluster.encoding import decode
from salon.actors.model import Participant
from tests.unit.cluster_engine import EngineCluster, EngineNode, open_cluster
from tests.unit.engine import Reader

PEOPLE = 4  # of a conversation
QUIET = 20  # seconds: in these each node speaks of each conversation once


class Counts:
    """What has passed since `say` was called last."""

    def __init__(self, cluster: EngineCluster) -> None:
        self._kinds: Counter[str] = Counter()
        self._bytes = 0
        self._cpu = time.process_time()
        cluster.network.passes = self._passes

    def _passes(self, sender: str, receiver: str, part: bytes) -> bool:
        self._kinds[type(decode(part)[1]).__name__] += 1
        self._bytes += len(part)
        return True

    def say(self, what: str) -> None:
        """Print it, and begin again."""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self._kinds.most_common())
        spent = time.process_time() - self._cpu
        typer.echo(f"{what}: {kinds}; {self._bytes:,} bytes; {spent:.1f} s of CPU")
        self._kinds.clear()
        self._bytes, self._cpu = 0, time.process_time()


async def play(nodes: int, conversations: int) -> None:
    """Say what a quiet cluster, a message in each conversation, and another node cost."""
    chance = Random(1)
    async with open_cluster("first") as cluster:
        for number in range(1, nodes):
            await _start(cluster, f"node {number}", number + 1)
        await trio.sleep(3)
        talks = [await _talk(cluster, number, chance) for number in range(conversations)]
        await trio.sleep(5)
        counts = Counts(cluster)
        await trio.sleep(QUIET)
        counts.say(f"{nodes} nodes, {conversations} conversations, {QUIET} quiet seconds")
        for number, readers in enumerate(talks):
            readers[0].post("hello", f"key {number}")
        await trio.sleep(0.5)
        counts.say("a message in each")
        assert all(reader.contents == ["hello"] for readers in talks for reader in readers)
        await _start(cluster, "last", nodes + 1)
        await trio.sleep(1.5)
        counts.say("one more node")


async def _start(cluster: EngineCluster, name: str, number: int) -> None:
    node = cluster.nodes[name] = EngineNode(cluster, name, number)
    await cluster.nursery.start(node.run)


async def _talk(cluster: EngineCluster, number: int, chance: Random) -> list[Reader]:
    people = [Participant(f"{number} {place}", f"Person {place}") for place in range(PEOPLE)]
    at = chance.sample(list(cluster.nodes.values()), PEOPLE)
    conversation_id = await at[0].create(people[0], *people[1:])
    return [await node.connect(conversation_id, who) for node, who in zip(at, people, strict=True)]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--conversations", type=int, default=100)
    asked = parser.parse_args()
    trio.run(play, asked.nodes, asked.conversations, clock=MockClock(autojump_threshold=0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
