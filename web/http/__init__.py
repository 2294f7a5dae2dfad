"""HTTP itself: accepting, TLS, requests and answers, errors, CORS, the OpenAPI document, static files."""

from .cors import allow_origins, cors_headers
from .denial import Denial, DeniedBody, DeniedRequest
from .errors import SECURITY_HEADERS, refuse_clearly
from .forwarded import TrustedProxies
from .lane import RequestLane, Wanted
from .openapi import (
    COMMAND,
    POST,
    SECURITY_SCHEMES,
    TAGS,
    BinaryContent,
    ConversationEvents,
    Elsewhere,
    EventStream,
    HttpReference,
    JsonDocument,
    LogLines,
    MetricsText,
    NoContent,
    Page,
    PersonalEvents,
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
    RELAYED,
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
from .server import HandshakeLane, Server
from .static_files import frontend_routes
from .stream import HttpStream
from .upload import SalonRequest, sent_file

__all__ = [
    "COMMAND",
    "HEAD_BYTES",
    "POST",
    "RELAYED",
    "SECURITY_HEADERS",
    "SECURITY_SCHEMES",
    "TAGS",
    "BinaryContent",
    "ConversationEvents",
    "Denial",
    "DeniedBody",
    "DeniedRequest",
    "Elsewhere",
    "EventStream",
    "HandshakeLane",
    "HttpReference",
    "HttpStream",
    "JsonDocument",
    "LogLines",
    "MetricsText",
    "NoContent",
    "Page",
    "Parts",
    "PersonalEvents",
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
    "cors_headers",
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
