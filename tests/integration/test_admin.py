"""Operators look at a running server and turn its few handles; nobody else can."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from salon.web.client import Client, Closed, Socket
from tests.patience import PATIENCE
from tests.server import ServerProcess, api

ADMIN = "admin_token"
ADA, BOB = "test_token_1", "test_token_2"
ROUTES = [
    ("GET", "/admin/actors"),
    ("GET", "/admin/conversations"),
    ("GET", "/admin/conversations/x"),
    ("GET", "/admin/participants/x"),
    ("GET", "/admin/connections"),
    ("GET", "/admin/refusals/x"),
    ("GET", "/admin/stats"),
    ("GET", "/admin/events"),
    ("GET", "/admin/audit"),
    ("GET", "/admin/search?q=x"),
    ("GET", "/admin/conversations/x/events"),
    ("POST", "/admin/conversations/x/passivate"),
    ("DELETE", "/admin/connections/x"),
    ("POST", "/admin/drain"),
]


# Who is named otherwise is put right by an event when they first come
OWN_NAMES = {"test_user_1": "Ada", "test_user_2": "Bob", "test_user_3": "Cleo"}


async def begin(server: ServerProcess, *others: str, token: str = ADA) -> str:
    """A new conversation of Ada's, with others named in it; its id."""
    entries = [{"user_id": other, "name": OWN_NAMES.get(other, other)} for other in others]
    body = {"title": "Dinner", "participants": entries}
    response = await api(server, "POST", "/chat/create", token, body)
    assert response.status_code == 201, response.text
    conversation_id: str = response.json()["conversation_id"]
    return conversation_id


async def look(server: ServerProcess, path: str, status: int = 200) -> dict[str, Any]:
    """What an admin sees there."""
    response = await api(server, "GET", f"/admin/{path}", ADMIN)
    assert response.status_code == status, response.text
    fields: dict[str, Any] = response.json()
    return fields


async def receive(socket: Socket, kind: str) -> dict[str, Any]:
    """The next frame of a type."""
    with trio.fail_after(PATIENCE):
        while True:
            frame = await socket.receive_json()
            if frame["type"] == kind:
                return frame


@asynccontextmanager
async def connected(
    server: ServerProcess, conversation_id: str, token: str = ADA
) -> AsyncIterator[tuple[Socket, str]]:
    """A live socket, and the connection's id."""
    async with Client(server.url, token=token).socket(conversation_id) as socket:
        connection_id = (await receive(socket, "connected"))["connection_id"]
        await receive(socket, "caught_up")
        yield socket, connection_id


async def say(server: ServerProcess, conversation_id: str, content: str = "Hello") -> None:
    path = f"/chat/{conversation_id}/messages"
    response = await api(server, "POST", path, ADA, {"content": content})
    assert response.status_code == 201, response.text


# --- who may --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_looks_without_an_identity(
    server: ServerProcess, method: str, path: str
) -> None:
    response = await api(server, method, path)
    assert (response.status_code, response.json()["code"]) == (401, "UNAUTHENTICATED")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_member_who_is_no_admin_is_refused(
    server: ServerProcess, method: str, path: str
) -> None:
    response = await api(server, method, path, ADA)
    assert (response.status_code, response.json()["code"]) == (403, "FORBIDDEN")
    assert (await api(server, "GET", "/ready")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [route for route in ROUTES if "/x" in route[1]], ids=lambda part: part
)
async def test_what_is_not_there_is_not_found(
    server: ServerProcess, method: str, path: str
) -> None:
    response = await api(server, method, path, ADMIN)
    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


# --- lists ----------------------------------------------------------------------------------------------------------------


