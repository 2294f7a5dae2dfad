"""The server as a program: it opens what it needs, serves until it is told to stop, and drains."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio

from salon.actors.store import StoreError
from salon.persistence.contents import open_files
from salon.persistence.place import place_of
from salon.persistence.s3_options import S3Options
from salon.persistence.url import backup as copy_store

from .admin import reload_agents
from .api import FastLane, PersonalFeed, PostLane, RefusalLane
from .composition import assemble, join_operators, keep_and_erase, open_agents, open_store
from .drain import drain
from .files import FileShelf
from .http import Server, TrustedProxies
from .moderation import Desk
from .privacy import Retention
from .process import raise_file_limit, settle_garbage, watch_keys, watch_signals
from .routes import build_app
from .settings import SettingsError
from .sources import system_sources

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from quart_trio import QuartTrio

    from salon.persistence.contents import LocalRoom

    from .admin import AdminParts
    from .cluster import ServingNode
    from .http import HandshakeLane, RequestLane
    from .settings import Settings
    from .telemetry import Tracing

logger = logging.getLogger(__name__)


async def serve(
    settings: Settings, *, announce: Callable[[str], None], listen_fd: int | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `announce` is called with the URL once connections are accepted.

    `listen_fd` is a socket that listens already, which several processes share.

    Raises `StoreError` if the store cannot be opened, `OSError` if the address cannot be bound, `SettingsError` if an agent of
    the configuration lacks its library or its key, or a webhook its secret.
    """
    raise_file_limit()
    agents = open_agents(settings)
    sources = system_sources()
    store = await open_store(settings, sources)
    files = settings.files
    s3 = S3Options(files.s3_endpoint, files.s3_region)
    room: LocalRoom | None = None
    try:
        room = await trio.to_thread.run_sync(open_files, settings.files_folder, files.url, s3)
        parts = await assemble(settings, agents, store, sources)
        if parts.node is not None:
            parts.node.files_at = await trio.to_thread.run_sync(place_of, files.url or "")
        parts.files = FileShelf(settings, store, room, sources, parts.directory.report)
        await keep_and_erase(parts, store)
        await reload_agents(parts)
        await _run(parts, announce, listen_fd)
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(store.close)
            if room is not None:
                await trio.to_thread.run_sync(room.close)


def backup(settings: Settings, path: Path) -> None:
    """Copy a store, live or not, into a new file. Raises `StoreError`."""
    copy_store(settings.store.url, path)


async def _run(parts: AdminParts, announce: Callable[[str], None], listen_fd: int | None) -> None:
    settings = parts.settings
    tracing = _open_tracing(parts)
    app = build_app(parts)
    server = _server_of(app, parts, tracing)
    url = await server.bind(
        settings.server.host,
        settings.server.port,
        certificate=settings.server.tls_certificate,
        key=settings.server.tls_key,
        listen_fd=listen_fd,
    )
    drained = trio.Event()
    if parts.node is not None:
        parts.node.listens(urlsplit(url).port or 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(parts.directory.system.run)
        if parts.node is not None:
            await _join(parts, parts.node, app, nursery)
        await _start(parts, nursery)
        if tracing is not None:
            nursery.start_soon(tracing.run)
        await parts.directory.resume_runs()
        async with trio.open_nursery() as serving:
            serving.start_soon(partial(server.run, stop=parts.stop, drained=drained))
            settle_garbage()
            parts.ready = True
            announce(url)
            guests = "let in" if settings.auth.guests else "not let in"
            logger.info("serving %s from %s, guests are %s", url, settings.store.shown, guests)
            await parts.stop.wait()
            logger.info("draining: %d connections are told when to come back", len(parts.wire))
            if parts.node is not None:
                await _leave(parts, parts.node)
            await drain(parts)
            drained.set()
        logger.info("drained: everything accepted is stored")
        nursery.cancel_scope.cancel()


async def _join(
    parts: AdminParts, node: ServingNode, app: QuartTrio, nursery: trio.Nursery
) -> None:
    """Have this server be a node, before anything else runs."""
    refresh = join_operators(parts, node, app)
    await nursery.start(node.run)
    nursery.start_soon(refresh.run)


async def _leave(parts: AdminParts, node: ServingNode) -> None:
    """Have other nodes own the conversations: nothing is refused while the sockets here are sent away."""
    parts.ready = False
    try:
        await node.node.leave()
    except StoreError as error:
        logger.warning("%s: the other nodes take over once they give this one up", error)


def _server_of(app: QuartTrio, parts: AdminParts, tracing: Tracing | None) -> Server:
    """The server, with the routes and the lanes that answer before them."""
    settings = parts.settings
    posts: RequestLane = RefusalLane(app, parts, PostLane(parts))
    handshakes: HandshakeLane = FastLane(app, parts)
    if tracing is not None:
        posts, handshakes = tracing.surround(app, posts, handshakes)
    return Server(
        app,
        handshakes,
        posts,
        handshake_timeout=settings.limits.handshake_timeout,
        max_body_size=settings.limits.max_body_size,
        proxies=TrustedProxies(settings.server.trusted_proxies),
    )


async def _start(parts: AdminParts, nursery: trio.Nursery) -> None:
    """Start whatever runs beside the server, each once what it needs has started."""
    directory, files, erasures = parts.directory, parts.files, parts.erasures
    assert files is not None
    assert erasures is not None
    await nursery.start(parts.wire.run)
    await nursery.start(parts.agents.run)
    directory.agent_host, directory.file_host = parts.agents, files
    parts.personal_feed = PersonalFeed(parts)
    retention = Retention(directory, parts.people, parts.settings.retention.days)
    for service in (files, erasures, retention, parts.webhooks):
        await nursery.start(_for_all(parts, service.run))
    await nursery.start(parts.personal_feed.run)
    if isinstance(directory.moderator, Desk):
        await nursery.start(directory.moderator.run)
    nursery.start_soon(directory.sweep)
    nursery.start_soon(parts.figures.record)
    nursery.start_soon(parts.identities.keep_fresh)
    nursery.start_soon(watch_signals, parts)
    nursery.start_soon(watch_keys, parts)
    parts.tasks = nursery


def _for_all(
    parts: AdminParts, run: Callable[..., Awaitable[None]]
) -> Callable[..., Awaitable[None]]:
    """What a server alone does, and of several nodes the first for all."""
    if parts.node is None:
        return run
    return partial(parts.node.views.keep, run, parts.directory.report)


def _open_tracing(parts: AdminParts) -> Tracing | None:
    settings = parts.settings.telemetry
    if settings.otlp_endpoint is None:
        return None
    try:
        from .telemetry import open_tracing  # noqa: PLC0415 - its library is an extra
    except ImportError as error:
        raise SettingsError(
            f"telemetry.otlp_endpoint: {error}: pip install 'salon[otel]'"
        ) from None
    return open_tracing(settings, parts.directory)
