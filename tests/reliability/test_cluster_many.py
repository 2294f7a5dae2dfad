"""One fault after the other, drawn by chance: SALON_CLUSTER_FAULTS says how many, SALON_CLUSTER_SEED which.

For `salon prove` and for a night: each kind of fault has a test of its own in `test_cluster_nodes.py`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import trio

from tests.crowd import Fault, Talk
from tests.nodes import Nodes, running
from tests.server import ServerProcess

FAULTS = int(os.environ.get("SALON_CLUSTER_FAULTS", "0"))
SEED = int(os.environ.get("SALON_CLUSTER_SEED", "1"))


@pytest.mark.skipif(not FAULTS, reason="SALON_CLUSTER_FAULTS says how many faults")
@pytest.mark.timeout(120 + 30 * FAULTS)
async def test_whatever_happens_nothing_is_lost_or_comes_twice_and_all_see_one_order(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    chance = Random(SEED)
    with running(tmp_path) as nodes:
        happen = Happenings(nodes, chance)
        talk = Talk(nodes)
        kinds = list(happen.kinds)
        # Each kind once before any comes twice.
        drawn = [kinds[n % len(kinds)] for n in range(FAULTS)]
        chance.shuffle(drawn)
        await talk.through(*drawn, patience=60 + 30 * FAULTS)
        tell(
            f"{FAULTS} faults on 3 nodes: {talk.said} messages, 0 lost, 0 twice, 0 gaps; "
            f"the longest wait for a receipt {talk.longest:.1f} s, of whose node was killed too"
        )


class Happenings:
    """What can happen to a cluster; it is whole again after each."""

    def __init__(self, nodes: Nodes, chance: Random) -> None:
        self._nodes = nodes
        self._chance = chance
        self.kinds: tuple[Fault, ...] = (
            self.kill_one,
            self.kill_two,
            self.stand_still,
            self.leave,
            self.restart_database,
            self.restart_nats,
            self.cut_off,
        )

    def _some(self, count: int = 1) -> list[ServerProcess]:
        return self._chance.sample(list(self._nodes), count)

    async def kill_one(self) -> None:
        await self._kill(1)

    async def kill_two(self) -> None:
        await self._kill(2)

    async def _kill(self, count: int) -> None:
        killed = self._some(count)
        for node in killed:
            node.kill()
        await trio.sleep(self._chance.uniform(0, 5))
        for node in killed:
            await trio.to_thread.run_sync(node.start)

    async def stand_still(self) -> None:
        (node,) = self._some()
        os.kill(node.pid, signal.SIGSTOP)
        await trio.sleep(self._chance.uniform(0, 8))
        os.kill(node.pid, signal.SIGCONT)

    async def leave(self) -> None:
        (node,) = self._some()
        await trio.to_thread.run_sync(node.restart)

    async def restart_database(self) -> None:
        await trio.to_thread.run_sync(self._nodes.postgres.restart, signal.SIGQUIT)

    async def restart_nats(self) -> None:
        self._nodes.nats.stop()
        await trio.sleep(self._chance.uniform(0, 5))
        await trio.to_thread.run_sync(self._nodes.nats.start)

    async def cut_off(self) -> None:
        relays = self._chance.sample(list(self._nodes.relays), self._chance.randint(1, 2))
        for relay in relays:
            relay.cut()
        await trio.sleep(self._chance.uniform(0, 10))
        for relay in relays:
            relay.mend()