async def test_the_actors_are_listed_with_what_they_do(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    await say(server, conversation_id)

    (row,) = (await look(server, f"actors?key={conversation_id}"))["actors"]

    assert (row["kind"], row["key"], row["state"]) == ("conversation", conversation_id, "idle")
    assert (row["depth"], row["limit"], row["restarts"]) == (0, 1000, 0)
    assert row["turns"] >= 2
    assert 0 <= row["idle"] <= row["age"]


async def test_the_actors_are_filtered_sorted_and_paged(server: ServerProcess) -> None:
    for _ in range(3):
        await say(server, await begin(server))

    everything = await look(server, "actors?limit=100")
    kinds = {row["kind"] for row in everything["actors"]}
    assert kinds == {"conversation", "participant"}

    busiest = await look(server, "actors?kind=conversation&sort=-turns&limit=2")
    turns = [row["turns"] for row in busiest["actors"]]
    assert turns == sorted(turns, reverse=True)
    assert len(turns) == 2 < busiest["total"]

    pages = [
        (await look(server, f"actors?kind=conversation&sort=key&limit=1&offset={offset}"))["actors"]
        for offset in range(3)
    ]
    keys = [row["key"] for page in pages for row in page]
    assert keys == sorted(keys)
    assert len(set(keys)) == 3

    beyond = await look(server, f"actors?offset={2**40}")
    assert beyond["actors"] == []
    assert beyond["total"] > 0
    assert (await look(server, "actors?state=starting"))["total"] == 0


async def test_every_list_is_sorted_by_each_of_its_columns(server: ServerProcess) -> None:
    ids = [await begin(server), await begin(server, "test_user_2")]
    await say(server, ids[0])
    async with connected(server, ids[0]), connected(server, ids[1], BOB):
        for name in ("actors", "conversations", "connections"):
            rows = (await look(server, f"{name}?limit=100"))[name]
            assert len(rows) >= 2
            for column in rows[0]:
                up = await look(server, f"{name}?limit=100&sort={column}")
                down = await look(server, f"{name}?limit=100&sort=-{column}")
                for listed, reverse in ((up, False), (down, True)):
                    values = [row[column] for row in listed[name]]
                    ranked = sorted(values, key=lambda v: (v is not None, v), reverse=reverse)
                    assert values == ranked, (name, column)


@pytest.mark.parametrize(
    "query",
    ["sort=secret", "sort=--age", "limit=101", "limit=0", "offset=-1", "state=asleep", "kind=wire"],
)
async def test_a_list_that_cannot_be_made_is_refused(server: ServerProcess, query: str) -> None:
    refused = await look(server, f"actors?{query}", 400)
    assert refused["code"] == "MALFORMED_REQUEST"
    assert query.partition("=")[0] in refused["error"]


async def test_the_active_conversations_are_listed(server: ServerProcess) -> None:
    conversation_id = await begin(server, "test_user_2")
    async with connected(server, conversation_id):
        await say(server, conversation_id)
        (row,) = (await look(server, f"conversations?key={conversation_id}&sort=-head"))[
            "conversations"
        ]

    assert (row["id"], row["title"], row["status"]) == (conversation_id, "Dinner", "active")
    assert (row["head"], row["messages"], row["participants"]) == (2, 1, 2)
    assert (row["connections"], row["behind"], row["depth"]) == (1, 0, 0)


async def test_the_open_connections_are_listed(server: ServerProcess) -> None:
    conversation_id = await begin(server, "test_user_2")
    async with (
        connected(server, conversation_id) as (_, ada),
        connected(server, conversation_id, BOB) as (_, bob),
    ):
        of_conversation = f"connections?conversation_id={conversation_id}"
        listed = await look(server, f"{of_conversation}&sort=participant_id")
        (of_bob,) = (await look(server, f"{of_conversation}&participant_id=test_user_2"))[
            "connections"
        ]

    assert [row["id"] for row in listed["connections"]] == [ada, bob]
    assert of_bob["id"] == bob
    assert (of_bob["name"], of_bob["address"]) == ("Bob", "127.0.0.1")
    assert (of_bob["state"], of_bob["position"], of_bob["outbox_bytes"]) == ("live", 1, 0)
    assert (await look(server, of_conversation))["total"] <= 2


# --- one of them ----------------------------------------------------------------------------------------------------------


async def test_a_conversation_is_shown_with_its_turns(server: ServerProcess) -> None:
    conversation_id = await begin(server, "test_user_2")
    async with connected(server, conversation_id) as (_, connection_id):
        await say(server, conversation_id, "a secret")
        shown = await look(server, f"conversations/{conversation_id}")

    assert shown["active"]
    assert (shown["title"], shown["status"]) == ("Dinner", "active")
    assert (shown["head_sequence_id"], shown["message_count"]) == (2, 1)
    online = {who["participantId"]: who["isOnline"] for who in shown["participants"]}
    assert online == {"test_user_1": True, "test_user_2": False}
    assert [row["id"] for row in shown["connections"]] == [connection_id]
    mailbox = shown["actor"]["mailbox"]
    assert (mailbox["depth"], mailbox["limit"], mailbox["share"]) == (0, 1000, 250)
    assert mailbox["drain_rate"] > 0
    create, post = shown["traces"]
    [created], [posted] = create["envelopes"], post["envelopes"]
    assert (created["command"], created["verdict"], created["sequence_id"]) == (
        ("Create", "stored", 1)
    )
    assert (posted["command"], posted["verdict"], posted["sequence_id"]) == ("Post", "stored", 2)
    assert (posted["sender_id"], posted["refusal_id"]) == ("test_user_1", None)
    assert (post["first_sequence_id"], post["last_sequence_id"], post["size"]) == (2, 2, 1)
    times = [post[f"{step}_at"] for step in ("enqueued", "begun", "committed", "delivered")]
    assert times == sorted(times)
    assert post["committing"] > 0
    assert shown["turn_times"]["committing"]["max"] >= shown["turn_times"]["committing"]["p50"] > 0
    assert shown["batch_sizes"]["max"] == 1
    assert "secret" not in json.dumps(shown)


async def test_a_passive_conversation_is_shown_and_stays_passive(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    await say(server, conversation_id)
    path = f"/admin/conversations/{conversation_id}/passivate"
    passivated = await api(server, "POST", path, ADMIN)
    assert passivated.json() == {"passivated": True, "why": None}

    shown = await look(server, f"conversations/{conversation_id}")

    assert not shown["active"]
    assert (shown["head_sequence_id"], shown["participant_count"]) == (2, 1)
    assert (shown["actor"], shown["traces"], shown["connections"]) == (None, [], [])
    assert (await look(server, f"conversations?key={conversation_id}"))["total"] == 0
    assert (await api(server, "POST", path, ADMIN)).status_code == 404
    await say(server, conversation_id)


async def test_a_conversation_that_somebody_listens_to_stays_active(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    async with connected(server, conversation_id):
        path = f"/admin/conversations/{conversation_id}/passivate"
        response = await api(server, "POST", path, ADMIN)
        assert response.status_code == 200
        assert response.json() == {"passivated": False, "why": "1 connection listens to it"}
        assert (await look(server, f"conversations/{conversation_id}"))["active"]


async def test_the_log_is_read_without_waking_the_conversation(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    for number in range(3):
        await say(server, conversation_id, str(number))
    await api(server, "POST", f"/admin/conversations/{conversation_id}/passivate", ADMIN)

    newest = await look(server, f"conversations/{conversation_id}/events?limit=2")
    older = await look(server, f"conversations/{conversation_id}/events?limit=2&before=3")

    assert [event["message"]["content"] for event in newest["events"]] == ["1", "2"]
    assert [event["sequence_id"] for event in older["events"]] == [1, 2]
    assert (newest["head_sequence_id"], newest["has_more"], older["has_more"]) == (4, True, False)
    assert not (await look(server, f"conversations/{conversation_id}"))["active"]


async def test_who_fills_a_mailbox_is_shown(own_server: ServerProcess) -> None:
    conversation_id = await begin(own_server, "test_user_2")
    busy = sqlite3.connect(own_server.store.removeprefix("sqlite:///"), isolation_level=None)
    try:
        async with connected(own_server, conversation_id) as (socket, _):
            busy.execute("BEGIN IMMEDIATE")
            await socket.send_json({"type": "message", "content": "first"})
            with trio.fail_after(PATIENCE):
                while True:
                    shown = await look(own_server, f"conversations/{conversation_id}")
                    if shown["actor"]["state"] == "busy":
                        break
            await socket.send_json(*({"type": "message", "content": "more"} for _ in range(7)))
            with trio.fail_after(PATIENCE):
                while True:
                    shown = await look(own_server, f"conversations/{conversation_id}")
                    if shown["actor"]["mailbox"]["depth"] == 7:
                        break
            busy.execute("ROLLBACK")
    finally:
        busy.close()
    senders = shown["actor"]["mailbox"]["senders"]
    assert senders == [{"participant_id": "test_user_1", "commands": 7}]


async def test_a_participant_is_shown_with_their_connections(server: ServerProcess) -> None:
    conversation_id = await begin(server, "test_user_3")
    async with connected(server, conversation_id, "test_token_3") as (_, connection_id):
        shown = await look(server, "participants/test_user_3")

    assert shown["active"]
    assert shown["participant"] == {"id": "test_user_3", "name": "Cleo", "type": "human"}
    assert [row["id"] for row in shown["connections"]] == [connection_id]
    assert conversation_id in shown["conversations"]
    assert shown["actor"]["mailbox"]["depth"] == 0


async def test_a_participant_who_was_never_here_is_shown(server: ServerProcess) -> None:
    conversation_id = await begin(server, "provider/somebody")
    shown = await look(server, "participants/provider/somebody")
    assert (shown["active"], shown["actor"], shown["connections"]) == (False, None, [])
    assert shown["conversations"] == [conversation_id]
    assert (await look(server, "actors?key=provider/somebody"))["total"] == 0


async def test_a_refusal_is_explained(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    body = {"content": "x" * 10_001, "client_message_id": "key"}
    refused = await api(server, "POST", f"/chat/{conversation_id}/messages", ADA, body)

    shown = await look(server, f"refusals/{refused.json()['id']}")

    assert (shown["code"], shown["status"], shown["temporary"]) == ("MESSAGE_TOO_LARGE", 413, False)
    assert shown["error"] == refused.json()["error"]
    assert shown["facts"] == {"actual_size": 10_001, "max_size": 10_000}
    assert (shown["participant_id"], shown["conversation_id"]) == ("test_user_1", conversation_id)
    assert shown["client_message_id"] == "key"


async def test_the_refusals_of_a_conversation_are_shown_with_it(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    async with connected(server, conversation_id) as (socket, _):
        frame = {"type": "message", "content": "Hello", "client_message_id": "key"}
        await socket.send_json(frame, frame | {"content": "Something else"})
        error = await receive(socket, "error")
        shown = await look(server, f"conversations/{conversation_id}")

    [line] = shown["refusals"]
    assert (line["id"], line["code"]) == (error["id"], "KEY_REUSED")
    envelope = shown["traces"][-1]["envelopes"][-1]
    assert (envelope["verdict"], envelope["code"]) == ("refused", "KEY_REUSED")
    assert envelope["refusal_id"] == error["id"]


async def test_a_refusal_for_load_says_how_much_waited(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(LIMITS__QUEUE_SIZE="2")
    conversation_id = await begin(server)
    async with connected(server, conversation_id) as (socket, _):
        await socket.send_json(*({"type": "message", "content": "Hello"} for _ in range(9)))
        error = await receive(socket, "error")
        shown = await look(server, f"refusals/{error['id']}")

    assert (shown["code"], shown["scope"]) == ("QUEUE_FULL", "conversation")
    assert (shown["depth"], shown["limit"]) == (2, 2)
    assert shown["retry_after"] == pytest.approx(error["retry_after"], abs=0.001)
    assert shown["drain_rate"] >= 0


async def test_inspection_does_not_wait_behind_a_commit(own_server: ServerProcess) -> None:
    conversation_id = await begin(own_server)
    busy = sqlite3.connect(own_server.store.removeprefix("sqlite:///"), isolation_level=None)
    try:
        async with trio.open_nursery() as nursery:
            busy.execute("BEGIN IMMEDIATE")
            nursery.start_soon(say, own_server, conversation_id)
            with trio.fail_after(PATIENCE):
                while True:
                    shown = await look(own_server, f"conversations/{conversation_id}")
                    if shown["actor"]["state"] == "busy":
                        break
                assert shown["head_sequence_id"] == 1
                assert (await look(own_server, "actors?state=busy"))["total"] == 1
                assert (await look(own_server, "stats"))["messages"] == 0
            busy.execute("ROLLBACK")
    finally:
        busy.close()
    assert (await look(own_server, f"conversations/{conversation_id}"))["head_sequence_id"] == 2


# --- finding --------------------------------------------------------------------------------------------------------------


async def test_anything_is_found_by_a_part_of_its_id_title_or_name(server: ServerProcess) -> None:
    body = {"title": "Quarterly Ünïcode review"}
    created = (await api(server, "POST", "/chat/create", ADA, body)).json()
    conversation_id = created["conversation_id"]
    refused = await api(server, "GET", "/chat/conversations/nothing", ADA)

    async def hits(asked: str) -> list[tuple[str, str, bool]]:
        found = await api(server, "GET", "/admin/search", ADMIN, params={"q": asked})
        assert found.status_code == 200, found.text
        return [(hit["kind"], hit["id"], hit["active"]) for hit in found.json()["hits"]]

    async with connected(server, conversation_id) as (_, connection_id):
        assert await hits("ünïCODE") == [("conversation", conversation_id, True)]
        assert ("connection", connection_id, True) in await hits(connection_id[:9])
        assert ("participant", "test_user_1", True) in await hits("user_1")
    assert await hits(refused.json()["id"]) == [("refusal", refused.json()["id"], True)]
    await api(server, "POST", f"/admin/conversations/{conversation_id}/passivate", ADMIN)
    assert await hits(conversation_id) == [("conversation", conversation_id, False)]
    assert await hits("no such thing anywhere") == []


# --- figures --------------------------------------------------------------------------------------------------------------


async def test_the_figures_count_what_happens(own_server: ServerProcess) -> None:
    conversation_id = await begin(own_server)
    async with connected(own_server, conversation_id) as (socket, _):
        for _ in range(3):
            await say(own_server, conversation_id)
            await receive(socket, "message")
        await api(own_server, "GET", "/chat/conversations/x", ADA)
        stats = await look(own_server, "stats")

    assert (stats["messages"], stats["events"], stats["deliveries"]) == (3, 4, 3)
    assert (stats["connections"], stats["conversations"]) == (1, 1)
    assert stats["refusals"] == {"NOT_FOUND": 1}
    assert stats["queue_depths"] == {"deepest": 0, "total": 0, "limit": 1000}
    assert stats["storage"]["status"] == "connected"
    assert stats["storage"]["records"] == 4
    recent = stats["storage"]["recent"]
    assert recent["seconds"]["max"] >= recent["seconds"]["p50"] > 0
    assert stats["memory_bytes"] > 1_000_000
    assert stats["uptime"] > 0
    assert (stats["restarts"], stats["crashes"], stats["store_errors"]) == (0, 0, 0)


# --- handles --------------------------------------------------------------------------------------------------------------


async def test_a_connection_is_closed_so_that_its_client_comes_back(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    async with connected(server, conversation_id) as (socket, connection_id):
        path = f"/admin/connections/{connection_id}"
        response = await api(server, "DELETE", path, ADMIN)
        assert (response.status_code, response.content) == (204, b"")
        with pytest.raises(Closed) as closed:
            await receive(socket, "nothing")
        assert (closed.value.code, closed.value.reason) == (4002, "closed by an operator")
        assert (await api(server, "DELETE", path, ADMIN)).status_code == 404
    assert f"operator admin: disconnect {connection_id} of test_user_1: done" in server.log


async def test_what_operators_do_is_noted(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    async with connected(server, conversation_id):
        await api(server, "POST", f"/admin/conversations/{conversation_id}/passivate", ADMIN)
    for _ in range(3):
        await look(server, f"conversations/{conversation_id}/events")

    *_, asked, read = (await look(server, "audit"))["deeds"]

    assert (asked["operator_id"], asked["action"], asked["target"]) == (
        ("admin", "passivate", conversation_id)
    )
    assert asked["outcome"] == "1 connection listens to it"
    assert (read["action"], read["target"]) == ("read", f"the log of {conversation_id}")
    assert read["number"] == asked["number"] + 1
    for deed in (asked, read):
        line = f"operator admin: {deed['action']} {deed['target']}: {deed['outcome']}"
        assert line in server.log
