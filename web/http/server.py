"""Accepts connections and serves HTTP on them with Hypercorn and Quart-Trio, until a WebSocket is handed over.

Hypercorn's parts are assembled here instead of calling its `serve`, for two reasons. An error on one connection ends only
that connection. The listeners close before the drain, while running requests continue.
"""

from __future__ import annotations

import logging
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import trio
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.utils import wrap_app

from .denial import LINGER_FOR_UPLOAD
from .refusal_pace import RefusalPace
from .request_heads import HEAD_BYTES
from .stream import HttpStream
from .tls_stream import TlsHttpStream
from .upload import gate_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from quart_trio import QuartTrio

    from .forwarded import TrustedProxies
    from .lane import RequestLane


FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto")
BACKLOG = 4096  # connections waiting to be accepted: after a restart all clients reconnect at once
FINISH_REQUESTS = 1.0  # seconds for running requests after everything else is drained

logger = logging.getLogger(__name__)


class HandshakeLane(Protocol):
    """Does WebSocket handshakes before Hypercorn sees the request."""

    async def take(self, http_stream: HttpStream) -> int:
        """The status that was answered: 101 if the connection was taken over. 0 if Hypercorn has to answer."""


class Server:
    """One listening socket, or several if the host has several addresses."""

    def __init__(
        self,
        app: QuartTrio,
        fast_lane: HandshakeLane,
        posts: RequestLane,
        *,
        handshake_timeout: float,
        max_body_size: int,
        proxies: TrustedProxies,
    ) -> None:
        self._fast_lane = fast_lane
        self._proxies = proxies
        self._pace = RefusalPace()
        self._posts = posts
        self._config = Config()
        # Hypercorn does not see all requests; the streams do, and time them.
        self._config.keep_alive_timeout = float("inf")
        self._config.h11_max_incomplete_size = HEAD_BYTES - 1
        self._config.include_server_header = False
        self._config.accesslog = None
        self._config.errorlog = logging.getLogger("hypercorn.error")
        self._app = wrap_app(_counted(app, proxies), max_body_size, "asgi")
        self._context = WorkerContext(None)
        self._handshake_timeout = handshake_timeout
        self._listeners: list[trio.SocketListener] = []
        self._connections: set[HttpStream] = set()
        self._tls: ssl.SSLContext | None = None

    async def bind(
        self,
        host: str,
        port: int,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        listen_fd: int | None = None,
    ) -> str:
        """Open the socket, or take an open one; the URL at which it is reached. Raises `OSError` if it cannot be opened."""
        if certificate is not None:
            self._tls = _tls_context(certificate, key)
        if listen_fd is None:
            self._listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
        else:
            shared = trio.socket.from_stdlib_socket(socket.socket(fileno=listen_fd))
            self._listeners = [trio.SocketListener(shared)]
        bound = self._listeners[0].socket.getsockname()[1]
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{bound}"

    async def run(self, *, stop: trio.Event, drained: trio.Event) -> None:
        """Serve until `stop`, then accept no connections. The remaining ones end soon after `drained`."""
        lifespan = Lifespan(self._app, self._config, {})
        async with trio.open_nursery() as lifespan_nursery:
            await lifespan_nursery.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    accepting.start_soon(
                        partial(
                            trio.serve_listeners,
                            self._serve,
                            self._listeners,
                            handler_nursery=connections,
                        )
                    )
                    await stop.wait()
                    accepting.cancel_scope.cancel()
                for listener in self._listeners:
                    await listener.aclose()
                await drained.wait()
                await self._context.terminated.set()
                connections.cancel_scope.deadline = trio.current_time() + FINISH_REQUESTS
                lifespan_nursery.start_soon(self._cut_stuck, connections.cancel_scope.deadline)
            await lifespan.wait_for_shutdown()
            lifespan_nursery.cancel_scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        http_stream = self._http_stream(stream)
        self._connections.add(http_stream)
        try:
            if self._tls is not None or (
                await http_stream.first_head() and not await self._fast_lane.take(http_stream)
            ):
                await self._speak_http(http_stream)
        except Exception:
            # The cause is one client's bytes or one request: other connections must not be affected.
            logger.warning("an HTTP connection failed", exc_info=True)
        finally:
            self._connections.discard(http_stream)
        await http_stream.serve_on()

    async def _speak_http(self, http_stream: HttpStream) -> None:
        state: Any = {"http_stream": http_stream}
        server = TCPServer(self._app, self._config, self._context, state, http_stream)  # type: ignore[arg-type]
        # Otherwise Hypercorn's idle timer would keep the connection alive after its peer has gone.
        http_stream.at_end = server.idle_task.stop
        await server

    async def _cut_stuck(self, deadline: float) -> None:
        """Cut connections at the deadline: Hypercorn shields its writes from cancellation, and a peer may never read."""
        await trio.sleep_until(deadline)
        for http_stream in self._connections:
            http_stream.cut()

    def _http_stream(self, stream: trio.SocketStream) -> HttpStream:
        seconds = self._handshake_timeout
        if self._tls is None:
            opened = HttpStream(stream, handshake_timeout=seconds, posts=self._posts)
        else:
            opened = TlsHttpStream(stream, self._tls, handshake_timeout=seconds, posts=self._posts)
        opened.pace = self._pace
        opened.proxied = self._proxies.trusts(opened.address)
        return opened


