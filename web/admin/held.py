"""The operators' queue of held messages, of all conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from salon.actors.refusals import Code

from ..api import (
    DenyBody,
    HeldMessages,
    HeldQuery,
    HeldView,
    approved,
    dropped,
    held_page,
    held_view,
)
from ..http import COMMAND, answer, body, query, refusals

if TYPE_CHECKING:
    from salon.actors.held import HeldMessage

    from .parts import AdminParts


def held_queue_routes(parts: AdminParts) -> Blueprint:
    """The routes of the queue."""
    routes = Blueprint("held_queue", __name__, url_prefix="/admin/held")

    @routes.get("")
    @tag(["admin"])
    @document_querystring(HeldQuery)
    @document_response(HeldMessages)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def held_queue() -> Response:
        """List the messages that wait for a decision, or have had one. The audit records this access to message text."""
        operator, asked = parts.admin(), query(HeldQuery)
        parts.audit.note_reading(operator, "the held messages")
        return answer(await held_page(parts, asked))

    @routes.post("/<int:held_id>/approve")
    @tag(["admin"])
    @document_response(HeldView)
    @refusals(*COMMAND, Code.FORBIDDEN, Code.NOT_FOUND)
    async def approve_held(held_id: int) -> Response:
        """Post a held message as its sender."""
        operator = parts.admin()
        return answer(held_view(await approved(parts, operator, await found(held_id))))

    @routes.post("/<int:held_id>/deny")
    @tag(["admin"])
    @document_request(DenyBody)
    @document_response(HeldView)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def deny_held(held_id: int) -> Response:
        """Drop a held message; its sender is told the reason."""
        operator = parts.admin()
        wanted = await body(DenyBody, depth=parts.settings.limits.json_depth, optional=True)
        held = await dropped(parts, operator, await found(held_id), wanted.reason)
        return answer(held_view(held))

    async def found(held_id: int) -> HeldMessage:
        held = await parts.directory.store.held(held_id).wait()
        if held is None:
            raise parts.refusal(Code.NOT_FOUND)
        return held

    return routes
