"""The client's requests over HTTP."""

from __future__ import annotations

import json
import logging

import pytest

from salon.web.client import Client, Frame, Refused, Unreachable, connect
from tests.memory_stream import MemoryStream, stream_pair
from tests.scripted import (
    TOKEN,
    URL,
    Rejection,
    http,
    numbers,
    quiet,
    receipt,
    serving,
)
from tests.virtual_time import in_virtual_time, under_both


@in_virtual_time
async def test_http_calls_use_the_routes_of_the_contract() -> None:
    async with serving(log=3) as (server, client):
        server.answers = {
            "POST /auth/guest": [(201, {"token": "t2", "participant": {"id": "p1"}})],
            "POST /chat/create": [(201, {"conversation_id": "c1"})],
            "POST /chat/c1/join": [(200, {"success": True})] * 2,
            "DELETE /chat/c1/leave": [(200, {"success": True})],
            "POST /chat/c1/messages": [(201, receipt(4, "k"))],
            "POST /chat/c1/read": [(200, {"read_sequence_id": 3, "unread_count": 0})],
            "GET /chat/my-conversations": [(200, {"conversations": []})],
            "POST /auth/logout": [(204, b"")],
        }
        await client.guest("Ada")
        await client.create("Tea", [{"user_id": "u2", "name": "Bob"}], join="invite")
        await client.join("c1")
        await client.join("c1", {"user_id": "u3", "name": "Eve"})
        assert (await client.post("c1", "hello", key="k", reply_to="m1")).sequence_id == 4
        assert numbers((await client.history("c1", after=1))["events"]) == [2, 3]
        await client.mark_read("c1", 3)
        await client.conversations(limit=5)
        await client.leave("c1")
        assert await client.request("POST", "/auth/logout") == {}
        sent = [(method, path, body) for method, path, _, body in server.requests]
        identity = [headers.get("authorization") for _, _, headers, _ in server.requests]
    assert identity == [f"Bearer {TOKEN}"] + ["Bearer t2"] * 9
    create = {"title": "Tea", "participants": [{"user_id": "u2", "name": "Bob"}], "join": "invite"}
    post = {"content": "hello", "client_message_id": "k", "reply_to": "m1"}
    assert [(method, path, json.loads(body or b"null")) for method, path, body in sent] == [
        ("POST", "/auth/guest", {"name": "Ada"}),
        ("POST", "/chat/create", create),
        ("POST", "/chat/c1/join", {}),
        ("POST", "/chat/c1/join", {"participant": {"user_id": "u3", "name": "Eve"}}),
        ("POST", "/chat/c1/messages", post),
        ("GET", "/chat/c1/messages?after=1&limit=100", None),
        ("POST", "/chat/c1/read", {"sequence_id": 3}),
        ("GET", "/chat/my-conversations?limit=5&offset=0", None),
        ("DELETE", "/chat/c1/leave", None),
        ("POST", "/auth/logout", None),
    ]


@in_virtual_time
async def test_an_http_refusal_carries_what_the_server_said() -> None:
    async with serving() as (server, client):
        body: Frame = {"error": "wait", "code": "QUEUE_FULL", "temporary": True, "id": "r9"}
        server.answers["POST /chat/c1/messages"] = [
            (429, {**body, "retry_after": 1.5}),
            (502, b"<"),
        ]
        with pytest.raises(Refused, match="QUEUE_FULL: wait") as refused:
            await client.post("c1", "hello")
        value = refused.value
        assert (value.temporary, value.retry_after, value.status, value.id) == (
            True,
            1.5,
            429,
            "r9",
        )
        with pytest.raises(Refused, match="HTTP_502") as refused:
            await client.post("c1", "hello")
        assert refused.value.temporary


SWITCHING = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
        SWITCHING + b"Sec-WebSocket-Accept: of another key\r\n\r\n",
    ],
)
@under_both
async def test_what_is_no_answer_is_unreachable_and_leaves_nothing_open(answer: bytes) -> None:
    opened: list[MemoryStream] = []

    async def dial() -> MemoryStream:
        client, server = stream_pair()
        await server.send(answer)
        server.end()
        opened.append(client)
        return client

    with pytest.raises(Unreachable):
        await Client(URL, dial=dial).me()
    with pytest.raises(Unreachable):
        async with Client(URL, dial=dial).socket("c1"):
            pass
    assert [stream.is_closed for stream in opened] == [True, True]


@under_both
async def test_an_answer_before_the_whole_request_was_read_is_heard() -> None:
    async def dial() -> MemoryStream:
        client, server = stream_pair()
        await server.send(http(413, {"code": "MESSAGE_TOO_LARGE", "temporary": False}))
        await server.aclose()
        return client

    with pytest.raises(Refused, match="MESSAGE_TOO_LARGE"):
        await Client(URL, dial=dial).post("c1", "x" * 1_000_000)


@in_virtual_time
async def test_no_token_and_no_ticket_is_in_a_log_a_repr_or_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[object] = []
    async with serving(quiet, Rejection(401)) as (server, client):
        async with client.conversation("c1") as conversation:
            await conversation.wait_caught_up()
            shown += [client, conversation, conversation.statistics()]
        with pytest.raises(Refused) as refused:
            async with connect(f"{URL}/chat/ws/c1?ticket=tick3t", dial=server.dial):
                pass
        shown += [refused.value]
        client.token = TOKEN + "\n"
        with pytest.raises(ValueError, match="header") as bad:
            await client.me()
        shown += [bad.value]
    assert client.token is not None
    for text in [*map(repr, shown), *map(str, shown), caplog.text]:
        assert TOKEN not in text
        assert "tick3t" not in text
