"""What a node of a cluster would find: NATS, asked as it would ask, and the database that the nodes share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from salon.actors.store import StoreError

if TYPE_CHECKING:
    from ..settings import ClusterSettings, Settings


class ClusterProblem(NamedTuple):
    """What is wrong: the setting that it is about, and what to do."""

    setting: str
    problem: str
    remedy: str


def look_at_cluster(settings: Settings) -> tuple[ClusterProblem, ...]:
    """All that is wrong; nothing where there is no cluster. Blocks for seconds where something does not answer."""
    if not settings.cluster.nats:
        return ()
    nats = [ClusterProblem("cluster.nats", *each) for each in _nats(settings.cluster)]
    database = [ClusterProblem("store.url", *each) for each in _database(settings.store.url)]
    return (*nats, *database)


def _nats(settings: ClusterSettings) -> list[tuple[str, str]]:
    import trio  # noqa: PLC0415 - few servers have a cluster

    from ..cluster import NatsAddress, NatsError, probe  # noqa: PLC0415

    try:
        address = NatsAddress(
            settings.nats,
            credentials=settings.nats_credentials,
            authority=settings.nats_ca,
            certificate=settings.nats_certificate,
            key=settings.nats_key,
        )
    except NatsError as error:
        problem, _, remedy = str(error).rpartition(": ")
        return [(problem, remedy)]
    return trio.run(probe, address, settings.prefix)


def _database(url: str) -> list[tuple[str, str]]:
    from salon.actors.cluster.encoding import FORMAT  # noqa: PLC0415 - as above
    from salon.persistence.postgres.examination import examine_shared  # noqa: PLC0415
    from salon.persistence.postgres.server import Server  # noqa: PLC0415
    from salon.persistence.url import shown  # noqa: PLC0415

    try:
        return examine_shared(Server(url), f"+{FORMAT}", time.time())
    except StoreError as error:
        problem, _, remedy = str(error).removeprefix(f"{shown(url)}: ").partition(": ")
        return [(problem, remedy)]
