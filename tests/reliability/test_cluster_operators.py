"""Operators of three real nodes: any node shows all, and what is decided at one holds at all."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from salon.actors.cluster.encoding import encode
from salon.actors.cluster.wire import Call
from salon.web.cluster.parcels import Packer
from tests.nodes import Nodes, at, running
from tests.patience import PATIENCE
from tests.person import Person, admin, guests
from tests.server import ServerProcess

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with running(tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


async def one_at_each(nodes: Nodes) -> list[Person]:
    """A newcomer at each node."""
    found = await guests(next(iter(nodes)), "Ada", "Ben", "Cleo")
    return [at(node, who) for node, who in zip(nodes, found, strict=True)]


def operators(nodes: Nodes) -> list[Person]:
    """The operator at each node."""
    return [admin(node) for node in nodes]


async def until(operator: Person, path: str, name: str, count: int) -> Any:
    """Ask until a list has as many rows; all of the answer."""
    with trio.fail_after(PATIENCE):
        while True:
            shown = await operator.ask("GET", path)
            if len(shown[name]) == count:
                return shown
            await trio.sleep(0.05)


async def test_lists_and_details_are_the_same_at_any_node(nodes: Nodes) -> None:
    people = await one_at_each(nodes)
    room = await people[0].create(*people[1:], title="The common room")
    async with people[0].tab(room), people[1].tab(room), people[2].tab(room):
        owners = set()
        for operator in operators(nodes):
            path = f"/admin/connections?conversation_id={room}&sort=name"
            connections = await until(operator, path, "connections", 3)
            assert [row["node"] for row in connections["connections"]] == ["one", "two", "three"]
            assert [row["name"] for row in connections["connections"]] == ["Ada", "Ben", "Cleo"]
            assert {row["state"] for row in connections["connections"]} == {"live"}
            page = await operator.ask("GET", f"{path}&limit=1&offset=1")
            assert [row["name"] for row in page["connections"]] == ["Ben"]
            assert (page["total"], page["silent"]) == (3, [])
            rooms = await operator.ask("GET", "/admin/conversations?key=common")
            owners |= {row["node"] for row in rooms["conversations"]}
            dossier = await operator.ask("GET", f"/admin/conversations/{room}")
            assert dossier["actor"] is not None
            assert {dossier["node"]} == owners
            assert dossier["connection_count"] == len(dossier["connections"]) == 3
            person = await operator.ask("GET", f"/admin/participants/{people[2].id}")
            assert (person["node"], person["connection_count"]) == ("three", 1)
            found = await operator.ask("GET", f"/admin/search?q={people[1].id}")
            assert ("participant", people[1].id) in {
                (hit["kind"], hit["id"]) for hit in found["hits"]
            }
        assert len(owners) == 1
    refused = await people[2].call("POST", f"/chat/{room}/messages", {"content": ""})
    for operator in operators(nodes):
        why = await operator.ask("GET", f"/admin/refusals/{refused.json()['id']}")
        assert why["code"] == refused.json()["code"]


async def test_a_connection_is_closed_and_a_conversation_passivated_from_any_node(
    nodes: Nodes,
) -> None:
    people = await one_at_each(nodes)
    room = await people[0].create(*people[1:])
    first, second, third = operators(nodes)
    async with people[2].tab(room) as tab:
        path = f"/admin/connections?conversation_id={room}"
        row = (await until(first, path, "connections", 1))["connections"][0]
        assert (await first.call("DELETE", f"/admin/connections/{row['id']}")).status_code == 204
        assert (await tab.closed())[0] == 4002
        assert (await second.call("DELETE", f"/admin/connections/{row['id']}")).status_code == 404
    with trio.fail_after(PATIENCE):
        active = True
        while active:  # the end of a socket may wake it once more
            for operator in (second, third):
                asked = await operator.call("POST", f"/admin/conversations/{room}/passivate")
                assert asked.status_code in (200, 404)  # it was passive
            shown = await first.ask("GET", f"/admin/conversations?key={room}")
            active = shown["conversations"] != []


async def test_webhooks_are_the_same_at_any_node(nodes: Nodes) -> None:
    one, two, three = operators(nodes)
    wanted = {"url": "http://127.0.0.1:9/hook", "allow_private": True}
    made = await two.ask("POST", "/admin/webhooks", wanted)
    path = f"/admin/webhooks/{made['webhook_id']}"
    for operator in (one, two, three):
        assert (await operator.ask("GET", path))["url"] == wanted["url"]
    changed = await three.ask("PATCH", path, {"events": ["message"]})
    assert (await one.ask("GET", path)) == changed
    refused = await two.call("PATCH", path, {"events": []})
    assert refused.status_code == 400
    assert refused.json()["code"] == "MALFORMED_REQUEST"
    assert (await three.ask("POST", f"{path}/test"))["status"] is None
    assert (await three.call("DELETE", path)).status_code == 204
    for operator in (one, two, three):
        assert (await operator.call("GET", path)).status_code == 404
        deeds = (await until_told(operator, path.rpartition("/")[2], "deleted"))["outcome"]
        assert deeds == "deleted"


async def until_told(operator: Person, target: str, outcome: str) -> Any:
    """Ask for the audit until it has a deed."""
    with trio.fail_after(PATIENCE):
        while True:
            for deed in (await operator.ask("GET", "/admin/audit"))["deeds"]:
                if (deed["target"], deed["outcome"]) == (target, outcome):
                    return deed
            await trio.sleep(0.05)


async def test_who_is_blocked_at_one_node_is_nobody_at_the_others_at_once(nodes: Nodes) -> None:
    people = await one_at_each(nodes)
    room = await people[0].create(*people[1:])
    ben = people[1]
    one, _, three = operators(nodes)
    async with at(people[0].server, ben).tab(room) as here, ben.tab(room) as there:
        path = f"/admin/people/{ben.id}/block"
        assert (await three.call("PUT", path)).status_code == 204
        for node in nodes:
            assert (await at(node, ben).call("GET", "/auth/me")).status_code == 401
        assert (await here.closed())[0] == (await there.closed())[0] == 4500
        blocked = await one.ask("GET", f"/admin/blocked?id={ben.id}")
        assert [each["id"] for each in blocked["people"]] == [ben.id]
        assert (await one.call("DELETE", path)).status_code == 204
        for node in nodes:
            assert (await at(node, ben).call("GET", "/auth/me")).status_code == 200
    deed = await until_told(one, ben.id, "done")
    assert (deed["operator_id"], deed["node"]) == (three.id, "three")


async def test_a_token_that_is_revoked_at_one_node_closes_its_sockets_at_all(nodes: Nodes) -> None:
    people = await one_at_each(nodes)
    one, two, three = operators(nodes)
    made = await one.ask("POST", "/admin/tokens", {"id": "dana", "name": "Dana"})
    room = await people[0].create(*people[1:])
    dana = Person(people[0].server, made["token"], "dana", "Dana")
    await people[0].join(room, dana)
    async with dana.tab(room) as a, at(people[1].server, dana).tab(room) as b:
        assert (await three.call("DELETE", f"/admin/tokens/{made['token_id']}")).status_code == 204
        for node in nodes:
            assert (await at(node, dana).call("GET", "/auth/me")).status_code == 401
        assert (await a.closed())[0] == (await b.closed())[0] == 4500
    assert (await two.ask("GET", "/admin/tokens?id=dana"))["tokens"][0]["revoked_at"]


async def test_what_is_held_at_one_node_is_held_at_all(nodes: Nodes) -> None:
    people = await one_at_each(nodes)
    rooms = [await people[0].create(*people[1:]) for _ in range(4)]
    one, two, three = operators(nodes)
    for room in rooms:  # whoever owns it
        wanted = {"kind": "conversation", "subject": room, "reason": "a case"}
        held = await three.ask("POST", "/admin/holds", wanted)
        for operator in (one, two):
            listed = await operator.ask("GET", f"/admin/holds?kind=conversation&subject={room}")
            assert [each["hold_id"] for each in listed["holds"]] == [held["hold_id"]]
        refused = await people[0].call("DELETE", f"/chat/{room}")
        assert refused.json()["code"] == "LEGAL_HOLD"
        assert (await two.call("DELETE", f"/admin/holds/{held['hold_id']}")).is_success
        assert (await people[0].call("DELETE", f"/chat/{room}")).is_success


async def test_an_agent_that_is_added_at_one_node_is_hosted_at_all(nodes: Nodes) -> None:
    one, two, three = operators(nodes)
    path = "/admin/agents/helper"

    async def names() -> list[list[str]]:
        """What each node calls the agent, if it hosts it."""
        hosted = [(await each.ask("GET", "/admin/agents"))["agents"] for each in (one, two, three)]
        return [[each["name"] for each in agents if each["id"] == "helper"] for agents in hosted]

    added = await two.call("PUT", path, {"kind": "echo", "name": "Helper"})
    assert added.status_code == 201
    assert await names() == [["Helper"]] * 3
    replaced = await three.call("PUT", path, {"kind": "echo", "name": "Butler"})
    assert replaced.status_code == 200
    assert await names() == [["Butler"]] * 3
    assert (await one.call("DELETE", path)).status_code == 204
    assert await names() == [[]] * 3


@contextmanager
def standing_still(node: ServerProcess) -> Iterator[None]:
    os.kill(node.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.pid, signal.SIGCONT)


async def test_a_node_that_does_not_answer_is_shown_as_silent_and_can_be_removed(
    nodes: Nodes,
) -> None:
    one, two, _ = operators(nodes)
    still = nodes.by_name["three"]
    shown = await until(one, "/admin/nodes", "nodes", 3)
    by_name = {each["name"]: each["id"] for each in shown["nodes"]}
    with standing_still(still):
        listed = await one.ask("GET", "/admin/conversations")
        assert listed["silent"] == ["three"]
        drained = await two.call("POST", "/admin/nodes/none/drain")
        assert drained.status_code == 404
        removed = await two.call("DELETE", f"/admin/nodes/{by_name['three']}")
        assert removed.status_code == 204
        assert set(nodes.names_in()) == {"one", "two"}
    await until(one, "/admin/nodes", "nodes", 3)  # it lives: it joins again
    again = await one.ask("GET", "/admin/nodes")
    assert by_name["three"] not in [each["id"] for each in again["nodes"]]
    assert (await until_told(one, "three", "done"))["action"] == "remove node"


async def test_a_node_is_drained_from_another(nodes: Nodes) -> None:
    people = await one_at_each(nodes)
    room = await people[0].create(*people[1:])
    one, two, _ = operators(nodes)
    shown = await until(one, "/admin/nodes", "nodes", 3)
    by_name = {each["name"]: each["id"] for each in shown["nodes"]}
    leaving = nodes.by_name["three"]
    async with people[2].tab(room) as tab:
        drained = await two.call("POST", f"/admin/nodes/{by_name['three']}/drain")
        assert drained.status_code == 202
        assert (await tab.closed())[0] == 4000
    assert await leaving.wait_exited() == 0
    assert set(nodes.names_in()) == {"one", "two"}
    assert (await until_told(one, "three", "done"))["action"] in ("drain node", "remove node")
    await trio.to_thread.run_sync(leaving.start)
    await until(one, "/admin/nodes", "nodes", 3)


async def test_nobody_sees_more_at_one_node_than_at_another(nodes: Nodes) -> None:
    people = await one_at_each(nodes)
    room = await people[0].create(people[1])
    said = await people[0].say(room, "between us")
    stranger = people[2]
    paths = [
        f"/chat/conversations/{room}",
        f"/chat/{room}/messages",
        f"/chat/{room}/events",
        f"/chat/{room}/participants/{people[0].id}",
        "/admin/nodes",
        "/admin/webhooks",
        f"/admin/conversations/{room}",
        "/admin/connections",
    ]
    for path in paths:
        answers = [await at(node, stranger).call("GET", path) for node in nodes]
        assert {each.status_code for each in answers} <= {403, 404, 405}, path
        assert len({without_id(each.json()) for each in answers}) == 1, path
        for hidden in (said["message_id"], "between us", people[0].id, "three"):
            assert all(hidden not in each.text for each in answers), path
    for node in nodes:
        reached = await at(node, stranger).call("POST", "/admin/nodes/any/drain")
        assert reached.status_code == 403


def without_id(refusal: dict[str, Any]) -> str:
    return str({name: value for name, value in refusal.items() if name != "id"})


async def test_who_can_publish_to_nats_is_no_operator_by_that(nodes: Nodes) -> None:
    one, *_ = operators(nodes)
    shown = await until(one, "/admin/nodes", "nodes", 3)
    (target,) = [each["id"] for each in shown["nodes"] if each["name"] == "one"]
    wanted = {"kind": "request", "operator": ["eve", "Eve", "human"], "method": "POST"}
    wanted |= {"path": "/admin/tokens", "body": json.dumps({"id": "eve", "admin": True})}
    call = encode(0, Call(1, bytes(32) + json.dumps(wanted).encode()))
    (payload,) = Packer().pack((call,), 100_000)
    stream = await trio.open_tcp_stream("127.0.0.1", nodes.nats.port)
    async with stream:
        await stream.send_all(b'CONNECT {"verbose":false}\r\nSUB salon.eve 1\r\n')
        head = f"PUB salon.{target} salon.eve {len(payload)}\r\n".encode()
        await stream.send_all(head + payload + b"\r\n")
        said = b""
        with trio.fail_after(PATIENCE):
            while b"Reply" not in said:
                said += await stream.receive_some(65536)
    assert b'{"answer"' not in said
    assert (await one.ask("GET", "/admin/tokens?id=eve"))["tokens"] == []
    assert "is not signed with the key of this one" in nodes.by_name["one"].log


async def test_the_metrics_of_a_node_are_all_documented_and_those_that_are_drawn_exist(
    nodes: Nodes,
) -> None:
    text = (await admin(nodes.by_name["two"]).call("GET", "/metrics")).text
    there = set(re.findall(r"^salon_cluster(_\w+) ", text, re.MULTILINE))
    there = {name for name in there if not name.endswith("_created")}
    documented = set(re.findall(r"`(?:salon_cluster)?(_\w+)`", (DOCS / "cluster.md").read_text()))
    assert there <= documented
    drawn = (DOCS / "deploy" / "grafana-cluster.json").read_text()
    assert set(re.findall(r"salon_cluster(_\w+)", drawn)) <= there
