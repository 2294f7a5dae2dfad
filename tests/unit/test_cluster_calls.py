"""What one node asks of another: over a network that loses and repeats, each call is carried out once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from salon.actors.cluster.calls import KEPT, Calls
from salon.actors.cluster.encoding import decode, encode
from salon.actors.cluster.wire import Call, Reply
from tests.unit.cluster_engine import EngineCluster, EngineNode, open_cluster


class Answering:
    """A node that says what it was asked in capital letters, and remembers it."""

    def __init__(self, node: EngineNode) -> None:
        self.node = node
        self.carried_out: list[bytes] = []
        self.calls = node.node.calls = Calls(node.node, self._carry_out)

    async def _carry_out(self, sender: str, number: int, body: bytes) -> bytes:
        self.carried_out.append(body)
        if body == b"fail":
            raise ValueError("as it was asked to")
        return body.upper()

    async def ask(self, other: Answering, body: bytes, patience: float = 10.0) -> bytes | None:
        return await self.calls.ask(other.node.id, lambda number: body, patience)


@asynccontextmanager
async def two_nodes() -> AsyncIterator[tuple[EngineCluster, Answering, Answering]]:
    async with open_cluster("one", "two") as cluster:
        here, there = map(Answering, cluster.nodes.values())
        for each in (here, there):
            await cluster.nursery.start(each.calls.run)
        yield cluster, here, there


async def test_a_call_is_carried_out_once_whatever_is_lost(autojump_clock: Any) -> None:
    async with two_nodes() as (cluster, here, there):
        for lost in (Call, Reply):
            passed = count()

            def passes(sender: str, receiver: str, part: bytes, lost: type = lost) -> bool:
                return not isinstance(decode(part)[1], lost) or next(passed) >= 3  # noqa: B023

            cluster.network.passes = passes
            assert await here.ask(there, lost.__name__.encode()) == lost.__name__.upper().encode()
        assert there.carried_out == [b"Call", b"Reply"]


async def test_a_call_that_comes_again_much_later_is_not_carried_out(autojump_clock: Any) -> None:
    async with two_nodes() as (cluster, here, there):
        assert await here.ask(there, b"first") == b"FIRST"
        numbers = [number for number in range(1, 50) if number <= here.node.node.next_number()]
        for number in range(KEPT + 1):
            await here.ask(there, b"%d" % number)
        parts = [encode(0, Call(number, b"first")) for number in numbers]
        cluster.network.carry(here.node.id, there.node.id, parts)
        await cluster.settle()
        assert there.carried_out.count(b"first") == 1


async def test_who_asks_a_node_that_is_gone_waits_no_longer_than_it_is_in_the_view(
    autojump_clock: Any,
) -> None:
    async with two_nodes() as (_, here, there):
        there.node.kill()
        assert await here.ask(there, b"anybody?", patience=3600) is None
        assert [each.id for each in here.node.node.view.nodes] == [here.node.id]


async def test_a_call_that_fails_costs_its_caller_the_reply_and_the_node_nothing(
    autojump_clock: Any, caplog: Any
) -> None:
    async with two_nodes() as (_, here, there):
        assert await here.ask(there, b"fail", patience=2) is None
        assert there.carried_out == [b"fail"]
        assert "has failed" in caplog.text
        assert await here.ask(there, b"go on") == b"GO ON"
