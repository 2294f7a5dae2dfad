"""What a server is made of: the same parts alone and as a node of a cluster, but for those that `alone` and `among_others` make.

With `app` and the commands this is the only module of web that imports persistence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import trio

from salon.actors.directory import Directory
from salon.actors.log import LogTail
from salon.actors.runtime import System
from salon.persistence.url import resolve, resolve_shared

from .admin import AdminParts, NodeFigures, relay_of, reload_agents, salon_version
from .agents import HostedAgents, open_upstream
from .identity import IdentityBook, read_keys
from .moderation import Desk
from .privacy import Erasures, LegalHolds
from .refresh import Refresh
from .settings import SettingsError
from .socket import JsonCodec, Wire
from .webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart_trio import QuartTrio

    from salon.actors.sources import Sources
    from salon.persistence.url import AnyStore

    from .agents import Upstream
    from .cluster import ServingNode
    from .settings import AgentSettings, Settings


class Engine(NamedTuple):
    """What carries the conversations: the directory, and the node where there is a cluster."""

    directory: Directory
    node: ServingNode | None


def open_agents(settings: Settings) -> list[tuple[AgentSettings, Upstream]]:
    """The agents of the configuration. Raises `SettingsError` if one lacks its library or its key."""
    return [(agent, open_upstream(agent)) for agent in settings.agents]


async def open_store(settings: Settings, sources: Sources) -> AnyStore:
    """The store: of this server alone, or shared by the nodes of a cluster. Raises `StoreError`."""
    opens = resolve_shared if settings.cluster.nats else resolve
    store: AnyStore = await trio.to_thread.run_sync(opens, settings.store.url, sources)
    return store


def alone(settings: Settings, store: AnyStore, **services: Any) -> Engine:
    """One server: every conversation's actor is here."""
    return Engine(Directory(store=store, limits=settings.engine_limits(), **services), None)


def among_others(settings: Settings, store: AnyStore, **services: Any) -> Engine:
    """A node of a cluster: owners of some conversations, replicas of others. Raises `SettingsError`.

    Who has no cluster loads nothing of it.
    """
    from salon.actors.cluster.directory import ClusterDirectory  # noqa: PLC0415
    from salon.persistence.postgres.cluster_store import ClusterStore  # noqa: PLC0415

    from .cluster import NatsError, ServingNode  # noqa: PLC0415

    assert isinstance(store, ClusterStore)
    directory = ClusterDirectory(store=store, limits=settings.engine_limits(), **services)
    try:
        node = ServingNode(
            settings.cluster, directory, store.membership, services["sources"], salon_version()
        )
    except NatsError as error:
        raise SettingsError(f"cluster: {error}") from None
    return Engine(directory, node)


async def assemble(
    settings: Settings,
    agents: Sequence[tuple[AgentSettings, Upstream]],
    store: AnyStore,
    sources: Sources,
) -> AdminParts:
    """The parts of a server, of which nothing runs yet. Raises `StoreError`, `SettingsError`."""
    system = System()
    system.after_pass = store.gather(system)
    heartbeat = settings.limits.heartbeat
    wire = Wire(heartbeat=heartbeat, chance=sources.chance, now_ms=sources.now, turns=system)
    codec = JsonCodec(heartbeat=heartbeat, max_message_size=settings.limits.max_message_size)
    engine = among_others if settings.cluster.nats else alone
    directory, node = engine(settings, store, system=system, codec=codec, sources=sources)
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


async def keep_and_erase(parts: AdminParts, store: AnyStore) -> None:
    """What is held, and who is being erased: before the first deletion, and the first request."""
    directory = parts.directory
    parts.people = store
    directory.holds = parts.holds = LegalHolds(store, directory.sources)
    await parts.holds.load()
    parts.erasures = Erasures(directory, store, parts.identities, parts.holds, directory.sources)
    parts.erasures.shared = parts.node is not None
    await parts.erasures.load()


def join_operators(parts: AdminParts, node: ServingNode, app: QuartTrio) -> Refresh:
    """Have operators of any node see and do the same: what this node says of itself, answers the others and looks at."""

    async def look_at_agents() -> None:
        parts.agents.ledger.forget_idle()
        await reload_agents(parts)

    refresh = Refresh(parts, node, look_at_agents)
    parts.relay = relay_of(parts, node, app, refresh.look)
    node.says(NodeFigures(parts, node))
    return refresh
