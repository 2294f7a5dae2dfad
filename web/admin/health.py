"""The health routes, for load balancers and monitoring. They are open to all."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from quart import Blueprint, Response
from quart_schema import document_response, security_scheme, tag

from salon.actors.refusals import Code, Refusal

from ..http import MetricsText, Refused, answer, refusals
from ..socket import timestamp
from . import schemas
from .figures import health as health_word
from .figures import storage_fields
from .inspection import depths
from .metrics import metrics_text

if TYPE_CHECKING:
    from .parts import AdminParts

STARTING = 1.0  # seconds to retry after: a start takes less


def salon_version() -> str:
    """The installed version; "unknown" if the package is not installed."""
    try:
        return version("salon")
    except PackageNotFoundError:
        return "unknown"


def health_routes(parts: AdminParts) -> Blueprint:
    """The routes for liveness, readiness, the state of the chat, and metrics."""
    routes = Blueprint("health", __name__)
    alive = {"status": "ok", "version": salon_version()}

    @routes.get("/health")
    @tag(["health"])
    @security_scheme([])
    @document_response(schemas.Health)
    async def health() -> Response:
        """Check whether the process is alive."""
        return answer(alive)

    @routes.get("/ready")
    @tag(["health"])
    @security_scheme([])
    @document_response(schemas.Health)
    @refusals(Code.DRAINING)
    async def ready() -> Response:
        """Check whether the server accepts new clients: not while it starts or drains, or is no node of its cluster now."""
        if not parts.ready or not (parts.node is None or parts.node.is_in):
            draining = parts.directory.draining
            wait = STARTING if draining is None else draining()
            raise Refused(Refusal(Code.DRAINING, retry_after=wait, scope="server"))
        return answer(alive)

    @routes.get("/health/chat")
    @tag(["health"])
    @security_scheme([])
    @document_response(schemas.ChatHealth)
    async def chat_health() -> Response:
        """Get figures of the chat, without ids."""
        directory = parts.directory
        return answer(
            {
                "status": health_word(parts),
                "timestamp": timestamp(directory.sources.now()),
                "connections": len(parts.wire),
                "conversations": len(directory.conversations),
                "participants": len(directory.participants),
                "queue_depths": asdict(await depths(directory)),
                "storage": storage_fields(parts),
            }
        )

    @routes.get("/metrics")
    @tag(["health"])
    @security_scheme([])
    @document_response(MetricsText)
    async def metrics() -> Response:
        """Get the metrics for Prometheus, without ids."""
        return Response(await metrics_text(parts), content_type=CONTENT_TYPE_LATEST)

    return routes
