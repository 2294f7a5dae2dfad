"""The route by which members report messages to operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response
from quart_schema import document_request, document_response, tag

from salon.actors.refusals import Code
from salon.actors.rules import named_sequence
from salon.actors.store import Report

from ..http import answer, body, refusals
from . import member_schemas as schemas
from .view import readable_from, seen

if TYPE_CHECKING:
    from ..http import Parts


def report_routes(parts: Parts) -> Blueprint:
    """The route of reports."""
    routes = Blueprint("reports", __name__)

    @routes.post("/chat/<conversation_id>/messages/<message_id>/report")
    @tag(["messages"])
    @document_request(schemas.ReportBody)
    @document_response(schemas.ReportAnswer, 201)
    @refusals(Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def report(conversation_id: str, message_id: str) -> Response:
        """Report a message to the operators; other members are not told. One member reports a message once."""
        identity = parts.caller()
        wanted = await body(schemas.ReportBody, depth=parts.settings.limits.json_depth)
        state = (await seen(parts, identity, conversation_id)).state
        sequence = named_sequence(conversation_id, message_id)
        store = parts.directory.store
        if sequence is None or sequence < readable_from(identity, state):
            raise parts.refusal(Code.NOT_FOUND)
        if sequence not in await store.senders_among(state.number, (sequence,)).wait():
            raise parts.refusal(Code.NOT_FOUND)
        now, who = parts.directory.sources.now(), identity.participant.id
        stored = await store.save_report(
            Report(0, conversation_id, sequence, who, wanted.reason, now)
        ).wait()
        return answer({"success": True, "report_id": stored.position}, 201)

    return routes
