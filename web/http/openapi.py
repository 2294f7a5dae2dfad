"""The OpenAPI document: every route with its parameters, shapes, successes and refusals, generated from the routes.

A route declares its own responses by quart-schema's decorators and `refusals`. This module adds those of its kind: 401 where
authentication is required, 413 where there is a body, and so on.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, Field, RootModel
from quart_schema.openapi import OpenAPIProvider

from salon.actors.refusals import TABLE, Code

from ..identity import COOKIE
from ..socket import KEY_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from werkzeug.routing import Rule

F = TypeVar("F", bound="Callable[..., Any]")

REFUSALS = "salon_refusals"
UPLOADS = "salon_uploads"
SAFE_METHODS = {"get", "head", "options"}
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}]
SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of a session, or one from the operator.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The session cookie of a browser.",
    },
}
TAGS = {
    "conversations": "Create, list, read and update conversations.",
    "membership": "Join, add others, leave.",
    "moderation": "Messages that are held until somebody decides, where the server is configured to hold any.",
    "members": "Roles, removal, bans, mutes. Nobody acts on an equal or a higher rank.",
    "invites": "Links by which people come in, and requests to be let in.",
    "runs": "Agents' answers in the making: start, say more, end, cancel; and what an agent answers.",
    "messages": "Send messages, read the log, move the read position.",
    "files": "Upload files for messages, read them, previews of pictures.",
    "identity": "Guests, sessions, sign-in with a provider, tickets for WebSockets.",
    "health": "For load balancers and monitoring; open to everybody.",
    "admin": "Inspect and operate; for admins only. Inspection never waits in a mailbox and never changes a state.",
    "reference": "This reference.",
    "page": "The files for browsers: chat, console, salon.js.",
}
DESCRIPTION = """Conversations over HTTP. /asyncapi.json describes live delivery.

The answer to a message comes after the message is stored. A retry with the same key gets the same receipt, at any later time.
Ignore unknown fields."""
COMMAND = (Code.QUEUE_FULL, Code.DRAINING, Code.STORE_UNAVAILABLE)
"""The refusals of any command to a conversation."""
POST = (
    Code.INVALID_FORMAT,
    Code.FORBIDDEN,
    Code.NOT_FOUND,
    Code.NOT_PARTICIPANT,
    Code.KEY_REUSED,
    Code.MESSAGE_TOO_LARGE,
    Code.RATE_LIMITED,
    Code.MUTED,
    Code.SLOW_MODE,
    Code.FILE_NOT_FOUND,
    Code.FILE_ALREADY_SENT,
)
"""The additional refusals of a message."""


class Problem(BaseModel):
    """The reason of a refusal. `retry_after` is in seconds. The last twenty-two fields belong to some codes only."""

    error: str
    code: str
    temporary: bool
    id: str
    retry_after: float | None = None
    scope: Literal["conversation", "participant", "server"] | None = None
    client_message_id: str | None = None
    problem: str | None = None
    known: str | None = None
    limit: float | None = None
    unit: str | None = None
    queue_size: int | None = None
    actual_size: int | None = None
    max_size: int | None = None
    accepted: str | None = None
    run_id: str | None = None
    run_status: str | None = None
    expected_offset: int | None = None
    approval_id: str | None = None
    lasting: str | None = None
    until: str | None = None
    seconds: int | None = None
    what: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    pixels: int | None = None
    max_pixels: int | None = None
    reason: str | None = None
    revision: int | None = None


class PostHeaders(BaseModel):
    """The key that makes a retry safe."""

    idempotency_key: str | None = Field(
        default=None,
        min_length=1,
        max_length=KEY_LENGTH,
        description="Another name for `client_message_id`.",
    )


class NoContent(BaseModel):
    """Success, without a body."""

    media_type: ClassVar[str | None] = None


class Elsewhere(NoContent):
    """A redirect to the `Location`."""


class Redirect(BaseModel):
    """The target of the redirect."""

    location: str


class MetricsText(RootModel[str]):
    """The figures in Prometheus' text format."""

    media_type: ClassVar[str | None] = "text/plain"


