"""Three real nodes over PostgreSQL and NATS: whichever dies or leaves, whatever is gone, nothing acknowledged is lost.

All of it on one cluster, of which one node's clock is an hour ahead; each test leaves it whole.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest
import trio

from tests.backend import backend
from tests.crowd import Talk
from tests.nodes import Nodes, at, running
from tests.patience import PATIENCE
from tests.person import UPGRADE, Person, Tab, admin, guest, open_tab
from tests.presence import until_shown
from tests.server import api

pytestmark = pytest.mark.timeout(300)  # seconds: a bound for a machine with other work on it

LONG = "SALON_CLUSTER_FAULTS" in os.environ  # with `make prove`
TIMES = 10 if LONG else 2  # a node joins and leaves
CUTS = [("postgres",), ("nats",), ("postgres", "nats")] if LONG else [("postgres", "nats")]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with running(tmp_path_factory.mktemp("nodes"), LIMITS__PRESENCE_GRACE="1") as nodes:
        yield nodes


async def test_people_at_three_nodes_talk_in_one_order(nodes: Nodes) -> None:
    people = await nodes.newcomers()
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


def said(tab: Tab) -> list[str]:
    return [frame["message"]["content"] for frame in tab.events if frame["type"] == "message"]


async def test_any_node_shows_operators_all_of_them(nodes: Nodes) -> None:
    ada, ben, cleo = await nodes.newcomers()
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
    ada, ben, cleo = await nodes.newcomers()
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
    ada, ben, _ = await nodes.newcomers()
    room = await ada.create(ben)
    ticket = (await ada.ask("POST", "/auth/ticket"))["ticket"]
    url = f"{at(ben.server, ada).socket_url(room)}?ticket={ticket}"
    async with open_tab(url, {}) as tab:
        await tab.until("caught_up")
    path = url.removeprefix(ben.server.ws_url)
    assert (await api(ben.server, "GET", path, headers=UPGRADE)).status_code == 401


async def test_a_file_and_a_word_of_one_node_are_found_at_another(nodes: Nodes) -> None:
    ada, ben, _ = await nodes.newcomers()
    room = await ada.create(ben)
    data = b"%PDF-1.7\n" + os.urandom(1000)
    path = f"/chat/{room}/files"
    answer = await ada.call("POST", path, content=data, params={"name": "a.pdf"})
    assert answer.status_code == 201, answer.text
    file = {"file_id": answer.json()["file_id"]}
    await ada.say(room, "the zebra's paper", files=[file])
    assert (await ben.call("GET", f"{path}/{file['file_id']}")).content == data
    with trio.fail_after(PATIENCE):
        while not (await ben.ask("GET", "/chat/search?q=zebra"))["hits"]:  # noqa: ASYNC110
            await trio.sleep(0.1)


async def test_a_node_with_another_key_does_not_join_and_says_why(nodes: Nodes) -> None:
    with nodes.stranger(AUTH__KEY_FILE=f"{nodes.folder / 'other.key'}") as log:
        with trio.fail_after(PATIENCE):
            while "has another auth.key_file than this one" not in log.read_text():  # noqa: ASYNC110
                await trio.sleep(0.1)
        assert set(nodes.names_in()) == {"one", "two", "three"}


async def test_two_of_three_are_killed_in_a_burst_and_come_back(
    nodes: Nodes, tell: Callable[[str], None]
) -> None:
    async def kill() -> None:
        killed = [nodes.by_name[name] for name in ("two", "three")]
        for node in killed:
            node.kill()
        for node in killed:
            await trio.to_thread.run_sync(node.start)

    talk = Talk(nodes)
    await talk.through(kill)
    tell(f"kill -9 of two nodes: the longest wait for a receipt {talk.longest:.1f} s")


async def test_who_was_at_a_killed_node_is_offline_after_the_grace_and_online_when_they_return(
    nodes: Nodes,
) -> None:
    killed = nodes.by_name["three"]
    people = await nodes.newcomers()
    room = await people[0].create(*people[1:])
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(each.tab(room)) for each in people[:2]]
        async with people[2].tab(room):
            for tab in tabs:
                await until_shown(tab, people[2], online=True)
            killed.kill()
        for tab in tabs:
            await until_shown(tab, people[2], online=False)
        async with at(nodes.by_name["two"], people[2]).tab(room):
            for tab in tabs:
                await until_shown(tab, people[2], online=True)
    await trio.to_thread.run_sync(killed.start)


async def test_a_node_that_stands_still_writes_nothing_in_between_and_sends_its_sockets_away(
    nodes: Nodes,
) -> None:
    stopped = nodes.by_name["two"]

    async def stand_still() -> None:
        ada = await guest(stopped, "Ada")
        async with ada.tab(await ada.create()) as tab:
            os.kill(stopped.pid, signal.SIGSTOP)
            try:
                await nodes.until_in({"one", "three"})
                await talk.until(60)  # those at the others go on
            finally:
                os.kill(stopped.pid, signal.SIGCONT)
            assert (await tab.closed())[0] == 4002
        await nodes.until_in({"one", "two", "three"})

    talk = Talk(nodes)
    await talk.through(stand_still)
    assert "this node was given up" in stopped.log


async def test_a_node_that_leaves_and_comes_back_again_and_again_refuses_nobody(
    nodes: Nodes,
) -> None:
    leaving = nodes.by_name["three"]

    async def leave_and_come_back() -> None:
        for _ in range(TIMES):
            await trio.to_thread.run_sync(leaving.restart)

    await Talk(nodes).through(leave_and_come_back)
    await nodes.until_in({"one", "two", "three"})


async def test_a_restart_of_the_database_loses_nothing(nodes: Nodes) -> None:
    async def restart() -> None:
        await trio.to_thread.run_sync(nodes.postgres.restart, signal.SIGQUIT)

    await Talk(nodes).through(restart)


async def test_a_slow_database_in_which_the_view_changes_loses_nothing(nodes: Nodes) -> None:
    """Each commit takes 200 ms, and none is given up for it."""
    restarted = nodes.by_name["three"]

    async def slow_down() -> None:
        with nodes.slow():
            before = nodes.view().number
            await talk.until(60)
            assert nodes.view().number == before
            await trio.to_thread.run_sync(restarted.restart)
            await talk.until(60)

    talk = Talk(nodes)
    await talk.through(slow_down)


async def test_without_nats_an_owner_serves_its_own_people_and_others_catch_up_afterwards(
    nodes: Nodes,
) -> None:
    one = nodes.by_name["one"]
    ada = await guest(one, "Ada")
    own = await nodes.room_of("one", ada)

    async def cut() -> None:
        nodes.nats.stop()
        try:
            async with ada.tab(own) as tab:
                for n in range(20):
                    await tab.say(f"{n}", key=f"{n}")
        finally:
            await trio.to_thread.run_sync(nodes.nats.start)

    await Talk(nodes).through(cut)


@pytest.mark.parametrize("what", CUTS, ids="-".join)
async def test_a_node_that_is_cut_off_loses_nothing_and_comes_back(
    nodes: Nodes, what: tuple[str, ...]
) -> None:
    relays = [getattr(nodes.relays, each) for each in what]

    async def cut() -> None:
        for relay in relays:
            relay.cut()
        try:
            if "postgres" in what:
                await nodes.until_in({"one", "three"})
            else:
                await nodes.until_not_on_nats()
            await talk.until(60)
        finally:
            for relay in relays:
                relay.mend()
        await nodes.until_in({"one", "two", "three"})

    talk = Talk(nodes)
    await talk.through(cut)


async def test_webhooks_of_a_killed_node_are_delivered_by_another(nodes: Nodes) -> None:
    async with backend() as shop:
        keeper = await nodes.keeper()
        others = [each for each in nodes if each is not keeper]
        wanted = {"url": shop.url, "events": ["message"], "allow_private": True}
        refused = await admin(others[0]).call("POST", "/admin/webhooks", wanted)
        name = next(name for name, node in nodes.by_name.items() if node is keeper)
        assert f"the webhooks are kept by the node {name}" in refused.text
        made = await admin(keeper).call("POST", "/admin/webhooks", wanted)
        assert made.status_code == 201, made.text
        ada = await guest(others[0], "Ada")
        room = await ada.create()
        first = (await ada.say(room, "first"))["sequence_id"]
        await shop.until(lambda: first in shop.sequences)
        keeper.kill()
        for n in range(10):
            last = (await ada.say(room, f"then {n}"))["sequence_id"]
        await shop.until(lambda: last in shop.sequences)
        await trio.to_thread.run_sync(keeper.start)
        # What was under way may come twice.
        assert list(dict.fromkeys(shop.sequences)) == list(range(first, last + 1))


async def test_a_standby_takes_the_place_of_the_database_with_all_that_was_acknowledged(
    nodes: Nodes,
) -> None:
    """The last one: the former database does not come back."""
    standby = nodes.follow()

    async def fail_over() -> None:
        await trio.to_thread.run_sync(nodes.fail_over, standby)

    await Talk(nodes).through(fail_over)
