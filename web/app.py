"""The composition root: the one module that imports all parts. It assembles them, serves and drains."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import trio
from quart_schema import QuartSchema
from quart_trio import QuartTrio

from salon.actors.directory import Directory
from salon.actors.log import LogTail
from salon.actors.runtime import System
from salon.actors.store import StoreError
from salon.persistence.contents import open_files
from salon.persistence.s3_options import S3Options
from salon.persistence.url import backup as copy_store
from salon.persistence.url import resolve, resolve_shared

from .admin import (
    AdminParts,
    add_stored_agents,
    admin_routes,
    feed_routes,
    figures_of,
    firehose_routes,
    health_routes,
    held_queue_routes,
    hosted_agent_routes,
    node_routes,
    people_data_routes,
    report_queue_routes,
    salon_version,
    token_routes,
    webhook_routes,
)
from .agents import HostedAgents, open_upstream
from .api import (
    FastLane,
    PersonalFeed,
    PostLane,
    RefusalLane,
    agent_routes,
    auth_routes,
    change_routes,
    chat_routes,
    event_stream_routes,
    file_routes,
    held_routes,
    invite_routes,
    keeping_routes,
    member_routes,
    message_routes,
    people_routes,
    personal_event_routes,
    reference_routes,
    report_routes,
    run_routes,
    search_routes,
    sign_in_routes,
    socket_routes,
)
from .drain import drain
from .files import FileShelf
from .http import (
    HttpReference,
    SalonRequest,
    Server,
    TrustedProxies,
    allow_origins,
    frontend_routes,
    refuse_clearly,
)
from .identity import IdentityBook, KeyFileError, read_keys
from .moderation import Desk
from .privacy import Erasures, LegalHolds, Retention
from .refresh import refresh
from .settings import SettingsError
from .socket import JsonCodec, Wire
from .sources import system_sources
from .webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from salon.actors.sources import Sources
    from salon.persistence.contents import LocalRoom
    from salon.persistence.url import AnyStore

    from .agents import Upstream
    from .cluster import ServingNode
    from .http import HandshakeLane, RequestLane
    from .settings import AgentSettings, Settings
    from .telemetry import Tracing

# Thresholds of the garbage collector's three generations. While 10,000 clients connected, dropped and reconnected, the longest
# pause was 82 ms of CPU time and all pauses took 0.7 s. With Python's defaults: 345 ms and 3.0 s.
GARBAGE = (10_000, 10, 100)

logger = logging.getLogger(__name__)


async def serve(
    settings: Settings, *, announce: Callable[[str], None], listen_fd: int | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `announce` is called with the URL once connections are accepted.

    `listen_fd` is a socket that listens already, which several processes share.

    Raises `StoreError` if the store cannot be opened, `OSError` if the address cannot be bound, `SettingsError` if an agent of
    the configuration lacks its library or its key, or a webhook its secret.
    """
    _raise_file_limit()
    agents = [(agent, open_upstream(agent)) for agent in settings.agents]
    sources = system_sources()
    opens = resolve_shared if settings.cluster.nats else resolve
    store: AnyStore = await trio.to_thread.run_sync(opens, settings.store.url, sources)
    files = settings.files
    s3 = S3Options(files.s3_endpoint, files.s3_region)
    room: LocalRoom | None = None
    try:
        room = await trio.to_thread.run_sync(open_files, settings.files_folder, files.url, s3)
        parts = await _assemble(settings, agents, store, sources)
        parts.files = FileShelf(settings, store, room, sources, parts.directory.report)
        await _keep_and_erase(parts, store)
        await add_stored_agents(parts)
        await _run(parts, announce, listen_fd)
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(store.close)
            if room is not None:
                await trio.to_thread.run_sync(room.close)


def backup(settings: Settings, path: Path) -> None:
    """Copy a store, live or not, into a new file. Raises `StoreError`."""
    copy_store(settings.store.url, path)


