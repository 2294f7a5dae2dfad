"""Attacks on what salon is built of, each tried twice: salon survives, and Hypercorn with Quart-Trio alone does not.

The second half is there to notice when upstream mends something: then what salon does about it can go.
"""

from __future__ import annotations

import json
import select
import ssl
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
import trio
import trustme

from salon.web.socket.connection import UNANSWERED_PINGS
from tests.patience import PATIENCE
from tests.person import Person, guest
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
from tests.server import ServerProcess

MEGABYTE = 1 << 20
MOMENT = 2.0  # seconds in which nothing happens that would happen at once
# What makes salon's own fast lane leave a request to Hypercorn and Quart-Trio.
LANES: dict[str, dict[str, str]] = {"fast": {}, "slow": {"Sec_WebSocket_Protocol": "chat"}}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Plain:
    """Hypercorn and Quart-Trio in a process of their own."""

    def __init__(self, **config: Any) -> None:
        script = Path(__file__).with_name("plain_hypercorn.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), json.dumps({"graceful_timeout": 0.5, **config})],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], 20)
        assert readable
        self.url = self.process.stdout.readline().strip()

    def ended(self, within: float) -> bool:
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def running(**config: Any) -> Iterator[Plain]:
    plain = Plain(**config)
    try:
        yield plain
    finally:
        plain.stop()


@pytest.fixture(scope="module")
def plain() -> Iterator[Plain]:
    """One that is not to be harmed."""
    with running() as plain:
        yield plain


async def serves(url: str) -> dict[str, Any]:
    """Make sure that a server still does its work; what it says of itself."""
    async with open_line(url) as line:
        await line.send(request("GET", "/health"))
        answer = await line.answer()
        assert answer.status == 200
        health: dict[str, Any] = answer.json()
        return health


async def open_echo(line: Line, path: str = "/echo", **headers: str) -> dict[str, str]:
    """A WebSocket of plain Hypercorn's; the headers it answers with."""
    await line.send(upgrade(path, **headers))
    answer = await line.answer()
    assert answer.status == 101
    return answer.headers


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


async def talk(server: ServerProcess) -> tuple[Person, str]:
    """Somebody, and a conversation of theirs."""
    ada = await guest(server, "Ada")
    return ada, await ada.create()


async def fill(ada: Person, conversation_id: str, megabytes: int) -> None:
    """Say so much that it does not fit into anybody's buffers."""
    content = "x" * 9000
    async with open_socket(ada.server.url, conversation_id, ada.token) as line:
        for _ in range(megabytes * MEGABYTE // len(content) // 10):
            for _ in range(10):
                await line.send_json(type="message", content=content)
            for _ in range(10):
                await line.until("message_ack")


class TestBytesBehindAnUpgrade:
    @pytest.mark.parametrize("lane", LANES)
    @pytest.mark.parametrize(
        "first", [b"\x81", client_frame(TEXT, '{"type":"ping"}'), client_frame(CLOSE), b"\0" * 999]
    )
    async def test_are_heard(self, server: ServerProcess, first: bytes, lane: str) -> None:
        ada, conversation_id = await talk(server)
        async with open_socket(
            server.url, conversation_id, ada.token, first, None, **LANES[lane]
        ) as line:
            if first == b"\x81":
                await line.send(client_frame(TEXT, '{"type":"ping"}')[1:])
            if first in (client_frame(CLOSE), b"\0" * 999):
                assert (await line.closed())[0] in (1000, 1002)
            else:
                await line.until("pong")
        await serves(server.url)

    async def test_end_plain_hypercorn_with_one_packet(self) -> None:
        with running() as plain:
            async with open_line(plain.url) as line:
                await line.send(upgrade("/echo") + b"\x81")
                assert plain.ended(within=15)
            assert plain.process.returncode != 0


class TestStuckReader:
    async def test_does_not_keep_salon_from_ending(self, own_server: ServerProcess) -> None:
        ada, conversation_id = await talk(own_server)
        await fill(ada, conversation_id, megabytes=1)
        page = request("GET", f"/chat/{conversation_id}/messages?limit=100", token=ada.token)
        async with (
            open_socket(own_server.url, conversation_id, ada.token) as stuck,
            open_line(own_server.url) as stuck_over_http,
            open_socket(own_server.url, conversation_id, ada.token) as reader,
        ):
            await stuck_over_http.send(page * 50)
            await fill(ada, conversation_id, megabytes=6)
            own_server.terminate()
            code, reason = await reader.closed()
            assert code == 4000
            assert json.loads(reason)["retry_after"] > 0
            assert await own_server.wait_exited() == 0
            assert stuck.seen == []

    async def test_keeps_plain_hypercorn_for_ever(self) -> None:
        with running() as plain:
            async with open_line(plain.url) as line:
                await open_echo(line, "/flood")
                sent = [0]
                while len(sent) < 20 or not 0 < sent[-1] == sent[-20]:
                    sent.append((await serves(plain.url))["sent"])
                plain.process.terminate()
                assert not plain.ended(within=MOMENT)


class TestPeerThatLeftWhileItIsSentTo:
    async def test_costs_nobody_else_anything(self, server: ServerProcess) -> None:
        ada, conversation_id = await talk(server)
        for _ in range(5):
            async with open_socket(server.url, conversation_id, ada.token):
                await fill(ada, conversation_id, megabytes=1)
        await serves(server.url)

    async def test_freezes_plain_hypercorn(self) -> None:
        with running() as plain:
            async with open_line(plain.url) as line:
                await open_echo(line, "/flood")
                await line.frame()
            with trio.move_on_after(MOMENT) as scope:
                while True:
                    await serves(plain.url)
            assert scope.cancelled_caught
            with pytest.raises(trio.TooSlowError), trio.fail_after(MOMENT):
                await serves(plain.url)


class TestCompression:
    BOMB = staticmethod(lambda: _deflated(200 * MEGABYTE))

    async def test_is_never_agreed_upon(self, server: ServerProcess) -> None:
        ada, conversation_id = await talk(server)
        before = resident(server.pid)
        async with open_line(server.url) as line:
            offer = {"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"}
            await line.send(upgrade(f"/chat/ws/{conversation_id}", ada.token, **offer))
            answer = await line.answer()
            assert answer.status == 101
            assert "sec-websocket-extensions" not in answer.headers
            await line.send(client_frame(TEXT, self.BOMB()[:100_000], reserved=4))
            assert (await line.closed())[0] == 1002
        assert resident(server.pid) - before < 50 * MEGABYTE

    async def test_makes_a_small_frame_very_large_in_plain_hypercorn(self) -> None:
        with running() as plain:
            before = resident(plain.process.pid)
            async with open_line(plain.url) as line:
                offer = {"Sec_WebSocket_Extensions": "permessage-deflate"}
                headers = await open_echo(line, **offer)
                assert headers["sec-websocket-extensions"].startswith("permessage-deflate")
                bomb = self.BOMB()
                assert len(bomb) < MEGABYTE
                await line.send(client_frame(TEXT, bomb, reserved=4))
                assert (await line.closed())[0] == 1009
                assert _peak(plain.process.pid) - before > 100 * MEGABYTE


def _deflated(size: int) -> bytes:
    """So many bytes of nothing, as permessage-deflate sends them."""
    compressor = zlib.compressobj(9, wbits=-15)
    packed = b"".join(compressor.compress(bytes(MEGABYTE)) for _ in range(size // MEGABYTE))
    return packed + compressor.flush(zlib.Z_SYNC_FLUSH)[:-4]


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


class TestPeerThatAnswersNoPing:
    async def test_is_found_out(self, start_server: Callable[..., ServerProcess]) -> None:
        server = start_server(LIMITS__HEARTBEAT="1")
        ada, conversation_id = await talk(server)
        async with open_socket(server.url, conversation_id, ada.token) as line:
            pings = 0
            while (frame := await line.frame())[0] != CLOSE:
                pings += frame[0] == PING
            assert pings == UNANSWERED_PINGS
            assert frame[1] == close_payload(4001, "no answer to pings")

    async def test_is_kept_by_plain_hypercorn(self) -> None:
        with running(websocket_ping_interval=0.05) as plain:
            async with open_line(plain.url) as line:
                await open_echo(line)
                for _ in range(20 * UNANSWERED_PINGS):
                    assert (await line.frame())[0] == PING


class TestShutdown:
    async def test_is_told_to_every_socket(self, own_server: ServerProcess) -> None:
        ada, conversation_id = await talk(own_server)
        async with open_socket(own_server.url, conversation_id, ada.token) as line:
            await line.until("caught_up")
            own_server.terminate()
            code, reason = await line.closed()
            await line.send(client_frame(CLOSE, close_payload(code)))
            assert (code, list(json.loads(reason))) == (4000, ["retry_after"])
            assert await own_server.wait_exited() == 0

    async def test_is_a_silent_end_in_plain_hypercorn(self) -> None:
        with running() as plain:
            async with open_line(plain.url) as line:
                await open_echo(line)
                plain.process.terminate()
                assert await line.end() == b""


class TestHttp2:
    async def test_is_not_spoken_where_it_is_taken_for_granted(self, server: ServerProcess) -> None:
        async with open_line(server.url) as line:
            await line.send(PREFACE + b"\0\0\0\x04\0\0\0\0\0")
            assert (await line.end()).startswith(b"HTTP/1.1 400 ")
        await serves(server.url)

    async def test_is_not_switched_to(self, server: ServerProcess) -> None:
        async with open_line(server.url) as line:
            await line.send(self.asking())
            assert (await line.answer()).status == 200
            await line.send(request("GET", "/health"))
            assert (await line.answer()).status == 200

    async def test_is_not_offered_under_tls(
        self, start_server: Callable[..., ServerProcess], tmp_path: Path
    ) -> None:
        authority = trustme.CA()
        pair = authority.issue_cert("127.0.0.1")
        pair.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
        pair.private_key_pem.write_to_path(tmp_path / "key.pem")
        client = ssl.create_default_context()
        authority.configure_trust(client)
        client.set_alpn_protocols(["h2", "http/1.1"])
        server = start_server(
            SERVER__TLS_CERTIFICATE=str(tmp_path / "cert.pem"),
            SERVER__TLS_KEY=str(tmp_path / "key.pem"),
        )
        async with open_line(server.url, client) as line:
            await line.send(request("GET", "/health"))
            assert (await line.answer()).status == 200
            assert isinstance(line.stream, trio.SSLStream)
            assert line.stream.selected_alpn_protocol() == "http/1.1"

    @staticmethod
    def asking() -> bytes:
        return request(
            "GET",
            "/health",
            Connection="Upgrade, HTTP2-Settings",
            Upgrade="h2c",
            HTTP2_Settings="AAMAAABkAAQAAP__",
        )

    async def test_is_spoken_by_plain_hypercorn_and_brings_websockets_along(
        self, plain: Plain
    ) -> None:
        async with open_line(plain.url) as line:
            await line.send(self.asking())
            answer = await line.answer()
            assert (answer.status, answer.headers["upgrade"]) == (101, "h2c")
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        connection.initiate_connection()
        async with open_line(plain.url) as line:
            await line.send(connection.data_to_send())
            await self.events(line, connection, h2.events.RemoteSettingsChanged)
            headers = [
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":scheme", "http"),
                (":path", "/echo"),
                (":authority", "plain"),
                ("sec-websocket-version", "13"),
            ]
            connection.send_headers(1, headers)
            await line.send(connection.data_to_send())
            response = await self.events(line, connection, h2.events.ResponseReceived)
            assert response.headers is not None
            assert dict(response.headers)[b":status"] == b"200"

    @staticmethod
    async def events(line: Line, connection: h2.connection.H2Connection, kind: type[Any]) -> Any:
        while True:
            with trio.fail_after(PATIENCE):
                data = await line.stream.receive_some()
            for event in connection.receive_data(bytes(data)):
                if isinstance(event, kind):
                    return event


class TestConnectionThatIsOver:
    async def test_ends_where_the_client_asked_for_it(self, server: ServerProcess) -> None:
        async with open_line(server.url) as line:
            await line.send(request("GET", "/health", Connection="close"))
            assert (await line.answer()).headers["connection"] == "close"
            assert await line.end() == b""

    async def test_is_kept_open_by_plain_hypercorn(self, plain: Plain) -> None:
        async with open_line(plain.url) as line:
            await line.send(request("GET", "/health", Connection="close"))
            await line.answer()
            with trio.move_on_after(MOMENT) as scope:
                await line.end()
            assert scope.cancelled_caught

    async def test_is_kept_open_by_plain_hypercorn_though_nothing_comes_any_more(self) -> None:
        """Its idle timer is not started again after a request; salon's is: tests/integration/test_http_stream.py."""
        ended: list[int] = []

        async def wait_for_the_end(url: str, number: int) -> None:
            async with open_line(url) as line:
                with suppress(
                    AssertionError, trio.BrokenResourceError
                ):  # on a slow machine the timer may end it before
                    await line.send(request("GET", "/health"))
                    await line.answer()
                await line.end()
                ended.append(number)

        with running(keep_alive_timeout=0.1) as plain, trio.move_on_after(MOMENT):
            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(wait_for_the_end, plain.url, number)
        assert len(ended) < 10
