"""The operators' routes: inspect everything without queueing behind users and without changing it; and a few actions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response, tag

from salon.actors.refusals import Code
from salon.actors.run_messages import CancelRun

from ..api import EventPage, EventQuery, event_page, event_query
from ..http import COMMAND, NoContent, answer, query, refusals
from ..socket import Connection, Phase
from . import everywhere, schemas
from .details import state_of
from .passing import is_passed_on, pass_on, pass_on_to_all

if TYPE_CHECKING:
    from salon.actors.conversation import ConversationActor

    from .parts import AdminParts


def admin_routes(parts: AdminParts) -> Blueprint:
    """Everything below /admin."""
    routes = Blueprint("admin", __name__, url_prefix="/admin")
    _add_lists(routes, parts)
    _add_dossiers(routes, parts)
    _add_figures(routes, parts)
    _add_handles(routes, parts)
    _add_cancel(routes, parts)
    _add_drain(routes, parts)
    return routes


def _add_lists(routes: Blueprint, parts: AdminParts) -> None:
    @routes.get("/actors")
    @tag(["admin"])
    @document_querystring(schemas.ActorQuery)
    @document_response(schemas.Actors)
    @refusals(Code.FORBIDDEN)
    async def list_actors() -> Response:
        """List all live actors."""
        parts.admin()
        asked = query(schemas.ActorQuery)
        return await _list(parts, "actors", asked)

    @routes.get("/conversations")
    @tag(["admin"])
    @document_querystring(schemas.ConversationQuery)
    @document_response(schemas.Conversations)
    @refusals(Code.FORBIDDEN)
    async def list_conversations() -> Response:
        """List all active conversations."""
        parts.admin()
        asked = query(schemas.ConversationQuery)
        return await _list(parts, "conversations", asked)

    @routes.get("/connections")
    @tag(["admin"])
    @document_querystring(schemas.ConnectionQuery)
    @document_response(schemas.Connections)
    @refusals(Code.FORBIDDEN)
    async def list_connections() -> Response:
        """List all open connections."""
        parts.admin()
        asked = query(schemas.ConnectionQuery)
        return await _list(parts, "connections", asked)


async def _list(parts: AdminParts, name: str, asked: schemas.RowQuery) -> Response:
    found = await everywhere.rows(parts, name, asked)
    return answer(
        {
            name: found.rows,
            "total": found.total,
            "limit": asked.limit,
            "offset": asked.offset,
            "silent": found.silent,
        }
    )


def _add_dossiers(routes: Blueprint, parts: AdminParts) -> None:
    def found(dossier: dict[str, Any] | None) -> Response:
        if dossier is None:
            raise parts.refusal(Code.NOT_FOUND)
        return answer(dossier)

    @routes.get("/conversations/<conversation_id>")
    @tag(["admin"])
    @document_response(schemas.ConversationDossier)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def inspect_conversation(conversation_id: str) -> Response:
        """Get all details of one conversation, active or not."""
        parts.admin()
        return found(await everywhere.conversation(parts, conversation_id))

    @routes.get("/conversations/<conversation_id>/events")
    @tag(["admin"])
    @document_querystring(EventQuery)
    @document_response(EventPage)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def read_log(conversation_id: str) -> Response:
        """Get a page of the log of a conversation, active or not. The audit records this access to message text."""
        operator = parts.admin()
        asked = event_query(parts)
        state = await state_of(parts.directory, conversation_id)
        if state is None:
            raise parts.refusal(Code.NOT_FOUND)
        parts.audit.note_reading(operator, f"the log of {conversation_id}")
        return await event_page(parts, state, asked)

    @routes.get("/participants/<path:participant_id>")
    @tag(["admin"])
    @document_response(schemas.ParticipantDossier)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def inspect_participant(participant_id: str) -> Response:
        """Get all details of one participant, connected or not."""
        parts.admin()
        return found(await everywhere.participant(parts, participant_id))

    @routes.get("/refusals/<refusal_id>")
    @tag(["admin"])
    @document_response(schemas.RefusalDossier)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND)
    async def inspect_refusal(refusal_id: str) -> Response:
        """Get the details of one of the last ten thousand refusals."""
        parts.admin()
        return found(await everywhere.refusal(parts, refusal_id))


def _add_figures(routes: Blueprint, parts: AdminParts) -> None:
    @routes.get("/stats")
    @tag(["admin"])
    @document_response(schemas.Stats)
    @refusals(Code.FORBIDDEN)
    async def stats() -> Response:
        """Get the figures of the process."""
        parts.admin()
        return answer(await parts.figures.read())

    @routes.get("/audit")
    @tag(["admin"])
    @document_response(schemas.Audit)
    @refusals(Code.FORBIDDEN)
    async def audit() -> Response:
        """List the last actions of operators."""
        parts.admin()
        return answer({"deeds": [asdict(deed) for deed in parts.audit.after(0)]})

    @routes.get("/search")
    @tag(["admin"])
    @document_querystring(schemas.SearchQuery)
    @document_response(schemas.Hits)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def search() -> Response:
        """Search by a part of an id, title or name."""
        parts.admin()
        hits = await everywhere.search(parts, query(schemas.SearchQuery).q.strip())
        return answer({"hits": hits})


def _add_handles(routes: Blueprint, parts: AdminParts) -> None:
    @routes.post("/conversations/<conversation_id>/passivate")
    @tag(["admin"])
    @document_response(schemas.Passivated)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.NODE_UNAVAILABLE)
    async def passivate(conversation_id: str) -> Response:
        """Remove a conversation from memory if it is not in use. It is loaded again when needed."""
        operator = parts.admin()
        relay, actor = parts.relay, parts.directory.active(conversation_id)
        owner = "" if relay is None else relay.node.node.owner(conversation_id)
        if relay is not None and actor is None and owner != relay.id and not is_passed_on():
            return await pass_on(relay, owner, operator)
        if actor is None:
            raise parts.refusal(Code.NOT_FOUND)
        why = None if parts.directory.passivate(actor) else _hindrance(actor)
        parts.audit.note(operator, "passivate", conversation_id, why or "done")
        return answer({"passivated": why is None, "why": why})

    @routes.delete("/connections/<connection_id>")
    @tag(["admin"])
    @document_response(NoContent, 204)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND)
    async def close_connection(connection_id: str) -> Response:
        """Close a connection. Its client reconnects."""
        operator = parts.admin()
        connection = _connection(parts, connection_id)
        if connection is None:
            elsewhere = await pass_on_to_all(parts.relay, operator)
            if elsewhere is not None:
                return elsewhere
            raise parts.refusal(Code.NOT_FOUND)
        connection.close(4002, "closed by an operator")
        who = f"{connection_id} of {connection.participant.id}"
        parts.audit.note(operator, "disconnect", who)
        return Response(b"", 204)


def _add_cancel(routes: Blueprint, parts: AdminParts) -> None:
    @routes.post("/conversations/<conversation_id>/runs/<run_id>/cancel")
    @tag(["admin"])
    @document_response(schemas.CancelledRun)
    @refusals(*COMMAND, Code.FORBIDDEN, Code.NOT_FOUND, Code.RUN_NOT_FOUND)
    async def cancel_any_run(conversation_id: str, run_id: str) -> Response:
        """Cancel an agent's run. What it has said stays as a message."""
        operator = parts.admin()
        command = CancelRun(conversation_id, operator.participant, run_id, by_operator=True)
        receipt = await parts.ask(operator, command)
        parts.audit.note(operator, "cancel", f"{run_id} in {conversation_id}", receipt.status)
        return answer({"run_id": run_id, "status": receipt.status})


def _add_drain(routes: Blueprint, parts: AdminParts) -> None:
    @routes.post("/drain")
    @tag(["admin"])
    @document_response(schemas.Draining, 202)
    @refusals(Code.FORBIDDEN)
    async def drain() -> Response:
        """Stop the server as SIGTERM does: accepted messages are committed, and clients are told when to reconnect."""
        operator = parts.admin()
        parts.audit.note(operator, "drain", "the server")
        parts.stop.set()
        return answer({"draining": True}, 202)


def _hindrance(actor: ConversationActor) -> str:
    """The reason why an actor cannot be passivated now."""
    listening = len(actor.audience)
    if listening:
        one = listening == 1
        return f"{listening} connection{'' if one else 's'} listen{'s' if one else ''} to it"
    return "it has work to do"


def _connection(parts: AdminParts, connection_id: str) -> Connection | None:
    for connection in parts.wire:
        if connection.connection_id == connection_id and connection.phase is Phase.OPEN:
            return connection
    return None
