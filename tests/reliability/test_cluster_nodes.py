"""Three real nodes over PostgreSQL and NATS: one conversation for people at all of them, whichever node dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest
import trio

from tests.nodes import Nodes, at, running
from tests.patience import PATIENCE
from tests.person import UPGRADE, Person, Tab, admin, guests, open_tab
from tests.server import api


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


async def test_any_node_shows_operators_all_of_them(nodes: Nodes) -> None:
    ada, ben, cleo = await one_at_each(nodes)
    room = await ada.create(ben, cleo)
    async with ada.tab(room), ben.tab(room), cleo.tab(room):
        for node in nodes:
            with trio.fail_after(PATIENCE):
                while True:  # until each has said it in a sign of life
                    shown = await admin(node).ask("GET", "/admin/nodes")
                    if [each["connections"] for each in shown["nodes"]] == [1, 1, 1]:
                        break
                    await trio.sleep(0.1)
            assert {each["name"] for each in shown["nodes"]} == {"one", "two", "three"}
            assert [each["keeps_house"] for each in shown["nodes"]] == [True, False, False]
            assert sum(each["replicas"] for each in shown["nodes"]) >= 2
            assert all(each["on_nats"] and each["sent"] for each in shown["nodes"])
            assert shown["node_id"] in {each["id"] for each in shown["nodes"]}
    metrics = (await admin(ada.server).call("GET", "/metrics")).text
    for line in ("salon_cluster_nodes 3.0", "salon_cluster_in_view 1.0"):
        assert line in metrics
    assert (await ada.call("GET", "/admin/nodes")).status_code == 403


async def test_who_is_shut_out_at_one_node_is_out_at_all(nodes: Nodes) -> None:
    ada, ben, cleo = await one_at_each(nodes)
    room = await ada.create(ben, cleo)
    async with ben.tab(room) as of_ben, cleo.tab(room) as of_cleo:
        await at(ada.server, ben).call("POST", "/auth/logout")
        assert (await of_ben.closed())[0] == 4500
        await admin(ada.server).call("PUT", f"/admin/people/{cleo.id}/block")
        assert (await of_cleo.closed())[0] == 4500
    for node in nodes:
        for person in (ben, cleo):
            await until_answered(at(node, person), 401)


async def until_answered(person: Person, status: int) -> None:
    """Ask who somebody is until this is the status of the answer."""
    with trio.fail_after(PATIENCE):
        while (await person.call("GET", "/auth/me")).status_code != status:  # noqa: ASYNC110
            await trio.sleep(0.05)


async def test_a_ticket_of_one_node_opens_a_socket_at_another_once(nodes: Nodes) -> None:
    ada, ben, _ = await one_at_each(nodes)
    room = await ada.create(ben)
    ticket = (await ada.ask("POST", "/auth/ticket"))["ticket"]
    url = f"{at(ben.server, ada).socket_url(room)}?ticket={ticket}"
    async with open_tab(url, {}) as tab:
        await tab.until("caught_up")
    path = url.removeprefix(ben.server.ws_url)
    assert (await api(ben.server, "GET", path, headers=UPGRADE)).status_code == 401


async def test_a_node_that_is_killed_costs_nobody_a_message(
    nodes: Nodes, tell: Callable[[str], None]
) -> None:
    """Whoever is at the others goes on: with what the dead one owned after the timeout, with the rest at once."""
    people = await one_at_each(nodes)
    rooms = [await people[0].create(*people[1:], title=f"Room {n}") for n in range(6)]
    killed = nodes.by_name["three"]
    acknowledged: dict[str, list[int]] = {room: [] for room in rooms}

    async def talk(room: str, person: Person) -> None:
        async with person.tab(room) as tab:
            for n in range(40):
                began = trio.current_time()
                receipt = await tab.say(f"{person.name} {n}", key=f"{person.name}-{n}")
                waits.append(trio.current_time() - began)
                acknowledged[room].append(receipt["sequence_id"])
                if n == 10 and person is people[0]:
                    started.set()

    waits: list[float] = []
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
    tell(f"kill -9 of a node: others waited for a receipt {max(waits):.1f} s at most")
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
