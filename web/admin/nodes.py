"""The nodes of a cluster for operators: any of them answers for all, with what each has said in its last sign of life."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from pydantic import BaseModel
from quart import Blueprint, Response
from quart_schema import document_response, tag

from salon.actors.refusals import Code

from ..http import answer, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from .parts import AdminParts


class NodeRow(BaseModel):
    """One node. The figures are those of its last sign of life, `silent_seconds` ago; null before its first.

    `keeps_house` is true for the one that delivers webhooks, erases and indexes for all. A node that is not `on_nats` reaches
    the others only by way of the database. `lost` counts messages of other nodes that did not come, which it asked for again.
    """

    id: str
    name: str
    version: str
    joined_view: int
    silent_seconds: float
    keeps_house: bool
    connections: int | None
    conversations: int | None
    replicas: int | None
    on_nats: bool | None
    sent: int | None
    received: int | None
    lost: int | None
    dropped: int | None


class Nodes(BaseModel):
    """The nodes that are in, in the order of joining; `node_id` is the one that answers, `view` counts their changes.

    A server that is no node of a cluster is alone: `view` is 0.
    """

    node_id: str
    view: int
    nodes: list[NodeRow]


FIGURES = (
    "connections",
    "conversations",
    "replicas",
    "on_nats",
    "sent",
    "received",
    "lost",
    "dropped",
)


def node_routes(parts: AdminParts) -> Blueprint:
    """The list of nodes."""
    routes = Blueprint("nodes", __name__, url_prefix="/admin")

    @routes.get("/nodes")
    @tag(["admin"])
    @document_response(Nodes)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def list_nodes() -> Response:
        """List the nodes of the cluster, with their load."""
        parts.admin()
        node = parts.node
        if node is None:
            return answer({"node_id": "", "view": 0, "nodes": []})
        rows = await node.nodes().wait()
        return answer(
            {
                "node_id": node.node.node.id,
                "view": node.node.view.number,
                "nodes": [_row(place, *row) for place, row in enumerate(rows)],
            }
        )

    return routes


def _row(
    place: int, id: str, name: str, version: str, joined: int, silent: float, figures: str | None
) -> dict[str, Any]:
    said = json.loads(figures) if figures else {}
    return {
        "id": id,
        "name": name,
        "version": version,
        "joined_view": joined,
        "silent_seconds": round(max(silent, 0.0), 1),
        "keeps_house": place == 0,
        **{each: said.get(each) for each in FIGURES},
    }


def figures_of(parts: AdminParts) -> str:
    """What this node says of itself with each sign of life."""
    node = parts.node
    assert node is not None
    link = node.link
    said = {
        "connections": len(parts.wire),
        "conversations": len(parts.directory.conversations),
        "replicas": len(node.directory.replicas),
        "on_nats": link.is_connected,
        "sent": link.figures.sent,
        "received": link.figures.received,
        "lost": link.figures.lost,
        "dropped": link.figures.dropped,
        "shares": node.shares(parts.identities.signer.keys),
    }
    return json.dumps(said)


def node_metrics(parts: AdminParts) -> Iterator[Metric]:
    """This node among the others; nothing of a server alone."""
    node = parts.node
    if node is None:
        return
    link, figures = node.link, node.link.figures
    for name, text, value in (
        ("view", "Number of the view that this node knows.", node.node.view.number),
        ("nodes", "Nodes in that view.", len(node.node.view.nodes)),
        ("in_view", "Whether this node is in.", node.is_in),
        ("keeps_house", "Whether it is the one that works for all.", node.views.keeps_house),
        ("nats_connected", "Whether it reaches NATS.", link.is_connected),
        ("replicas", "Conversations of other nodes that it serves.", len(node.directory.replicas)),
    ):
        yield GaugeMetricFamily(f"salon_cluster_{name}", text, value=float(value))
    for name, text, count in (
        ("sent", "Messages of NATS sent to other nodes.", figures.sent),
        ("sent_bytes", "Their bytes.", figures.sent_bytes),
        ("received", "Messages of NATS received.", figures.received),
        ("received_bytes", "Their bytes.", figures.received_bytes),
        ("lost", "Messages of other nodes that did not come.", figures.lost),
        ("dropped", "Parts not sent: NATS was away, or slow.", figures.dropped),
        ("nats_connections", "Connections made to NATS.", figures.connections),
        ("stale_commits", "Changes refused since they were of another view.", node.stale()),
    ):
        yield CounterMetricFamily(f"salon_cluster_{name}", text, value=count)