class BinaryContent(RootModel[str]):
    """A file, of the media type that it has."""

    media_type: ClassVar[str | None] = "*/*"


class Picture(RootModel[str]):
    """A picture."""

    media_type: ClassVar[str | None] = "image/webp"


class EventStream(RootModel[str]):
    """Server-sent events, by default each second. `stats` and `view` are JSON merge patches (RFC 7396) of the previous event of
    that name; the first is the whole object. `stats` is the object of /admin/stats. `view` is the watched item or list; a list
    has `rows` by id, their `order`, the `total`, and the connections `inside` of one actor. `samples` has `columns` in the first
    event, then rows for charts. `audit` has new actions of operators. `end` gives the reason why the stream ends; `drain` says
    that the server drains.
    """

    media_type: ClassVar[str | None] = "text/event-stream"


class LogLines(RootModel[str]):
    """Lines of JSON, one for each event: `position` (its place in the log), `conversation_id`, `sequence_id`, `timestamp`, and
    `data`, the frame as it is now. A line with a `position` alone says that there is nothing up to it. The last line's position
    as `after` goes on where the stream has ended; the events of deleted conversations are left out.
    """

    media_type: ClassVar[str | None] = "application/x-ndjson"


class PersonalEvents(RootModel[str]):
    """Server-sent events about the caller's list of conversations. `connected` comes first: ask for the list then, and after each
    new connection. `conversation` has a line of the list as it is now, of a conversation that is new or has changed;
    `conversation_gone` names one that the caller is no longer a member of. A conversation has at most one line a second.
    `closed` comes last, as in the events of a conversation.
    """

    media_type: ClassVar[str | None] = "text/event-stream"


class ConversationEvents(RootModel[str]):
    """Server-sent events. `data` is a frame as a WebSocket of the conversation gets it; `id` is the sequence of an event of the
    log, and of `caught_up`. The last event is `closed`, with the code and the reason of a WebSocket's close frame and, where
    the client may come back, `retry_after` in seconds. Comments keep the connection open.
    """

    media_type: ClassVar[str | None] = "text/event-stream"


class Page(RootModel[str]):
    """An HTML page."""

    media_type: ClassVar[str | None] = "text/html"


class Style(RootModel[str]):
    """A style sheet."""

    media_type: ClassVar[str | None] = "text/css"


class Script(RootModel[str]):
    """A script, or another file of a page."""

    media_type: ClassVar[str | None] = "text/javascript"


class Declarations(RootModel[str]):
    """The TypeScript declarations of a script."""

    media_type: ClassVar[str | None] = "text/plain"


class JsonDocument(RootModel[dict[str, Any]]):
    """A document for tools."""


_BYTES = {"type": "string", "format": "binary"}
UPLOAD_BODY = {
    "required": True,
    "content": {
        "application/octet-stream": {"schema": _BYTES},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": _BYTES},
                "required": ["file"],
            }
        },
    },
}


def refusals(*codes: Code) -> Callable[[F], F]:
    """Document the refusals of a route, in addition to those of its kind."""

    def document(route: F) -> F:
        setattr(route, REFUSALS, codes)
        return route

    return document


def document_upload(route: F) -> F:
    """Document a body that is a file, or a form with one."""
    setattr(route, UPLOADS, True)
    return route


