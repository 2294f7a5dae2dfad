"""The spans of HTTP requests and handshakes, and their places in the traces of those who called."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from quart import g, request, websocket

from .turns import open_turns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span
    from quart import Response
    from quart_trio import QuartTrio

    from salon.actors.directory import Directory
    from salon.actors.refusals import Refusal

    from ..http import Denial, HandshakeLane, HttpStream, RequestLane, Wanted
    from ..settings import TelemetrySettings
    from .turns import TurnTracing

LONGEST = 4_096  # bytes of an answer that may be a receipt
POST = "/chat/<conversation_id>/messages"
SOCKET = "/chat/ws/<conversation_id>"
HEADERS = ("traceparent", "tracestate")
PROPAGATOR = TraceContextTextMapPropagator()


def begin(
    tracing: TurnTracing,
    method: str,
    route: str,
    headers: Mapping[str, str],
    begun: int | None = None,
) -> Span:
    """A span of a request, within the trace that its `traceparent` names. `begun` is a time of before, else it begins now."""
    said = {name: headers[name] for name in HEADERS if name in headers}
    return tracing.tracer.start_span(
        f"{method} {route}",
        PROPAGATOR.extract(said),
        kind=SpanKind.SERVER,
        attributes={"http.request.method": method, "http.route": route},
        start_time=tracing.now() if begun is None else begun,
    )


def end(
    tracing: TurnTracing, span: Span, status: int, conversation_id: str | None, body: bytes
) -> None:
    """End a span with what was answered; the turn that a receipt speaks of becomes a part of it."""
    if not span.is_recording():
        return
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
    sequence = _sequence(body) if status in (200, 201) else None
    if conversation_id is not None and sequence is not None:
        tracing.follow(span, conversation_id, sequence)
    span.end(tracing.now())


def trace_requests(app: QuartTrio, tracing: TurnTracing) -> None:
    """Trace the requests that Quart answers. Nothing is looked at where this was not called."""

    @app.before_request
    async def begin_span() -> None:  # async: another would run in a thread
        route = request.url_rule.rule if request.url_rule is not None else "unknown"
        headers = {name: request.headers[name] for name in HEADERS if name in request.headers}
        g.span = begin(tracing, request.method, route, headers)

    @app.after_request
    async def end_span(response: Response) -> Response:
        span: Span | None = g.pop("span", None)
        if span is not None and span.is_recording():
            body = b""
            if request.method != "GET" and (response.content_length or LONGEST) < LONGEST:
                body = await response.get_data(as_text=False)
            named = (request.view_args or {}).get("conversation_id")
            end(tracing, span, response.status_code, named, body)
        return response


def trace_handshakes(app: QuartTrio, tracing: TurnTracing) -> None:
    """Trace the handshakes that Quart answers."""

    @app.before_websocket
    async def begin_span() -> None:
        route = websocket.url_rule.rule if websocket.url_rule is not None else "unknown"
        headers = {name: websocket.headers[name] for name in HEADERS if name in websocket.headers}
        g.span = begin(tracing, "GET", route, headers)

    @app.after_websocket  # type: ignore[type-var]  # its type knows no coroutines that may answer None
    async def end_span(response: Response | None) -> Response | None:
        span: Span | None = g.pop("span", None)
        if span is not None:
            end(tracing, span, 101 if response is None else response.status_code, None, b"")
        return response


class Tracing:
    """The traces of one server."""

    def __init__(self, turns: TurnTracing) -> None:
        self._turns = turns
        self.run = turns.run

    def surround(
        self, app: QuartTrio, posts: RequestLane, handshakes: HandshakeLane
    ) -> tuple[RequestLane, HandshakeLane]:
        """Trace the requests of all three; the lanes to use from now on."""
        trace_requests(app, self._turns)
        trace_handshakes(app, self._turns)
        return TracedLane(posts, self._turns), TracedHandshakes(handshakes, self._turns)


def open_tracing(settings: TelemetrySettings, directory: Directory) -> Tracing:
    """Traces to the collector of the settings. Imports what takes a quarter of a second."""
    return Tracing(open_turns(settings, directory))


class TracedLane:
    """Implements `RequestLane`: the lane that it surrounds, traced."""

    def __init__(self, lane: RequestLane, tracing: TurnTracing) -> None:
        self._lane = lane
        self._tracing = tracing

    def read(self, data: bytes) -> Wanted | None:
        """The request at the start of `data`; None if Hypercorn has to read it."""
        return self._lane.read(data)

    async def answer(self, wanted: Wanted, data: bytes) -> bytes | None:
        """The complete answer to a complete request; None if Hypercorn has to answer, which is traced there."""
        span = begin(self._tracing, "POST", POST, _headers(data[: wanted.head]))
        answered = await self._lane.answer(wanted, data)
        if answered is not None:
            head, _, body = answered.partition(b"\r\n\r\n")
            status = int(head[9:12])  # HTTP/1.1 201 Created
            end(self._tracing, span, status, wanted.conversation_id, body)
        return answered

    async def deny(self, data: bytes) -> Denial | None:
        """The refusal that a head deserves; None if Hypercorn has to answer, which is traced there."""
        begun = self._tracing.now()
        denial = await self._lane.deny(data)
        if denial is not None:
            asked = denial.asked
            headers = _headers(data[: denial.head])
            span = begin(self._tracing, asked.method, asked.route, headers, begun)
            end(self._tracing, span, asked.status, asked.conversation_id, b"")
        return denial

    def refuse(self, refusal: Refusal) -> bytes:
        """The complete answer for a refusal."""
        return self._lane.refuse(refusal)


class TracedHandshakes:
    """Implements `HandshakeLane`: the lane that it surrounds, traced."""

    def __init__(self, lane: HandshakeLane, tracing: TurnTracing) -> None:
        self._lane = lane
        self._tracing = tracing

    async def take(self, http_stream: HttpStream) -> int:
        """The status that was answered; 0 if Hypercorn has to answer, which is traced there."""
        lines, begun = http_stream.upgrade_lines, self._tracing.now()
        status = await self._lane.take(http_stream)
        if status:
            headers = _headers(b"\r\n".join(lines))
            end(
                self._tracing,
                begin(self._tracing, "GET", SOCKET, headers, begun),
                status,
                None,
                b"",
            )
        return status


def _headers(head: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.strip().lower(): text.strip() for name, _, text in lines}


def _sequence(body: bytes) -> int | None:
    try:
        said: Any = json.loads(body)
    except ValueError:
        return None
    found = said.get("sequence_id") if isinstance(said, dict) else None
    return found if isinstance(found, int) else None