async def _assemble(
    settings: Settings,
    agents: Sequence[tuple[AgentSettings, Upstream]],
    store: AnyStore,
    sources: Sources,
) -> AdminParts:
    system = System()
    system.after_pass = store.gather(system)
    wire = Wire(
        heartbeat=settings.limits.heartbeat,
        chance=sources.chance,
        now_ms=sources.now,
        turns=system,
    )
    codec = JsonCodec(
        heartbeat=settings.limits.heartbeat, max_message_size=settings.limits.max_message_size
    )
    directory, node = _directory(
        settings,
        store,
        system=system,
        codec=codec,
        limits=settings.engine_limits(),
        sources=sources,
    )
    keys = read_keys(settings.key_file, sources.entropy)
    identities = IdentityBook(settings.auth, keys, store, sources)
    identities.shares_tickets = node is not None
    await identities.load()
    if settings.moderation.rules or settings.moderation.url is not None:
        directory.moderator = Desk(settings.moderation, directory)
    tail = LogTail(store)
    webhooks = Webhooks(settings.webhooks, store, tail, sources, directory.report)
    hosted = HostedAgents(directory, agents)
    parts = AdminParts(settings, directory, wire, identities, hosted, webhooks, store, tail)
    parts.node = node
    return parts


def _directory(
    settings: Settings, store: AnyStore, **services: Any
) -> tuple[Directory, ServingNode | None]:
    """The directory of one server, or of a node of a cluster with that node."""
    if not settings.cluster.nats:
        return Directory(store=store, **services), None
    from salon.actors.cluster.directory import (  # noqa: PLC0415 - who has no cluster loads nothing of it
        ClusterDirectory,
    )
    from salon.persistence.postgres.cluster_store import ClusterStore  # noqa: PLC0415

    from .cluster import NatsError, ServingNode  # noqa: PLC0415

    assert isinstance(store, ClusterStore)
    directory = ClusterDirectory(store=store, **services)
    try:
        node = ServingNode(
            settings.cluster, directory, store.membership, services["sources"], salon_version()
        )
    except NatsError as error:
        raise SettingsError(f"cluster: {error}") from None
    return directory, node


async def _keep_and_erase(parts: AdminParts, store: AnyStore) -> None:
    """What is held, and who is being erased: before the first deletion, and the first request."""
    directory = parts.directory
    parts.people = store
    directory.holds = parts.holds = LegalHolds(store, directory.sources)
    await parts.holds.load()
    parts.erasures = Erasures(directory, store, parts.identities, parts.holds, directory.sources)
    parts.erasures.shared = parts.node is not None
    await parts.erasures.load()


async def _run(parts: AdminParts, announce: Callable[[str], None], listen_fd: int | None) -> None:
    settings = parts.settings
    tracing = _open_tracing(parts)
    server = _server_of(parts, tracing)
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
        parts.node.says(partial(figures_of, parts))
    async with trio.open_nursery() as nursery:
        await _start(parts, nursery)
        if tracing is not None:
            nursery.start_soon(tracing.run)
        await parts.directory.resume_runs()
        async with trio.open_nursery() as serving:
            serving.start_soon(partial(server.run, stop=parts.stop, drained=drained))
            _settle_garbage()
            parts.ready = True
            announce(url)
            guests = "let in" if settings.auth.guests else "not let in"
            logger.info("serving %s from %s, guests are %s", url, settings.store.shown, guests)
            await parts.stop.wait()
            logger.info("draining: %d connections are told when to come back", len(parts.wire))
            if parts.node is not None:
                await _leave(parts)
            await drain(parts)
            drained.set()
        logger.info("drained: everything accepted is stored")
        nursery.cancel_scope.cancel()


async def _leave(parts: AdminParts) -> None:
    """Have other nodes own the conversations: nothing is refused while the sockets here are sent away."""
    assert parts.node is not None
    parts.ready = False
    try:
        await parts.node.node.leave()
    except StoreError as error:
        logger.warning("%s: the other nodes take over once they give this one up", error)


