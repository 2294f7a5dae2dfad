"""Asking other servers: whatever they answer, it ends soon, it stays small, and it is JSON or a fault in words."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme
from trio.testing import wait_all_tasks_blocked

from salon.web.identity.fetch import AT_ONCE, JsonFetcher
from salon.web.identity.provider_fault import Unreachable

Answer = Callable[[trio.SocketStream], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def answering(nursery: trio.Nursery, answer: Answer) -> str:
    """The address of a server that does this with each connection."""

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        with suppress(trio.BrokenResourceError):  # it has heard enough
            await answer(stream)

    listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
    return f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/there?secret=1"


async def fault(answer: Answer, **limits: float) -> str:
    """What is said of a server that does this."""
    async with trio.open_nursery() as nursery:
        url = await answering(nursery, answer)
        with pytest.raises(Unreachable) as caught:
            await JsonFetcher(**limits).get(url)  # type: ignore[arg-type]
        nursery.cancel_scope.cancel()
    assert "secret" not in str(caught.value)
    return str(caught.value)


async def test_an_object_is_taken() -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(HEAD + b'Content-Length: 8\r\n\r\n{"a": 1}')

    async with trio.open_nursery() as nursery:
        assert await JsonFetcher().get(await answering(nursery, answer)) == {"a": 1}
        nursery.cancel_scope.cancel()


async def test_one_that_says_nothing_is_waited_for_no_longer_than_that() -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    assert "took more than 0.2 s" in await fault(answer, timeout=0.2)


async def test_one_that_says_a_little_now_and_then_is_given_no_more_time() -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(HEAD + b"Content-Length: 100000\r\n\r\n")
        while True:
            await stream.send_all(b" ")
            await trio.sleep(0.02)

    assert "took more than 0.3 s" in await fault(answer, timeout=0.3)


async def test_one_that_never_ends_is_cut_off() -> None:
    sent = 0

    async def answer(stream: trio.SocketStream) -> None:
        nonlocal sent
        await stream.send_all(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send_all(b"400\r\n" + b" " * 1024 + b"\r\n")
            sent += 1024

    assert "more than 10000 bytes" in await fault(answer, largest=10_000)
    assert sent < 20_000_000, "what is in the buffers of two sockets is not read"


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
        b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
    ],
)
async def test_what_is_no_success_with_an_object_is_a_fault(said: bytes) -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(said)
        await stream.aclose()

    assert (await fault(answer)).startswith("http://127.0.0.1:")


async def test_https_counts_if_somebody_who_is_trusted_vouches_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.receive_some(65_536)
            await stream.send_all(HEAD + b"Content-Length: 2\r\n\r\n{}")

    async with trio.open_nursery() as nursery:
        opened = partial(trio.serve_ssl_over_tcp, serve, 0, context, host="127.0.0.1")
        [listener] = await nursery.start(opened)
        port = listener.transport_listener.socket.getsockname()[1]
        with pytest.raises(Unreachable, match="ConnectError"):
            await JsonFetcher().get(f"https://127.0.0.1:{port}/")
        # A company's own authority, as the rest of a machine is told of it.
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert await JsonFetcher().get(f"https://127.0.0.1:{port}/") == {}
        nursery.cancel_scope.cancel()


async def test_nobody_there_is_a_fault() -> None:
    with pytest.raises(Unreachable, match=r"^http://127\.0\.0\.1:9/x: ConnectError$"):
        await JsonFetcher().get("http://127.0.0.1:9/x")


async def test_no_more_wait_at_once_than_that() -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    outbound = JsonFetcher()
    async with trio.open_nursery() as nursery:
        url = await answering(nursery, answer)
        for _ in range(AT_ONCE):
            nursery.start_soon(outbound.get, url)
        await wait_all_tasks_blocked()
        with pytest.raises(Unreachable, match=f"{AT_ONCE} requests wait"):
            await outbound.get(url)
        nursery.cancel_scope.cancel()
