"""Three real nodes over PostgreSQL and NATS: one conversation for people at all of them, whichever node dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
import trio

from tests.nodes import Nodes, at, running
from tests.person import Person, Tab, guests


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with running(tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


async def test_people_at_three_nodes_talk_in_one_order(nodes: Nodes) -> None:
    people = await one_at_each(nodes)
    room = await people[0].create(*people[1:])
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(each.tab(room)) for each in people]
        for n in range(10):
            for person, tab in zip(people, tabs, strict=True):
                receipt = await tab.say(f"{person.name} {n}", key=f"{person.name}-{n}")
        for tab in tabs:
            await tab.until_sequence(receipt["sequence_id"])
        orders = [said(tab) for tab in tabs]
        assert orders[0] == orders[1] == orders[2]
        assert len(orders[0]) == 30


async def one_at_each(nodes: Nodes) -> list[Person]:
    """A newcomer at each node."""
    found = await guests(next(iter(nodes)), "Ada", "Ben", "Cleo")
    return [at(node, who) for node, who in zip(nodes, found, strict=True)]


def said(tab: Tab) -> list[str]:
    return [frame["message"]["content"] for frame in tab.events if frame["type"] == "message"]


async def test_a_node_that_is_killed_costs_nobody_a_message(nodes: Nodes) -> None:
    """Whoever is at the others goes on: with what the dead one owned after the timeout, with the rest at once."""
    people = await one_at_each(nodes)
    rooms = [await people[0].create(*people[1:], title=f"Room {n}") for n in range(6)]
    killed = nodes.by_name["three"]
    acknowledged: dict[str, list[int]] = {room: [] for room in rooms}

    async def talk(room: str, person: Person) -> None:
        async with person.tab(room) as tab:
            for n in range(40):
                receipt = await tab.say(f"{person.name} {n}", key=f"{person.name}-{n}")
                acknowledged[room].append(receipt["sequence_id"])
                if n == 10 and person is people[0]:
                    started.set()

    started = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            for room in rooms:
                for person in people[:2]:
                    nursery.start_soon(talk, room, person)
            await started.wait()
            killed.kill()
        while set(nodes.names_in()) != {"one", "two"}:  # noqa: ASYNC110 - the database tells nobody
            await trio.sleep(0.1)
    finally:
        await trio.to_thread.run_sync(killed.start)
    for room in rooms:
        logs = [await person.history(room) for person in people]
        assert logs[0] == logs[1] == logs[2]
        sequences = [event["sequence_id"] for event in logs[0]]
        assert sequences == list(range(1, len(sequences) + 1))
        contents = [each["message"]["content"] for each in logs[0] if each["type"] == "message"]
        assert sorted(contents) == sorted(
            f"{who.name} {n}" for who in people[:2] for n in range(40)
        )
        assert set(acknowledged[room]) <= set(sequences)
        assert len(acknowledged[room]) == 80
