"""The HTTP stream: where a connection comes from and what is left of it, seen from inside of the process that serves."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from tests.inside import (
    HANDSHAKE_TIMEOUT,
    IN_LOOPS,
    OF_HYPERCORN,
    TOKEN,
    each_in_turn,
    left,
    tasks,
    until,
)
from tests.patience import PATIENCE
from tests.raw import (
    CLOSE,
    PING,
    TEXT,
    Line,
    client_frame,
    close_payload,
    open_line,
    request,
    upgrade,
)

# What makes the fast lane leave a request to Hypercorn and Quart-Trio.
LANES: dict[str, dict[str, str]] = {"fast": {}, "slow": {"Sec_WebSocket_Protocol": "chat"}}


@pytest.fixture
def path(conversation_id: str) -> str:
    """The WebSocket of a conversation."""
    return f"/chat/ws/{conversation_id}"


@pytest.mark.parametrize("lane", LANES)
async def test_a_socket_that_is_open_has_no_task_and_nothing_of_hypercorn(
    url: str, path: str, lane: str
) -> None:
    before = tasks()
    lines: list[Any] = []
    async with trio.open_nursery() as nursery:

        async def stay(*, task_status: trio.TaskStatus[None]) -> None:
            async with open_line(url) as line:
                await line.send(upgrade(path, TOKEN, **LANES[lane]))
                assert (await line.answer()).status == 101
                await line.until("caught_up")
                lines.append(line)
                task_status.started()
                await trio.sleep_forever()

        for _ in range(20):
            await nursery.start(stay)
        await until(lambda: tasks() <= before + 20)  # the clients' own
        await until(lambda: all(left()[kind] <= IN_LOOPS for kind in OF_HYPERCORN))
        assert 20 <= left()["Connection"] <= 20 + IN_LOOPS
        nursery.cancel_scope.cancel()
    await until(lambda: left()["Connection"] <= IN_LOOPS)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("rudely", [False, True])
async def test_a_client_may_go_at_any_byte_of_the_handshake(
    url: str, path: str, lane: str, rudely: bool
) -> None:
    stream = upgrade(path, TOKEN, **LANES[lane]) + client_frame(PING) + client_frame(CLOSE)
    address = urlsplit(url).hostname, urlsplit(url).port
    sizes = iter(range(0, len(stream), 5))

    async def go() -> None:
        with socket.create_connection(address) as client:
            client.sendall(stream[: next(sizes)])
            await trio.lowlevel.checkpoint()
            if rudely:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    await each_in_turn(len(range(0, len(stream), 5)), go)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("size", [1, 5, 6, 7, 13, 500, 70_000])
async def test_what_is_sent_with_the_request_is_heard(
    url: str, path: str, lane: str, size: int
) -> None:
    """The client does not wait for the answer; its first frames come in one packet with the request, or in many."""
    early = client_frame(PING, b"early") + client_frame(TEXT, " " * size + '{"type":"ping"}')
    async with open_line(url) as line:
        request_and_frames = upgrade(path, TOKEN, **LANES[lane]) + early
        await line.send(request_and_frames[:-size])
        await line.send(request_and_frames[-size:])
        assert (await line.answer()).status == 101
        assert await line.pong() == b"early"
        if not any(frame["type"] == "pong" for frame in line.seen):
            await line.until("pong")
        await line.send(client_frame(CLOSE, close_payload(1000)))
        assert (await line.closed())[0] == 1000
        assert await line.end() == b""


@pytest.mark.parametrize("lane", LANES)
async def test_a_client_that_says_no_more_is_let_go(url: str, path: str, lane: str) -> None:
    """Half closed: it sends nothing any more, though it would read."""

    async def half_close() -> None:
        async with open_line(url) as line:
            await line.send(upgrade(path, TOKEN, **LANES[lane]))
            assert (await line.answer()).status == 101
            assert isinstance(line.stream, trio.SocketStream)
            await line.stream.send_eof()
            await line.end()

    await each_in_turn(5, half_close)


@pytest.mark.parametrize("lane", LANES)
async def test_nothing_is_left_of_a_refused_handshake(url: str, path: str, lane: str) -> None:
    async def knock() -> None:
        async with open_line(url) as line:
            await line.send(upgrade(path, "wrong", **LANES[lane]) + client_frame(PING))
            answer = await line.answer()
            assert (answer.status, answer.json()["code"]) == (401, "UNAUTHENTICATED")
            await line.end()

    await each_in_turn(20, knock)


async def test_nothing_is_left_of_a_client_that_asked_and_went(url: str, path: str) -> None:
    async def ask() -> None:
        async with open_line(url) as line:
            await line.send(request("GET", "/health"))
            assert (await line.answer()).status == 200

    await each_in_turn(20, ask)


async def test_nothing_is_left_of_a_client_that_went_without_hearing_the_answer(
    url: str, path: str
) -> None:
    async def ask() -> None:
        async with open_line(url) as line:
            await line.send(request("POST", "/chat/create", b'{"title":"Lunch"}', TOKEN))

    await each_in_turn(20, ask)


async def test_a_client_that_asks_nothing_any_more_is_let_go(
    url: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("salon.web.http.stream.KEEP_ALIVE", 0.2)

    async def ask() -> None:
        async with open_line(url) as line:
            for _ in range(3):
                await line.send(request("GET", "/health"))
                assert (await line.answer()).status == 200
            assert await line.end() == b""

    await each_in_turn(3, ask)


async def test_a_connection_ends_with_the_request_that_asks_for_it(url: str, path: str) -> None:
    async def ask() -> None:
        async with open_line(url) as line:
            await line.send(request("GET", "/health", Connection="close"))
            assert (await line.answer()).status == 200
            assert await line.end() == b""

    await each_in_turn(5, ask)


@pytest.mark.parametrize("sent", [b"", b"G", request("GET", "/health")[:-1]])
async def test_a_head_that_does_not_come_to_its_end_in_time_is_not_waited_for(
    url: str, path: str, sent: bytes
) -> None:
    async def drip() -> None:
        async with open_line(url) as line:
            await line.send(sent)
            assert await line.end() == b""

    await each_in_turn(1, drip)


async def test_nor_is_one_that_comes_drop_by_drop(url: str, path: str) -> None:
    """Each byte comes soon enough; all together do not."""

    async def drip() -> None:
        async with open_line(url) as line:
            await line.send(request("GET", "/health"))
            await line.answer()
            with trio.fail_after(PATIENCE):
                await drop_by_drop(line)

    await each_in_turn(1, drip)


async def drop_by_drop(line: Line) -> None:
    """Send a byte now and then until the server has enough of it."""
    with suppress(trio.BrokenResourceError):
        while True:
            await line.stream.send_all(b"X")
            await trio.sleep(HANDSHAKE_TIMEOUT / 20)


async def test_requests_in_a_row_are_answered_in_a_row(url: str, path: str) -> None:
    """Pipelined, the last of them for a WebSocket, with its first frame behind it."""
    create = request("POST", "/chat/create", b'{"title":"Lunch"}', TOKEN)
    stream = create + request("GET", "/nowhere") + request("GET", "/health") + create
    async with open_line(url) as line:
        await line.send(stream + upgrade(path, TOKEN) + client_frame(PING, b"at last"))
        statuses = [(await line.answer()).status for _ in range(5)]
        assert statuses == [201, 404, 200, 201, 101]
        assert await line.pong() == b"at last"


async def test_a_request_before_an_upgrade_in_one_packet_is_not_lost(url: str, path: str) -> None:
    async with open_line(url) as line:
        await line.send(request("GET", "/health") + upgrade(path, TOKEN))
        assert [(await line.answer()).status for _ in range(2)] == [200, 101]


async def test_a_request_that_is_not_understood_is_refused_in_its_turn(url: str, path: str) -> None:
    async with open_line(url) as line:
        await line.send(request("GET", "/health") + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert [(await line.answer()).status for _ in range(2)] == [200, 400]
        assert await line.end() == b""


async def test_a_socket_survives_whatever_happens_to_others(url: str, path: str) -> None:
    async with open_line(url) as line:
        await line.send(upgrade(path, TOKEN))
        await line.answer()
        for stream in (b"\0", b"GET / HTTP/1.1\r\n\r\n", upgrade(path, TOKEN) + b"\xff" * 100):
            async with open_line(url) as other:
                await other.send(stream)
                await end_of(other)
        await line.send(client_frame(PING, b"still there"))
        assert await line.pong() == b"still there"


async def end_of(line: Line) -> None:
    if isinstance(line.stream, trio.SocketStream):
        await line.stream.send_eof()
    await line.end()


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"Authorization": f"Bearer {TOKEN}"}),
        ("", {"Authorization": f"bearer  {TOKEN} "}),
        ("", {"Authorization": "Bearer wrong"}),
        ("", {"Authorization": f"Basic {TOKEN}"}),
        ("", {}),
        (f"?token={TOKEN}", {}),
        (f"?token={TOKEN}", {"Authorization": f"Bearer {TOKEN}"}),
        ("?ticket=wrong", {}),
        ("?ticket=wrong", {"Authorization": f"Bearer {TOKEN}"}),
        ("", {"Cookie": "salon_session=wrong"}),
        ("?last_sequence_id=1", {"Authorization": f"Bearer {TOKEN}"}),
        ("?last_sequence_id=-1", {"Authorization": f"Bearer {TOKEN}"}),
        ("?last_sequence_id=1&last_sequence_id=x", {"Authorization": f"Bearer {TOKEN}"}),
        ("?last_sequence_id=x&last_sequence_id=1", {"Authorization": f"Bearer {TOKEN}"}),
        ("?last_sequence_id=%31", {"Authorization": f"Bearer {TOKEN}"}),
        ("?last_sequence_id=", {"Authorization": f"Bearer {TOKEN}"}),
        ("?last_sequence_id", {"Authorization": f"Bearer {TOKEN}"}),
        ("?last_sequence_id=1;last_sequence_id=x", {"Authorization": f"Bearer {TOKEN}"}),
        ("?%ff=%00&&=", {"Authorization": f"Bearer {TOKEN}"}),
        ("", {"Authorization": f"Bearer {TOKEN}", "Origin": "https://elsewhere.example"}),
        ("", {"Authorization": f"Bearer {TOKEN}", "Origin": "http://salon"}),
        ("", {"Authorization": f"Bearer {TOKEN}", "Origin": "null"}),
        ("x", {"Authorization": f"Bearer {TOKEN}"}),
        ("/", {"Authorization": f"Bearer {TOKEN}"}),
    ],
)
async def test_both_lanes_let_in_and_refuse_the_same(
    url: str, path: str, query: str, headers: dict[str, str]
) -> None:
    answers = []
    for unusual in LANES.values():
        async with open_line(url) as line:
            await line.send(upgrade(path + query, None, **headers, **unusual))
            answer = await line.answer()
            code = answer.json()["code"] if answer.body else ""
            if answer.status == 101:
                await line.until("caught_up")
                code = line.seen[0]["resume"]
            answers.append((answer.status, code))
    assert answers[0] == answers[1]
