"""Turns every error into a refusal of the table: no traceback and no Python text reaches a client."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import trio
from quart import Response, has_request_context, request, websocket
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing.exceptions import WebsocketMismatch

from salon.actors.refusals import Code, Refusal
from salon.actors.store import StoreError

from ..identity import bearer, session_in
from .denial import REST_OF_BODY, SHORT_UPLOAD
from .request import SAFE_METHODS, Refused, check_head, refusal_response
from .upload import gate_before, taken

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from .request import Parts

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

logger = logging.getLogger(__name__)


def refuse_clearly(app: QuartTrio, parts: Parts) -> None:
    """Register the application's error handlers."""

    def respond(refusal: Refusal) -> Response:
        book = parts.directory.refusals
        named = refusal if refusal.id else book.name(refusal, conversation_id=_conversation())
        return refusal_response(named)

    @app.before_request
    async def one_meaning() -> None:
        check_head(request)
        token = bearer(request.headers.get("Authorization"))
        await parts.prepare(token or session_in(request.cookies))

    @app.before_websocket
    async def one_meaning_of_a_handshake() -> None:
        check_head(websocket)

    @app.errorhandler(Refused)
    async def refused(error: Refused) -> Response:
        return respond(error.refusal)

    @app.errorhandler(StoreError)
    async def store_failed(error: StoreError) -> Response:
        parts.directory.report(error)
        return respond(parts.directory.store_refusal())

    @app.errorhandler(HTTPException)
    async def http_failed(error: HTTPException) -> Response:
        response = respond(_refusal(error, parts.settings.limits.max_body_size))
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @app.errorhandler(Exception)
    async def failed(error: Exception) -> Response:
        logger.error("a request failed", exc_info=error)
        return respond(Refusal(Code.INTERNAL_ERROR, retry_after=1.0, scope="server"))

    @app.after_request
    async def add_headers(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        if request.method not in SAFE_METHODS and not await _has_come_whole():
            response.headers["Connection"] = "close"
        return response


async def _has_come_whole() -> bool:
    """Whether the request's body is complete, even if no route read it. Otherwise the connection cannot be reused.

    Without this check, a refused client would keep an unusable connection, and its next request would fail on it.
    """
    gate, length = gate_before(request), request.content_length
    if length is None and "Transfer-Encoding" not in request.headers:
        length = 0
    is_long = gate is not None and (length is None or length > SHORT_UPLOAD)
    with trio.move_on_after(0 if is_long else REST_OF_BODY), suppress(HTTPException):
        async for _ in taken(request):
            pass  # what no route has read, or will
        return True
    if gate is not None:
        gate.drop()
    return False


def _conversation() -> str | None:
    asked = request if has_request_context() else websocket
    named: str | None = (asked.view_args or {}).get("conversation_id")
    return named


def _refusal(error: HTTPException, max_body_size: int) -> Refusal:
    if isinstance(error, WebsocketMismatch):
        asked_plainly = "a WebSocket is at this address: ask for one with 'Upgrade: websocket'"
        problem = asked_plainly if has_request_context() else "no WebSocket is at this address"
        return Refusal(Code.MALFORMED_REQUEST, {"problem": problem})
    match error.code:
        case 404:
            return Refusal(Code.NOT_FOUND)
        case 405:
            return Refusal(Code.METHOD_NOT_ALLOWED)
        case 413:
            return Refusal(Code.BODY_TOO_LARGE, {"max_size": max_body_size})
        case int(code) if code < 500:
            return Refusal(Code.MALFORMED_REQUEST, {"problem": error.name.lower()})
        case _:
            return Refusal(Code.INTERNAL_ERROR, retry_after=1.0, scope="server")
