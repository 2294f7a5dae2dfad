"""What nodes of a cluster do when one stops or leaves, or the database or NATS is gone: nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
import trio

from tests.backend import Backend, backend
from tests.crowd import Talk
from tests.nodes import CUT_OFF, Nodes, running
from tests.person import admin, guests
from tests.server import ServerProcess


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with running(tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


async def test_a_node_that_stands_still_and_goes_on_writes_nothing_in_between(nodes: Nodes) -> None:
    stopped = nodes.by_name["two"]

    async def stand_still() -> None:
        os.kill(stopped.pid, signal.SIGSTOP)
        try:
            await until_in(nodes, {"one", "three"})
            await talk.until(60)  # those at the others go on
        finally:
            os.kill(stopped.pid, signal.SIGCONT)
        await until_in(nodes, {"one", "two", "three"})

    talk = Talk(nodes)
    await talk.through(stand_still)
    assert "this node was given up" in stopped.log


async def test_a_node_that_leaves_refuses_nobody(nodes: Nodes) -> None:
    leaving = nodes.by_name["three"]

    async def leave_and_come_back() -> None:
        await trio.to_thread.run_sync(leaving.restart)

    await Talk(nodes).through(leave_and_come_back)
    await until_in(nodes, {"one", "two", "three"})


async def test_a_restart_of_the_database_loses_nothing(nodes: Nodes) -> None:
    async def restart() -> None:
        await trio.to_thread.run_sync(nodes.postgres.restart, signal.SIGQUIT)

    await Talk(nodes).through(restart)


async def test_without_nats_nothing_is_lost_and_all_catch_up_when_it_is_back(nodes: Nodes) -> None:
    async def cut() -> None:
        nodes.nats.stop()
        try:
            await trio.sleep(5)
        finally:
            await trio.to_thread.run_sync(nodes.nats.start)

    await Talk(nodes).through(cut)


@pytest.mark.parametrize("what", [("postgres",), ("nats",), ("postgres", "nats")], ids="-".join)
async def test_a_node_that_is_cut_off_loses_nothing_and_comes_back(
    nodes: Nodes, what: tuple[str, ...]
) -> None:
    relays = [getattr(nodes.relays, each) for each in what]

    async def cut() -> None:
        for relay in relays:
            relay.cut()
        try:
            if "postgres" in what:
                await until_in(nodes, {"one", "three"})
            else:
                await until_not_on_nats(nodes)
            await talk.until(60)
        finally:
            for relay in relays:
                relay.mend()
        await until_in(nodes, {"one", "two", "three"})

    talk = Talk(nodes)
    await talk.through(cut)


async def test_webhooks_of_a_killed_node_are_delivered_by_another(nodes: Nodes) -> None:
    async with backend() as shop:
        keeper = await keeper_of(nodes)
        others = [each for each in nodes if each is not keeper]
        wanted = {"url": shop.url, "events": ["message"], "allow_private": True}
        made = await admin(others[0]).call("POST", "/admin/webhooks", wanted)
        assert made.status_code == 201, made.text
        ada = (await guests(others[0], "Ada"))[0]
        room = await ada.create()
        first = (await ada.say(room, "first"))["sequence_id"]
        await shop.until(lambda: first in told(shop))
        keeper.kill()
        for n in range(10):
            last = (await ada.say(room, f"then {n}"))["sequence_id"]
        await shop.until(lambda: last in told(shop))
        await trio.to_thread.run_sync(keeper.start)
        # What was under way may come twice.
        assert list(dict.fromkeys(told(shop))) == list(range(first, last + 1))


async def until_not_on_nats(nodes: Nodes) -> None:
    """Wait until operators see that the node which can be cut off does not reach NATS."""
    with trio.fail_after(60):
        while True:
            shown = await admin(nodes.by_name["one"]).ask("GET", "/admin/nodes")
            if [each["name"] for each in shown["nodes"] if not each["on_nats"]] == [CUT_OFF]:
                return
            await trio.sleep(0.2)


def told(shop: Backend) -> list[int]:
    return [each.body["sequence_id"] for each in shop.taken]


async def keeper_of(nodes: Nodes) -> ServerProcess:
    """The node that keeps house."""
    any_node = next(iter(nodes))
    listed = (await admin(any_node).ask("GET", "/admin/nodes"))["nodes"]
    return nodes.by_name[next(each["name"] for each in listed if each["keeps_house"])]


async def until_in(nodes: Nodes, names: set[str]) -> None:
    """Wait until these are in the view."""
    with trio.fail_after(60):
        while set(nodes.names_in()) != names:  # noqa: ASYNC110 - the database tells nobody
            await trio.sleep(0.05)
