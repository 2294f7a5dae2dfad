"""The nodes of a cluster for operators: any of them answers for all, and has one leave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from quart import Blueprint, Response
from quart_schema import document_response, tag

from salon.actors.refusals import Code

from ..http import NoContent, answer, refusals
from .node_figures import FIGURES
from .passing import send
from .schemas import Draining

if TYPE_CHECKING:
    from .parts import AdminParts
    from .relay import Relay


ACCEPTED = 202


class NodeRow(BaseModel):
    """One node. The figures are those of its last sign of life, `silent_seconds` ago; null before its first.

    `keeps_house` is true for the one that delivers webhooks, erases and indexes for all. `view` is the view that it knew,
    `joined_view` that which it came with. `load` is the share of one processor core that it used. `beat_seconds` is what the
    database took for its sign of life. `conversations` are those that it owns, `replicas` those of others that it serves;
    `lagging` of these lack events that their owner has. A node that is not `on_nats` reaches the others only by way of the
    database. `lost` counts messages of other nodes that did not come, which it asked for again.
    """

    id: str
    name: str
    version: str
    joined_view: int
    silent_seconds: float
    keeps_house: bool
    view: int | None
    load: float | None
    beat_seconds: float | None
    connections: int | None
    participants: int | None
    conversations: int | None
    replicas: int | None
    lagging: int | None
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


def node_routes(parts: AdminParts) -> Blueprint:
    """The list of nodes, and their ends."""
    routes = Blueprint("nodes", __name__, url_prefix="/admin/nodes")
    _add_list(routes, parts)
    _add_ends(routes, parts)
    return routes


def _add_list(routes: Blueprint, parts: AdminParts) -> None:
    @routes.get("")
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


def _add_ends(routes: Blueprint, parts: AdminParts) -> None:
    @routes.post("/<node_id>/drain")
    @tag(["admin"])
    @document_response(Draining, 202)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.NODE_UNAVAILABLE)
    async def drain_node(node_id: str) -> Response:
        """Stop a node as SIGTERM does. Others own its conversations first; then its clients are told when to reconnect."""
        operator = parts.admin()
        relay = _relay_to(parts, node_id)
        if node_id == relay.id:
            parts.stop.set()
        else:
            answered = await send(relay, node_id, operator, "POST", "/admin/drain")
            if answered.status_code != ACCEPTED:
                return answered
        parts.audit.note(operator, "drain node", relay.name_of(node_id))
        return answer({"draining": True}, 202)

    @routes.delete("/<node_id>")
    @tag(["admin"])
    @document_response(NoContent, 204)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def remove_node(node_id: str) -> Response:
        """Have a node that does not answer given up at once. One that lives sends its sockets away and joins again: drain it."""
        operator = parts.admin()
        relay = _relay_to(parts, node_id)
        name = relay.name_of(node_id)
        await relay.node.remove(node_id)
        parts.audit.note(operator, "remove node", name)
        return Response(b"", 204)


def _relay_to(parts: AdminParts, node_id: str) -> Relay:
    """The relay, where the node is in the view."""
    relay = parts.relay
    if relay is None or all(node.id != node_id for node in relay.nodes):
        raise parts.refusal(Code.NOT_FOUND)
    return relay


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
