"""What a node says of itself: to the others with each sign of life, and to Prometheus."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from ..cluster import ServingNode
    from .parts import AdminParts

FIGURES = (
    "view",
    "load",
    "beat_seconds",
    "connections",
    "participants",
    "conversations",
    "replicas",
    "lagging",
    "on_nats",
    "sent",
    "received",
    "lost",
    "dropped",
)


class NodeFigures:
    """The figures of this node; the load is that since they were last asked for."""

    def __init__(self, parts: AdminParts, node: ServingNode) -> None:
        self._parts = parts
        self._node = node
        self._used = time.process_time()
        self._at = time.monotonic()

    def __call__(self) -> str:
        """All of them as JSON."""
        link, directory = self._node.link, self._parts.directory
        said = {
            "view": self._node.node.view.number,
            "load": self._load(),
            "beat_seconds": round(self._node.views.beat_seconds, 4),
            "connections": len(self._parts.wire),
            "participants": len(directory.participants),
            "conversations": len(directory.conversations),
            "replicas": len(self._node.directory.replicas),
            "lagging": _lagging(self._node),
            "on_nats": link.works,
            "sent": link.figures.sent,
            "received": link.figures.received,
            "lost": link.figures.lost,
            "dropped": link.figures.dropped,
            "shares": self._node.shares(self._parts.identities.signer.keys),
        }
        return json.dumps(said)

    def _load(self) -> float | None:
        used, at = time.process_time(), time.monotonic()
        share = (used - self._used) / (at - self._at) if at > self._at else None
        self._used, self._at = used, at
        return None if share is None else round(share, 3)


def _lagging(node: ServingNode) -> int:
    """The conversations of other nodes of which this one lacks events."""
    return sum(replica.lags for replica in node.directory.replicas.values())


def node_metrics(parts: AdminParts) -> Iterator[Metric]:
    """This node among the others; nothing of a server alone."""
    node = parts.node
    if node is None:
        return
    yield from _gauges(node)
    link, counted = node.link.figures, node.directory.counted
    for name, text, count in (
        ("views", "Views that it has learned of.", node.views.views),
        ("stale_commits", "Changes refused since they were of another view.", node.stale()),
        ("sent_again", "Commands sent again to their conversations' owners.", counted.sent_again),
        ("gaps", "Batches that did not follow: the log was read instead.", counted.gaps),
        ("silences", "Times an owner was silent: the log was read instead.", counted.silences),
        ("sent", "Messages of NATS sent to other nodes.", link.sent),
        ("sent_bytes", "Their bytes.", link.sent_bytes),
        ("received", "Messages of NATS received.", link.received),
        ("received_bytes", "Their bytes.", link.received_bytes),
        ("lost", "Messages of other nodes that did not come.", link.lost),
        ("dropped", "Parts not sent: NATS was away, or slow.", link.dropped),
        ("nats_connections", "Connections made to NATS.", link.connections),
    ):
        yield CounterMetricFamily(f"salon_cluster_{name}", text, value=count)


def _gauges(node: ServingNode) -> Iterator[Metric]:
    for name, text, value in (
        ("view", "Number of the view that this node knows.", node.node.view.number),
        ("nodes", "Nodes in that view.", len(node.node.view.nodes)),
        ("in_view", "Whether this node is in, as far as it can know.", node.is_in),
        ("keeps_house", "Whether it is the one that works for all.", node.views.keeps_house),
        ("nats_connected", "Whether it reaches the others over NATS.", node.link.works),
        ("replicas", "Conversations of other nodes that it serves.", len(node.directory.replicas)),
        ("lagging", "Of these, those that lack events which their owner has.", _lagging(node)),
        ("beat_seconds", "What the store took for the last sign of life.", node.views.beat_seconds),
        ("silent_seconds", "Since the last sign of life that was taken.", node.node.silent_seconds),
    ):
        yield GaugeMetricFamily(f"salon_cluster_{name}", text, value=float(value))