class HttpReference(OpenAPIProvider):
    """quart-schema's document, completed with what it leaves out and generated once."""

    def schema(self) -> dict[str, Any]:
        """The complete document."""
        return self._document

    @cached_property
    def _document(self) -> dict[str, Any]:
        document = super().schema()
        document["info"]["description"] = DESCRIPTION
        document["paths"] = dict(sorted(document["paths"].items(), key=_place))
        components = document["components"]
        components["schemas"]["Problem"] = Problem.model_json_schema(mode="serialization")
        components["securitySchemes"] = SECURITY_SCHEMES
        document["security"] = SECURITY
        document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
        return document

    def generate_rules(self) -> Iterable[Rule]:
        """Every route that declares its responses; Quart's own route for files does not."""
        for rule in super().generate_rules():
            if rule.endpoint != "static":
                yield rule

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        """The route's operations, with all their refusals."""
        paths, components = super().build_paths(rule)
        own = getattr(self._app.view_functions[rule.endpoint], REFUSALS, ())
        uploads = hasattr(self._app.view_functions[rule.endpoint], UPLOADS)
        for path in paths.values():
            for method, operation in path.items():
                if uploads:
                    operation["requestBody"] = UPLOAD_BODY
                codes = [*_common(method, operation), *own, Code.INTERNAL_ERROR]
                operation["responses"] = operation["responses"] | _refused(codes)
                if not operation.get("description"):
                    operation.pop("description", None)
        return paths, components

    def operation_id(self, method: str, path: str, func: Callable[..., Any]) -> str:
        """The function's own name."""
        return func.__name__

    def build_headers_parameters(self, model: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Header parameters in the usual spelling of their names."""
        parameters, components = super().build_headers_parameters(model)
        return [each | {"name": each["name"].title()} for each in parameters], components

    def build_request_body(self, model: Any, source: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A request body, required unless all of its fields are optional."""
        content, components = super().build_request_body(model, source)
        schema = next(iter(content["content"].values()))["schema"]
        return {"required": bool(schema.get("required")), **content}, components

    def build_response_object(
        self, model: Any, headers_model: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A success response, of any media type."""
        response, components = super().build_response_object(model, headers_model)
        media_type = getattr(model, "media_type", "application/json")
        content = response.pop("content")
        if media_type is not None:
            response["content"] = {media_type: content["application/json"]}
        if headers_model is not None:  # quart-schema puts them among the media types
            headers = content["headers"]
            response["headers"] = {name.title(): each for name, each in headers.items()}
        return response, components


def _place(item: tuple[str, Any]) -> tuple[int, bool]:
    """The sort key of a path: by its tag, then paths without an id first, then in order of registration."""
    path, operations = item
    tag = next(iter(operations.values())).get("tags", [""])[0]
    return list(TAGS).index(tag) if tag in TAGS else len(TAGS), "{" in path


def _common(method: str, operation: dict[str, Any]) -> Iterable[Code]:
    """The refusals of an operation's kind."""
    if any(parameter["in"] == "query" for parameter in operation["parameters"]):
        yield Code.MALFORMED_REQUEST
    if "requestBody" in operation:
        yield Code.MALFORMED_REQUEST
        yield Code.BODY_TOO_LARGE
        yield Code.UNSUPPORTED_ENCODING
        yield Code.UNSUPPORTED_MEDIA_TYPE
        yield Code.REQUEST_TIMEOUT
    if operation.get("security") != []:
        yield Code.UNAUTHENTICATED
        yield Code.KEYS_UNAVAILABLE
        if method not in SAFE_METHODS:
            yield Code.ORIGIN_NOT_ALLOWED


def _refused(codes: Iterable[Code]) -> dict[int, dict[str, Any]]:
    """The responses for these codes, one per status."""
    by_status: dict[int, list[Code]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(TABLE[code].status, []).append(code)
    return {status: _response(same) for status, same in sorted(by_status.items())}


def _response(codes: list[Code]) -> dict[str, Any]:
    named = {"properties": {"code": {"enum": [code.value for code in codes]}}}
    response: dict[str, Any] = {
        "description": "  \n".join(f"`{code}`: {TABLE[code].text}" for code in codes),
        "content": {
            "application/json": {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, named]}
            }
        },
    }
    if any(TABLE[code].temporary for code in codes):
        response["headers"] = {
            "Retry-After": {
                "description": "Whole seconds until trying again can help.",
                "schema": {"type": "integer"},
            }
        }
    return response
