"""The same over TLS, which cannot be written to without waiting: there a connection keeps a task to read and one to write."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio
import trustme

from salon.web.socket.connection import OUTBOX_BYTES
from tests.events import follow
from tests.inside import (
    IN_LOOPS,
    OF_HYPERCORN,
    TOKEN,
    all_gone,
    connections,
    each_in_turn,
    left,
    serving,
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
    open_socket,
    request,
    upgrade,
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def client(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The server's certificate and key."""
    folder = tmp_path_factory.mktemp("tls")
    pair = authority.issue_cert("127.0.0.1")
    pair.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    pair.private_key_pem.write_to_path(folder / "key.pem")
    return {"tls_certificate": folder / "cert.pem", "tls_key": folder / "key.pem"}


@pytest.fixture
async def url(files: dict[str, Path]) -> AsyncIterator[str]:
    """Where a server of this very process listens."""
    async with serving(**files) as url:
        assert url.startswith("https://")
        yield url


@pytest.fixture
async def talk(url: str, client: ssl.SSLContext) -> str:
    """A conversation."""
    async with open_line(url, client) as line:
        await line.send(request("POST", "/chat/create", b'{"title":"Lunch"}', TOKEN))
        conversation_id = (await line.answer()).json()["conversation_id"]
    await all_gone()
    return str(conversation_id)


@asynccontextmanager
async def socket_to(url: str, talk: str, client: ssl.SSLContext) -> AsyncIterator[Line]:
    async with open_socket(url, talk, TOKEN, b"", client) as line:
        yield line


