"""The streams of server-sent events as channels of the AsyncAPI document, beside the WebSocket's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..socket import LAST_SEQUENCE
from .event_frames import ANSWERS, LIST_EVENTS, STREAM_EVENTS, ClosedEvent
from .frame_names import described, frame_type, server_name
from .server_frames import SERVER_FRAMES, AuthExpiringSignal

if TYPE_CHECKING:
    from pydantic import BaseModel

SERVER = {"$ref": "#/servers/http"}
ONE, ALL = "conversation_events", "personal_events"
TICKET = {
    "type": "string",
    "description": "From `POST /auth/ticket`, valid once within 30 s, where no header can be set.",
}
PLACE = {
    "type": "integer",
    "minimum": 0,
    "maximum": LAST_SEQUENCE,
    "description": "The newest event that the client has; a browser that comes back says it as `Last-Event-ID`.",
}


def stream_name(frame: type[BaseModel]) -> str:
    """The name of a message that only streams have."""
    return f"stream_{frame_type(frame)}"


def stream_channels() -> dict[str, Any]:
    """Both channels."""
    frames = [server_name(frame) for frame in SERVER_FRAMES if frame not in ANSWERS]
    return {
        ONE: {
            "address": "/chat/{conversation_id}/events",
            "title": "A conversation as server-sent events",
            "description": "For members only. `data` has a frame as a WebSocket of the conversation gets it. `id` is the "
            "sequence of an event, and of `caught_up`.",
            "servers": [SERVER],
            "parameters": {
                "conversation_id": {"description": "From the answer of `POST /chat/create`."},
            },
            "messages": _messages([*frames, stream_name(ClosedEvent)]),
        },
        ALL: {
            "address": "/me/events",
            "title": "The caller's list of conversations as server-sent events",
            "description": "What changes in the list, of all conversations. The events have no `id`, and none is repeated.",
            "servers": [SERVER],
            "messages": _messages(
                [
                    *(stream_name(each) for each in LIST_EVENTS),
                    server_name(AuthExpiringSignal),
                    stream_name(ClosedEvent),
                ]
            ),
        },
    }


def stream_operations() -> dict[str, Any]:
    """What the server sends in each."""
    queries = {
        ONE: {"last_sequence_id": PLACE, "ticket": TICKET},
        ALL: {"ticket": TICKET},
    }
    return {
        f"send_{name}": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": channel["title"],
            "messages": [
                {"$ref": f"#/channels/{name}/messages/{each}"} for each in channel["messages"]
            ],
            "bindings": {
                "http": {
                    "method": "GET",
                    "query": {"type": "object", "properties": queries[name]},
                    "bindingVersion": "0.3.0",
                }
            },
        }
        for name, channel in stream_channels().items()
    }


def stream_messages() -> dict[str, Any]:
    """The messages that only streams have."""
    return {stream_name(frame): described(frame) for frame in STREAM_EVENTS}


def _messages(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}
