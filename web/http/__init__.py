"""HTTP itself: accepting, TLS, requests and answers, errors, CORS, the OpenAPI document, static files."""

from .cors import allow_origins
from .errors import SECURITY_HEADERS, refuse_clearly
from .forwarded import TrustedProxies
from .openapi import (
    COMMAND,
    POST,
    SECURITY_SCHEMES,
    TAGS,
    BinaryContent,
    Elsewhere,
    EventStream,
    HttpReference,
    JsonDocument,
    MetricsText,
    NoContent,
    Page,
    Picture,
    PostHeaders,
    Problem,
    Redirect,
    Style,
    document_upload,
    refusals,
)
from .ranges import content_answer
from .request import (
    Parts,
    Refused,
    answer,
    body,
    deeper_than,
    no_good,
    query,
    raw,
    refusal_headers,
    refuse_encoded,
)
from .request_heads import HEAD_BYTES
from .server import Server
from .static_files import frontend_routes
from .stream import HttpStream, RequestLane, Wanted
from .upload import SalonRequest, sent_file

__all__ = [
    "COMMAND",
    "HEAD_BYTES",
    "POST",
    "SECURITY_HEADERS",
    "SECURITY_SCHEMES",
    "TAGS",
    "BinaryContent",
    "Elsewhere",
    "EventStream",
    "HttpReference",
    "HttpStream",
    "JsonDocument",
    "MetricsText",
    "NoContent",
    "Page",
    "Parts",
    "Picture",
    "PostHeaders",
    "Problem",
    "Redirect",
    "Refused",
    "RequestLane",
    "SalonRequest",
    "Server",
    "Style",
    "TrustedProxies",
    "Wanted",
    "allow_origins",
    "answer",
    "body",
    "content_answer",
    "deeper_than",
    "document_upload",
    "frontend_routes",
    "no_good",
    "query",
    "raw",
    "refusal_headers",
    "refusals",
    "refuse_clearly",
    "refuse_encoded",
    "sent_file",
]
