"""A server behind nginx and behind Caddy, with the configurations that docs/deploy gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import trio

from salon.web.client import Client
from tests.patience import PATIENCE
from tests.person import Person, guests
from tests.proxies import Caddy, Nginx, Proxy
from tests.raw import PING, PONG, Line, client_frame, open_line, request, upgrade
from tests.server import ServerProcess, api

IDLE = 4  # seconds: the proxy's timeout
HEARTBEAT = 0.6


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def behind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServerProcess, Proxy]]:
    """A server, and a proxy before it."""
    folder = tmp_path_factory.mktemp(request.param)
    server = ServerProcess(folder, LIMITS__HEARTBEAT=f"{HEARTBEAT}")
    proxy = start(request.param, folder, server.url)
    yield server, proxy
    proxy.stop()
    server.stop()


def start(name: str, folder: Path, upstream: str) -> Proxy:
    return (
        Nginx(folder, upstream, idle_timeout=IDLE) if name == "nginx" else Caddy(folder, upstream)
    )


def as_through(proxy: Proxy, data: bytes) -> bytes:
    """A request with the host that the proxy serves."""
    return data.replace(b"Host: salon", f"Host: {urlsplit(proxy.url).netloc}".encode(), 1)


async def ask(proxy: Proxy, path: str, **options: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(verify=proxy.trust, trust_env=False, timeout=PATIENCE) as client:
        return await client.get(f"{proxy.url}{path}", **options)


async def test_a_silent_socket_outlives_the_idle_timeout_of_the_proxy(
    behind: tuple[ServerProcess, Proxy],
) -> None:
    server, proxy = behind
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    async with open_line(proxy.url, proxy.trust) as line:
        await line.send(as_through(proxy, upgrade(f"/chat/ws/{conversation_id}", bob.token)))
        assert (await line.answer()).status == 101
        await line.until("caught_up")
        begun, pings = trio.current_time(), 0
        while trio.current_time() - begun < 1.5 * IDLE:
            pings += await answered(line)
        assert pings > 0
        await ada.say(conversation_id, "Still there?")
        await line.until("message")


async def answered(line: Line) -> bool:
    """Take a frame; whether it was a ping, which is answered."""
    opcode, payload = await line.frame()
    if opcode == PING:
        await line.send(client_frame(PONG, payload))
    return opcode == PING


async def test_nginx_ends_a_socket_that_no_ping_keeps(tmp_path: Path) -> None:
    """Else the test above would show nothing."""
    server = ServerProcess(tmp_path, LIMITS__HEARTBEAT="0")
    proxy = Nginx(tmp_path, server.url, idle_timeout=1)
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    async with open_line(proxy.url, proxy.trust) as line:
        await line.send(upgrade(f"/chat/ws/{conversation_id}", bob.token))
        assert (await line.answer()).status == 101
        await line.end()
    proxy.stop()
    server.stop()


async def test_events_come_as_they_happen(behind: tuple[ServerProcess, Proxy]) -> None:
    server, proxy = behind
    async with open_line(proxy.url, proxy.trust) as line:
        data = request("GET", "/admin/events", b"", "admin_token", Accept="text/event-stream")
        await line.send(as_through(proxy, data))
        # A stream without an end: what is held back would never come.
        await received(line, b"event: ")
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        await received(line, b"\n\n")
        assert await ada.see(conversation_id)
        assert (await ask(proxy, "/admin/events")).status_code == 401


async def received(line: Line, what: bytes) -> None:
    """Read on until this has come."""
    seen = b""
    with trio.fail_after(PATIENCE):
        while what not in seen:
            data = await line.stream.receive_some()
            assert data
            seen += data


async def test_what_is_for_operators_is_not_shown_to_the_world(
    behind: tuple[ServerProcess, Proxy],
) -> None:
    server, proxy = behind
    for path in ("/metrics", "/health/chat"):
        assert (await ask(proxy, path)).status_code == 404
        assert httpx2.get(f"{server.url}{path}").status_code == 200
    assert (await ask(proxy, "/health")).json()["status"] == "ok"
    assert (await ask(proxy, "/")).status_code == 200


async def test_files_up_to_the_limit_pass(behind: tuple[ServerProcess, Proxy]) -> None:
    server, proxy = behind
    (ada,) = await guests(server, "Ada")
    conversation_id = await ada.create()
    async with httpx2.AsyncClient(verify=proxy.trust, trust_env=False, timeout=PATIENCE) as client:
        sent = await client.post(
            f"{proxy.url}/chat/{conversation_id}/files?name=big.txt",
            content=b"text " * 5_000_000,
            headers={"Authorization": f"Bearer {ada.token}", "Content-Type": "text/plain"},
        )
    assert sent.status_code == 201, sent.text
    assert sent.json()["size"] == 25_000_000


async def test_a_reload_under_load_loses_nothing(behind: tuple[ServerProcess, Proxy]) -> None:
    server, proxy = behind
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    said = [f"message {number}" for number in range(300)]
    heard: list[str] = []
    reconnects: list[int] = []
    reloaded = trio.Event()

    def through(person: Person) -> Client:
        return Client(proxy.url, token=person.token, ssl_context=proxy.trust)

    async def listen(*, task_status: trio.TaskStatus[None]) -> None:
        async with through(bob).conversation(conversation_id, backoff=(0.05, 0.5)) as reader:
            task_status.started()
            async for event in reader:
                if event["type"] == "message":
                    heard.append(event["message"]["content"])
                if len(heard) == len(said):
                    reconnects.append(reader.statistics().reconnects)
                    return

    async def reload() -> None:
        for _ in range(3):
            await trio.to_thread.run_sync(proxy.reload)
        reloaded.set()

    with trio.fail_after(2 * PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(listen)
            async with through(ada).conversation(conversation_id, backoff=(0.05, 0.5)) as writer:
                for number, content in enumerate(said):
                    if number == 10:
                        nursery.start_soon(reload)
                    if number == len(said) - 10:
                        await reloaded.wait()
                    await writer.send(content)
    assert heard == said
    assert reconnects[0] > 0, "the reload has cut no socket"
    history = await bob.history(conversation_id)
    kept = [event["message"]["content"] for event in history if event["type"] == "message"]
    assert kept == said


@pytest.mark.parametrize("name", ["nginx", "caddy"])
async def test_the_server_is_told_the_address_of_the_client_and_no_other(
    name: str, tmp_path: Path, echo: Callable[[], str]
) -> None:
    proxy = start(name, tmp_path, echo())
    claimed = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "gopher",
        "Forwarded": "for=6.6.6.6",
    }
    seen = (await ask(proxy, "/", headers=claimed)).json()
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"
    assert "forwarded" not in seen
    assert seen["host"] == urlsplit(proxy.url).netloc
    proxy.stop()


@pytest.mark.parametrize("name", ["nginx", "caddy"])
async def test_a_trusted_proxy_is_believed_about_the_client(
    name: str, tmp_path: Path, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server(SERVER__TRUSTED_PROXIES="127.0.0.1")
    proxy = start(name, tmp_path, server.url)
    (ada,) = await guests(server, "Ada")
    conversation_id = await ada.create()
    to = urlsplit(proxy.url)
    stream = await trio.open_tcp_stream("127.0.0.1", to.port or 0, local_address="127.0.0.2")
    secure = trio.SSLStream(stream, proxy.trust, server_hostname="localhost", https_compatible=True)
    async with secure:
        line = Line(secure)
        claimed = {"X_Forwarded_For": "6.6.6.6"}
        asked = upgrade(f"/chat/ws/{conversation_id}", ada.token, **claimed)
        await line.send(as_through(proxy, asked))
        assert (await line.answer()).status == 101
        await line.until("caught_up")
        rows = (await api(server, "GET", "/admin/connections", "admin_token")).json()
        assert [row["address"] for row in rows["connections"]] == ["127.0.0.2"]
    proxy.stop()


class Echo(BaseHTTPRequestHandler):
    """Answers with the headers of the request."""

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): text for name, text in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[Callable[[], str]]:
    """Starts a server that says what it was asked; its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield lambda: f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