def _tls_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """A TLS context with these files. Raises `OSError` that names the invalid file, which Python's own error does not."""
    for setting, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            _ = path and path.read_bytes()
        except OSError as error:
            raise OSError(f"server.{setting}: {path} cannot be read: {error.strerror}") from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password="")  # do not prompt for one
    except ssl.SSLError as error:
        matched = error.reason != "KEY_VALUES_MISMATCH"
        problem = "are no PEM files without a password" if matched else "do not belong together"
        raise OSError(
            f"server.tls_certificate {certificate} and server.tls_key {key} {problem}"
        ) from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def _counted(app: QuartTrio, proxies: TrustedProxies) -> Callable[..., Awaitable[None]]:
    """The application, wrapped so that the stream is told of each complete body and each complete answer.

    A request that a trusted proxy passes on has the client's address and scheme.
    """

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        _name_client(scope, proxies)
        stream: HttpStream = scope["state"]["http_stream"]
        stream.begins()
        gate, complete = gate_of(scope), False

        async def watched() -> Any:
            nonlocal complete
            if gate is not None:
                await gate.room()
            message = await receive()
            if message["type"] == "http.request":
                if gate is not None:
                    message = gate.passed(message)
                if not message.get("more_body"):
                    complete = True
                    stream.body_read()
            return message

        try:
            await app(scope, watched, send)
        finally:
            stream.answered()
        if gate is not None and not complete:
            stream.linger = LINGER_FOR_UPLOAD

    return answer


def _name_client(scope: Any, proxies: TrustedProxies) -> None:
    """Give a request that a trusted proxy passes on the client's address and scheme.

    `known_scheme` of the state is the scheme that the browser uses, if that is known: before a plain connection may be a proxy.
    """
    known = "https" if scope["scheme"] in ("https", "wss") else None
    if proxies and scope["client"] is not None:
        said: dict[bytes, list[str]] = {name: [] for name in FORWARDED}
        for name, value in scope["headers"]:
            if name.lower() in said:
                said[name.lower()].append(value.decode("latin-1"))
        peer, *port = scope["client"]
        forwarded, hops, protos = said.values()
        scope["client"] = (proxies.address(peer, forwarded, hops), *port)
        scheme = proxies.scheme(peer, forwarded, hops, protos)
        if scheme is not None:
            known = scheme
            scope["scheme"] = scheme.replace("http", "ws") if scope["type"] != "http" else scheme
    scope["state"]["known_scheme"] = known
