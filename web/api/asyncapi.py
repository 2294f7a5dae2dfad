"""The reference of the WebSocket and the event streams: AsyncAPI 3.0, generated from the types of the frames."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from salon.actors.refusals import TABLE, Code

from ..http import SECURITY_SCHEMES
from ..socket import (
    LAST_SEQUENCE,
    ApprovalFrame,
    AuthFrame,
    CancelFrame,
    DeleteFrame,
    DeltaFrame,
    EditFrame,
    JoinFrame,
    MessageFrame,
    PinFrame,
    PingFrame,
    ReactFrame,
    ReadFrame,
    RunEndFrame,
    RunStartFrame,
    RunStatusFrame,
    SyncFrame,
    TypingFrame,
    UnpinFrame,
    UnreactFrame,
)
from .asyncapi_streams import stream_channels, stream_messages, stream_operations
from .event_frames import STREAM_EVENTS
from .frame_names import client_name, described, frame_type, server_name, summary
from .server_frames import CLOSINGS, SERVER_FRAMES

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core.core_schema import WithDefaultSchema

CHANNEL = "conversation"
CLIENT_FRAMES: tuple[type[BaseModel], ...] = (
    MessageFrame,
    TypingFrame,
    ReadFrame,
    SyncFrame,
    PingFrame,
    AuthFrame,
    RunStartFrame,
    DeltaFrame,
    RunStatusFrame,
    ApprovalFrame,
    RunEndFrame,
    CancelFrame,
    EditFrame,
    DeleteFrame,
    ReactFrame,
    UnreactFrame,
    PinFrame,
    UnpinFrame,
    JoinFrame,
)
ANSWERS = {  # the answers to a client's frame, besides `error`
    "message": ("message_ack",),
    "sync": ("message", "caught_up"),
    "ping": ("pong",),
    "auth": ("auth_ack",),
    "message_edited": ("change_ack",),
    "message_deleted": ("change_ack",),
    "reaction_added": ("change_ack",),
    "reaction_removed": ("change_ack",),
    "message_pinned": ("change_ack",),
    "message_unpinned": ("change_ack",),
    "run_start": ("run_ack",),
    "run_status": ("run_ack",),
    "approval": ("run_ack",),
    "run_end": ("run_ack",),
    "cancel": ("run_ack",),
}
HANDSHAKE = (
    Code.MALFORMED_REQUEST,
    Code.UNAUTHENTICATED,
    Code.FORBIDDEN,
    Code.ORIGIN_NOT_ALLOWED,
    Code.NOT_FOUND,
    Code.TOO_MANY_CONNECTIONS,
    Code.DRAINING,
    Code.KEYS_UNAVAILABLE,
    Code.STORE_UNAVAILABLE,
    Code.INTERNAL_ERROR,
)
DESCRIPTION = """A socket serves one conversation. Each text frame is one JSON object.

The first frames are `connected`, `participant_list`, the events that the client lacks, `caught_up`, and for each open run a
`delta` with the whole text so far; later frames are live.
A reader that missed presence changes while it was behind gets `participant_list` again, right before `caught_up`.
Events have a `sequence_id`. They are permanent, have no gap, and are the same for every reader; other frames are never replayed.
Ignore unknown fields and types."""


class FrameSchema(GenerateJsonSchema):
    """A field of a server's frame that defaults to None is left out there, never null."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        """The schema of what is sent where it is sent."""
        inner = schema["schema"]
        if schema.get("default", ...) is None and inner["type"] == "nullable":
            return self.generate_inner(inner["schema"])
        return super().default_schema(schema)


