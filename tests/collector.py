"""A collector of traces: takes OTLP over HTTP, and keeps what it was sent."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.patience import PATIENCE


class Span(NamedTuple):
    """A span as it was sent; ids are hexadecimal, times nanoseconds."""

    trace: str
    id: str
    parent: str
    name: str
    begun: int
    ended: int
    attributes: dict[str, Any]


class Collector:
    """Where the spans are."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[Span] = []
        self.resources: list[dict[str, Any]] = []
        self.bodies = b""
        self._more = threading.Condition()

    def take(self, body: bytes) -> None:
        """Decode an export."""
        said = ExportTraceServiceRequest.FromString(body)
        with self._more:
            self.bodies += body
            for resource in said.resource_spans:
                self.resources.append(_values(resource.resource.attributes))
                for scope in resource.scope_spans:
                    self.spans += map(_span, scope.spans)
            self._more.notify_all()

    def wait(self, wanted: Any) -> list[Span]:
        """The spans, once `wanted` of them is true."""
        with self._more:
            assert self._more.wait_for(lambda: wanted(self.spans), PATIENCE), self.spans
            return list(self.spans)


def _span(said: Any) -> Span:
    ids = (said.trace_id.hex(), said.span_id.hex(), said.parent_span_id.hex())
    times = (said.start_time_unix_nano, said.end_time_unix_nano)
    return Span(*ids, said.name, *times, _values(said.attributes))


def _values(attributes: Any) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
        for each in attributes
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                collector.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