async def say(line: Line, content: str, times: int) -> None:
    """Say something so many times, ten at once."""
    for _ in range(times // 10):
        for _ in range(10):
            await line.send_json(type="message", content=content)
        for _ in range(10):
            await line.until("message_ack")


async def test_what_is_said_is_acknowledged_and_heard(
    url: str, talk: str, client: ssl.SSLContext
) -> None:
    async with socket_to(url, talk, client) as ada, socket_to(url, talk, client) as tab:
        await tab.until("caught_up")
        await ada.send_json(type="message", content="hello", client_message_id="k")
        assert (await ada.until("message_ack"))["client_message_id"] == "k"
        assert (await tab.until("message"))["message"]["content"] == "hello"


async def test_what_is_sent_with_the_request_is_heard(
    url: str, talk: str, client: ssl.SSLContext
) -> None:
    early = client_frame(PING, b"early") + client_frame(TEXT, '{"type":"ping"}')
    async with open_socket(url, talk, TOKEN, early, client) as line:
        assert await line.pong() == b"early"
        assert line.seen or await line.until("pong")


async def test_an_open_socket_has_two_tasks_and_nothing_of_hypercorns_parsers(
    url: str, talk: str, client: ssl.SSLContext
) -> None:
    before = tasks()
    async with socket_to(url, talk, client) as line:
        await line.until("caught_up")
        await until(lambda: tasks() <= before + 2)
        parsers = [kind for kind in OF_HYPERCORN if kind != "TlsHttpStream"]
        await until(lambda: all(left()[kind] <= IN_LOOPS for kind in parsers))


@pytest.mark.parametrize("first", ["client", "server", "fault"])
async def test_a_socket_is_closed_in_good_order_whoever_begins(
    url: str, talk: str, client: ssl.SSLContext, first: str
) -> None:
    async with socket_to(url, talk, client) as line:
        await line.until("caught_up")
        if first == "client":
            await line.send(client_frame(CLOSE, close_payload(1000)))
        elif first == "server":
            async with open_line(url, client) as other:
                await other.send(request("DELETE", f"/chat/{talk}/leave", b"", TOKEN))
                assert (await other.answer()).status == 200
        else:
            await line.send(client_frame(TEXT, "x", mask=None))
        code, reason = await line.closed()
        assert (code, reason) in [
            (1000, ""),
            (1000, "Left conversation"),
            (1002, "not the WebSocket protocol"),
        ]
        if first == "server":
            await line.send(client_frame(CLOSE, close_payload(code)))
        if first != "fault":
            assert await line.end() == b""
    await all_gone()


async def test_a_reader_that_stopped_is_told_it_lags_and_misses_nothing(
    url: str, talk: str, client: ssl.SSLContext
) -> None:
    async with socket_to(url, talk, client) as reader, socket_to(url, talk, client) as ada:
        await reader.until("caught_up")
        await say(ada, "x" * 9000, 1000)
        last = max(frame.get("sequence_id", 0) for frame in ada.seen)
        await reader.until("lagging")
        await reader.until("caught_up", sequence_id=last)
        heard = [frame["sequence_id"] for frame in reader.seen if frame["type"] == "message"]
        assert heard == list(range(2, last + 1))
        kinds = [frame["type"] for frame in reader.seen]
        assert kinds.count("lagging") == 1


async def test_who_does_not_read_its_answers_is_not_read_from_until_it_does(
    url: str, talk: str, client: ssl.SSLContext
) -> None:
    keys = [f"{number:0128}" for number in range(2000)]
    async with socket_to(url, talk, client) as line, socket_to(url, talk, client) as other:
        await line.until("caught_up")
        await say(other, "x" * 9000, 1000)

        async def ask() -> None:
            for key in keys:
                await line.send_json(type="message", content="x", client_message_id=key)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await until(lambda: any(each.outbox_bytes > OUTBOX_BYTES for each in connections()))
            answered = set[str]()
            while not answered.issuperset(keys):
                opcode, _ = await line.frame()
                if opcode == TEXT and line.seen[-1]["type"] in ("message_ack", "error"):
                    answered.add(line.seen[-1]["client_message_id"])


async def test_nothing_is_left_of_clients_that_came_and_went(
    url: str, talk: str, client: ssl.SSLContext
) -> None:
    asked = iter(
        [
            b"",
            b"G",
            request("GET", "/health"),
            upgrade(f"/chat/ws/{talk}", "wrong"),
            upgrade(f"/chat/ws/{talk}", TOKEN),
            upgrade(f"/chat/ws/{talk}", TOKEN) + client_frame(PING) * 100,
            upgrade(f"/chat/ws/{talk}", TOKEN) + client_frame(CLOSE),
            upgrade(f"/chat/ws/{talk}", TOKEN) + b"\xff" * 1000,
        ]
        * 3
    )

    async def come_and_go() -> None:
        async with open_line(url, client) as line:
            await line.send(next(asked))
            with suppress(trio.BusyResourceError), trio.move_on_after(0.05):
                await line.stream.receive_some()

    await each_in_turn(24, come_and_go)


async def test_nothing_is_left_of_what_was_no_tls_or_stopped_being_it(
    url: str, talk: str, client: ssl.SSLContext
) -> None:
    address = urlsplit(url).hostname, urlsplit(url).port

    async def no_tls() -> None:
        async with open_line(url.replace("https", "http")) as line:
            await line.send(request("GET", "/health"))
            assert not (await line.end()).startswith(b"HTTP")

    async def silence() -> None:
        with trio.fail_after(PATIENCE):
            async with open_line(url) as line:
                assert await line.end() == b""

    async def garbage_then_reset() -> None:
        raw = socket.create_connection(address)
        async with socket_to(url, talk, client) as line:
            assert isinstance(line.stream, trio.SSLStream)
            await line.stream.transport_stream.send_all(b"no record of any kind" * 10)
            await line.end()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()

    await each_in_turn(3, no_tls)
    await each_in_turn(1, silence)
    await each_in_turn(3, garbage_then_reset)


async def test_what_a_connection_raises_is_its_own_end_alone(
    url: str, talk: str, client: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with socket_to(url, talk, client) as line, socket_to(url, talk, client) as faulty:
        await faulty.until("caught_up")
        with monkeypatch.context() as patch:
            patch.setattr("salon.web.socket.connection.parse", lambda text: json.loads("nonsense"))
            await faulty.send_json(type="ping")
            await faulty.end()
        await line.send_json(type="ping")
        await line.until("pong")
    await all_gone()


async def test_who_is_nobody_is_refused_and_the_connection_goes_on_until_it_is_to_end(
    url: str, client: ssl.SSLContext
) -> None:
    odd, page = {"X_Odd": "é"}, {"Origin": "http://salon"}
    answers = []
    for asked in ({}, odd):  # by the lane, and by Quart
        async with open_line(url, client) as line:
            await line.send(request("POST", "/chat/create", b"{}", "wrong", **asked) * 2)
            seen = [(await line.answer()) for _ in range(2)]
            await line.send(request("GET", "/me/events", Connection="close", **asked, **page))
            seen.append(await line.answer())
            assert await line.end() == b""
        named = [{**each.headers, "date": ""} for each in seen]
        answers.append(([each.status for each in seen], named))
    assert answers[0] == answers[1]
    assert answers[0][0] == [401, 401, 403], "the last is of a page of the other scheme"


async def test_a_stream_of_events_is_handed_over_as_a_socket_is_and_leaves_nothing(
    url: str, talk: str, client: ssl.SSLContext
) -> None:
    async def listen() -> None:
        async with open_line(url, client) as line, socket_to(url, talk, client) as ada:
            stream = await follow(line.stream, f"/chat/{talk}/events", TOKEN)
            await stream.until("caught_up")
            await ada.send_json(type="message", content="hello")
            while (await stream.until("message"))["message"]["content"] != "hello":
                pass

    await listen()
    await each_in_turn(2, listen)


async def test_a_stream_of_events_that_is_not_read_is_served_from_the_log(
    url: str, talk: str, client: ssl.SSLContext
) -> None:
    async with open_line(url, client) as line, socket_to(url, talk, client) as ada:
        stream = await follow(line.stream, f"/chat/{talk}/events", TOKEN)
        for _ in range(20):
            await say(ada, "x" * 8_000, 100)
        await stream.until_sequence(2001)
        assert [each["sequence_id"] for each in stream.events] == list(range(1, 2002))