@cache
def asyncapi() -> dict[str, Any]:
    """The document without its server, which depends on the request. Callers must not change it."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "salon", "version": "1", "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {CHANNEL: _channel(), **stream_channels()},
        "operations": {**_operations(), **stream_operations()},
        "components": {
            "messages": {**_messages(), **stream_messages()},
            "schemas": _schemas(),
            "securitySchemes": _security_schemes(),
        },
    }


def located(host: str, *, secure: bool) -> dict[str, Any]:
    """The document with the server at this host, as its sockets and its streams are reached; `secure` if by TLS."""
    return {**asyncapi(), "servers": _servers(host, "s" if secure else "")}


def _servers(host: str, s: str) -> dict[str, Any]:
    return {
        name: {"host": host, "protocol": f"{protocol}{s}", "security": _security()}
        for name, protocol in (("salon", "ws"), ("http", "http"))
    }


def _channel() -> dict[str, Any]:
    return {
        "address": "/chat/ws/{conversation_id}",
        "title": "A conversation",
        "description": "For members only. A person may have several sockets; each gets all frames.",
        "servers": [{"$ref": "#/servers/salon"}],
        "parameters": {
            "conversation_id": {"description": "From the answer of `POST /chat/create`."},
        },
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"}
            for name in (*map(client_name, CLIENT_FRAMES), *map(server_name, SERVER_FRAMES))
        },
        "bindings": {"ws": {"method": "GET", "query": _query(), "bindingVersion": "0.1.0"}},
        "x-refusals": [
            {"status": TABLE[code].status, "code": code.value, "error": TABLE[code].text}
            for code in HANDSHAKE
        ],
        "x-close-codes": [closing._asdict() for closing in CLOSINGS],
    }


def _query() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A long-lived token in the URL is refused.",
        "properties": {
            "last_sequence_id": {
                "type": "integer",
                "minimum": 0,
                "maximum": LAST_SEQUENCE,
                "description": "The newest event that the client has. Without it, the last 50 are sent.",
            },
            "ticket": {
                "type": "string",
                "description": "From `POST /auth/ticket`, valid once within 30 s: for browsers, which cannot set headers.",
            },
        },
    }


def _operations() -> dict[str, Any]:
    """One operation for each frame that the server receives, with its answers; and one for all frames that it sends."""
    channel = {"$ref": f"#/channels/{CHANNEL}"}
    operations: dict[str, Any] = {}
    for frame in CLIENT_FRAMES:
        kind = frame_type(frame)
        answers = [f"server_{name}" for name in (*ANSWERS.get(kind, ()), "error")]
        operations[f"receive_{kind}"] = {
            "action": "receive",
            "channel": channel,
            "summary": summary(frame),
            "messages": [_in_channel(client_name(frame))],
            "reply": {"channel": channel, "messages": [_in_channel(name) for name in answers]},
        }
    operations["send"] = {
        "action": "send",
        "channel": channel,
        "summary": "Events, signals and answers.",
        "messages": [_in_channel(server_name(frame)) for frame in SERVER_FRAMES],
    }
    return operations


def _in_channel(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{CHANNEL}/messages/{name}"}


def _messages() -> dict[str, Any]:
    messages = {client_name(frame): described(frame) for frame in CLIENT_FRAMES}
    for frame in SERVER_FRAMES:
        message = described(frame) | {"x-sequenced": frame.sequenced}
        messages[server_name(frame)] = message
    return messages


def _schemas() -> dict[str, Any]:
    template = "#/components/schemas/{model}"
    _, client = models_json_schema(
        [(frame, "validation") for frame in CLIENT_FRAMES], ref_template=template
    )
    _, server = models_json_schema(
        [(frame, "serialization") for frame in (*SERVER_FRAMES, *STREAM_EVENTS)],
        ref_template=template,
        schema_generator=FrameSchema,
    )
    for name, schema in client["$defs"].items():
        if "type" in schema["properties"]:
            schema["required"] = ["type", *schema.get("required", [])]  # the discriminator
        assert name not in server["$defs"], f"two frames are called {name}"
    return {**client["$defs"], **server["$defs"]}


def _security() -> list[dict[str, str]]:
    return [{"$ref": f"#/components/securitySchemes/{name}"} for name in _security_schemes()]


def _security_schemes() -> dict[str, Any]:
    return {
        "bearer": SECURITY_SCHEMES["bearer"],
        "session": {**SECURITY_SCHEMES["session"], "type": "httpApiKey"},
        "ticket": {
            "type": "httpApiKey",
            "in": "query",
            "name": "ticket",
            "description": "From `POST /auth/ticket`.",
        },
    }