def _server_of(parts: AdminParts, tracing: Tracing | None) -> Server:
    """The server, with the routes and the lanes that answer before them."""
    app, settings = build_app(parts), parts.settings
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
    await nursery.start(directory.system.run)
    if parts.node is not None:
        await nursery.start(parts.node.run)
        nursery.start_soon(refresh, parts, parts.node.directory)
    await nursery.start(parts.wire.run)
    await nursery.start(parts.agents.run)
    directory.agent_host, directory.file_host = parts.agents, files
    parts.personal_feed = PersonalFeed(parts)
    retention = Retention(directory, parts.people, parts.settings.retention.days)
    for service in (files, erasures, retention, parts.webhooks):
        # Of several nodes one does this for all.
        await nursery.start(
            service.run
            if parts.node is None
            else partial(parts.node.views.keep, service.run, directory.report)
        )
    await nursery.start(parts.personal_feed.run)
    if isinstance(directory.moderator, Desk):
        await nursery.start(directory.moderator.run)
    nursery.start_soon(directory.sweep)
    nursery.start_soon(parts.figures.record)
    nursery.start_soon(parts.identities.keep_fresh)
    nursery.start_soon(_watch_signals, parts)
    nursery.start_soon(_watch_keys, parts)
    parts.tasks = nursery


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


def build_app(parts: AdminParts) -> QuartTrio:
    """All routes on one Quart-Trio application."""
    app = QuartTrio(__name__, static_folder=None)
    app.request_class = SalonRequest
    app.url_map.merge_slashes = False  # its redirect would answer a WebSocket with an HTML page
    app.config["MAX_CONTENT_LENGTH"] = parts.settings.limits.max_body_size or None
    QuartSchema(
        app,
        swagger_ui_path=None,
        redoc_ui_path=None,
        scalar_ui_path=None,
        conversion_preference="pydantic",
        openapi_provider_class=HttpReference,
    )
    for routes in (
        chat_routes,
        change_routes,
        member_routes,
        invite_routes,
        held_routes,
        keeping_routes,
        message_routes,
        people_routes,
        report_routes,
        search_routes,
        file_routes,
        run_routes,
        agent_routes,
        socket_routes,
        event_stream_routes,
        personal_event_routes,
        auth_routes,
        sign_in_routes,
        health_routes,
        admin_routes,
        node_routes,
        hosted_agent_routes,
        people_data_routes,
        report_queue_routes,
        held_queue_routes,
        token_routes,
        feed_routes,
        firehose_routes,
        webhook_routes,
        reference_routes,
        frontend_routes,
    ):
        app.register_blueprint(routes(parts))
    refuse_clearly(app, parts)
    allow_origins(app, parts.settings.server.allowed_origins)
    return app


async def _watch_signals(parts: AdminParts) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if parts.stop.is_set():
                logger.warning("a second signal: stopping at once")
                os._exit(128 + number)
            parts.stop.set()


async def _watch_keys(parts: AdminParts) -> None:
    """Read the keys again on SIGHUP. Keys that cannot be used change nothing."""
    identities, path = parts.identities, parts.settings.key_file
    in_terminal = os.isatty(0)
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        async for _ in signals:
            if in_terminal and not os.isatty(
                0
            ):  # the terminal was closed: that is what the signal says
                parts.stop.set()
                return
            await trio.to_thread.run_sync(identities.reload_issuers)
            if path is None:
                continue
            try:
                identities.use_keys(await trio.to_thread.run_sync(read_keys, path))
            except KeyFileError as problem:
                logger.error("%s; the former keys stay in use", problem)
            else:
                logger.info("the keys were read again")


def _settle_garbage() -> None:
    """Exclude permanent objects from garbage collection: a full collection with 10,000 connections pauses all for 0.1 s."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def _raise_file_limit() -> None:
    """Raise the limit of open files, which also limits sockets, to the system's maximum for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
