"""The composition root: the one file that knows all the parts, puts them together, serves and drains."""

from __future__ import annotations

import logging
import os
import resource
import secrets
import signal
import time
from base64 import urlsafe_b64encode
from functools import partial
from random import random
from typing import TYPE_CHECKING

import trio
from quart_schema import HttpSecurityScheme, Info, QuartSchema
from quart_trio import QuartTrio

from salon.actors.directory import Directory
from salon.actors.runtime import System
from salon.actors.sources import Sources
from salon.persistence.url import backup as copy_store
from salon.persistence.url import resolve

from .admin import admin_routes
from .auth import auth_routes
from .chat import chat_routes
from .codec import JsonCodec
from .connection import retry_reason
from .errors import refuse_clearly
from .exchange import Parts
from .health import health_routes
from .identity import IdentityBook
from .reference import reference_routes
from .server import Server
from .signing import read_key
from .socket import socket_routes
from .upgrade import FastLane
from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from salon.persistence.memory import MemoryStore
    from salon.persistence.sql import SqlStore

    from .settings import Settings

FIRST_SLOT = 1.0  # seconds until the first client may come back after a restart

logger = logging.getLogger(__name__)


def system_sources() -> Sources:
    """The real clock and real chance."""
    return Sources(
        now=lambda: time.time_ns() // 1_000_000,
        new_id=lambda: urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode(),
        entropy=Entropy().take,
        chance=random,
    )


class Entropy:
    """The system's random bytes, drawn a page at a time: each draw gives up the interpreter's lock, which costs a busy server."""

    def __init__(self) -> None:
        self._bytes = b""

    def take(self, count: int) -> bytes:
        """That many bytes, none of them given out before."""
        if len(self._bytes) < count:
            self._bytes = os.urandom(max(4096, count))
        taken, self._bytes = self._bytes[:count], self._bytes[count:]
        return taken


async def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `announce` is called with the URL once connections are accepted.

    Raises `StoreError` where the store cannot be opened, `OSError` where the address cannot be had.
    """
    _raise_file_limit()
    sources = system_sources()
    store = await trio.to_thread.run_sync(resolve, settings.store.url, sources)
    try:
        await _run(settings, store, sources, announce)
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(store.close)


def backup(settings: Settings, path: Path) -> None:
    """Copy a store, live or not, into a new file. Raises `StoreError`."""
    copy_store(settings.store.url, path)


async def _run(
    settings: Settings,
    store: MemoryStore | SqlStore,
    sources: Sources,
    announce: Callable[[str], None],
) -> None:
    system = System()
    system.after_pass = store.gather()
    wire = Wire(heartbeat=settings.limits.heartbeat, chance=sources.chance, now_ms=sources.now)
    codec = JsonCodec(
        heartbeat=settings.limits.heartbeat, max_message_size=settings.limits.max_message_size
    )
    directory = Directory(
        system=system, store=store, codec=codec, limits=settings.engine_limits(), sources=sources
    )
    identities = IdentityBook(
        settings.auth, read_key(settings.key_file, sources.entropy), store, sources
    )
    await identities.load()
    parts = Parts(settings, directory, wire, identities)
    app = build_app(parts)
    server = Server(
        app,
        FastLane(app, parts),
        handshake_timeout=settings.limits.handshake_timeout,
        max_body_size=settings.limits.max_body_size,
    )
    url = await server.bind(
        settings.server.host,
        settings.server.port,
        certificate=settings.server.tls_certificate,
        key=settings.server.tls_key,
    )
    drained = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(system.run)
        await nursery.start(wire.run)
        nursery.start_soon(directory.sweep)
        nursery.start_soon(_watch_signals, parts)
        async with trio.open_nursery() as serving:
            serving.start_soon(partial(server.run, stop=parts.stop, drained=drained))
            parts.ready = True
            announce(url)
            await parts.stop.wait()
            await _drain(parts)
            drained.set()
        nursery.cancel_scope.cancel()


def build_app(parts: Parts) -> QuartTrio:
    """All routes on one Quart-Trio application."""
    app = QuartTrio(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # it would answer a WebSocket with a page of HTML
    app.config["MAX_CONTENT_LENGTH"] = parts.settings.limits.max_body_size or None
    QuartSchema(
        app,
        swagger_ui_path=None,
        redoc_ui_path=None,
        scalar_ui_path=None,
        info=Info(title="salon", version="1"),
        security_schemes={"bearer": HttpSecurityScheme(scheme="bearer")},
        security=[{"bearer": []}],
        conversion_preference="pydantic",
    )
    for routes in (
        chat_routes,
        socket_routes,
        auth_routes,
        health_routes,
        admin_routes,
        reference_routes,
    ):
        app.register_blueprint(routes(parts))
    refuse_clearly(app, parts)
    return app


async def _watch_signals(parts: Parts) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if parts.stop.is_set():
                logger.warning("a second signal: stopping at once")
                os._exit(128 + number)
            parts.stop.set()


async def _drain(parts: Parts) -> None:
    """No new work; what was accepted is committed; each client is told when to come back."""
    parts.ready = False
    pause = 1 / parts.settings.limits.reconnect_rate
    spread = max(1.0, len(parts.wire) * pause)
    parts.directory.draining = lambda: FIRST_SLOT + parts.directory.sources.chance() * spread
    deadline = trio.current_time() + parts.settings.limits.drain_timeout
    with trio.move_on_at(deadline):
        while not all(actor.idle for actor in parts.directory):  # noqa: ASYNC110  # once a life: no event
            await trio.sleep(0.01)
    for place, connection in enumerate(list(parts.wire)):
        connection.close(4000, retry_reason(FIRST_SLOT + place * pause))
    with trio.move_on_at(deadline):
        while len(parts.wire):  # noqa: ASYNC110  # likewise
            await trio.sleep(0.01)


def _raise_file_limit() -> None:
    """A socket is a file: take as many as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
