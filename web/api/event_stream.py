"""A conversation's events as a stream over HTTP (server-sent events), for whoever cannot or need not open a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response, current_app, request
from quart_schema import document_headers, document_querystring, document_response, tag

from salon.actors.refusals import Code

from ..http import ConversationEvents, refusals
from ..identity import session_in
from ..socket import FIRST_EVENT, EventConnection
from .handshake import Asked, attach, greet_as, last_sequence, turn_away
from .stream_schemas import StreamHeaders, StreamQuery

if TYPE_CHECKING:
    from ..http import HttpStream, Parts

ENDS = "close"  # the end of the connection ends the stream: HTTP/1.0 proxies know no other way


def event_stream_routes(parts: Parts) -> Blueprint:
    """The route of the stream."""
    routes = Blueprint("event_stream", __name__, url_prefix="/chat")

    @routes.get("/<conversation_id>/events")
    @tag(["messages"])
    @document_querystring(StreamQuery)
    @document_headers(StreamHeaders)
    @document_response(ConversationEvents)
    @refusals(
        Code.DRAINING,
        Code.FORBIDDEN,
        Code.NOT_FOUND,
        Code.ORIGIN_NOT_ALLOWED,
        Code.STORE_UNAVAILABLE,
        Code.TOO_MANY_CONNECTIONS,
    )
    async def conversation_events(conversation_id: str) -> Response:
        """Stream a conversation's events and signals: what a WebSocket gives, in the same order, resumed by `Last-Event-ID`."""
        asked, response = asked_for(conversation_id), event_head()
        if request.method == "HEAD":
            return response
        connection = await greet_as(parts, asked, EventConnection)
        await stream_to(parts, connection, response)
        attach(parts, connection, last_sequence(parts, asked), b"")
        return response

    return routes


async def stream_to(parts: Parts, connection: EventConnection, response: Response) -> None:
    """Answer the request with this head, and hand its connection over to the wire; nothing is awaited after that."""
    http_stream: HttpStream = request.scope["state"]["http_stream"]
    try:
        # What is done to every answer: the wire writes this one, not Hypercorn.
        await current_app.process_response(response)
        connection.hold(_bytes_of(response) + FIRST_EVENT)
        http_stream.hand_over(connection, parts.wire)
    except BaseException:
        turn_away(parts, connection)
        raise


def asked_for(conversation_id: str) -> Asked:
    """The request as the handshake reads one. A browser that comes back says in a header what it has."""
    headers, query = request.headers, request.args.to_dict()
    seen = headers.get("Last-Event-ID")
    if seen:
        query["last_sequence_id"] = seen
    return Asked(
        conversation_id,
        (request.scope.get("client") or ("",))[0],
        query,
        headers.get("Host"),
        headers.get("Origin"),
        headers.get("Authorization"),
        session_in(request.cookies),
        request.scope["state"]["known_scheme"],
    )


def event_head() -> Response:
    """The head of a stream of events."""
    response = Response(b"", content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back
    response.headers["Connection"] = ENDS
    return response


def _bytes_of(response: Response) -> bytes:
    """The head of an answer whose length is not known."""
    lines = [f"{name}: {value}" for name, value in response.headers if name != "Content-Length"]
    return "\r\n".join(["HTTP/1.1 200 ", *lines, "", ""]).encode("latin-1")
