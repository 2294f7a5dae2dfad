"""The reference: valid documents, which say of every route and every frame what the code does."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest
from quart_trio import QuartTrio

from salon.actors.change_messages import Changed
from salon.actors.directory import Directory
from salon.actors.events import (
    AgentUpdated,
    Created,
    Deleted,
    Edited,
    Event,
    Introduced,
    Joined,
    Left,
    Pinned,
    Posted,
    ReactionAdded,
    ReactionRemoved,
    RunFailed,
    RunStarted,
    Unpinned,
    Updated,
)
from salon.actors.held import Held
from salon.actors.member_events import (
    Banned,
    InviteCreated,
    InviteRevoked,
    JoinDenied,
    JoinRequested,
    Muted,
    Removed,
    RoleChanged,
    Unbanned,
    Unmuted,
)
from salon.actors.message import Message, Reaction, deleted
from salon.actors.messages import Receipt
from salon.actors.model import Approval, Entrant, Participant
from salon.actors.refusals import TABLE, Code, Refusal
from salon.actors.run_messages import RunReceipt
from salon.actors.runtime import System
from salon.actors.signals import (
    ApprovalDecided,
    Cancel,
    CaughtUp,
    Connected,
    Delta,
    HeldDecided,
    Lagging,
    MemberView,
    ParticipantList,
    PreferencesMoved,
    Presence,
    ReadMoved,
    RunRequested,
    RunStatus,
    Signal,
    Typing,
)
from salon.actors.sources import Sources
from salon.web.api.asyncapi import asyncapi, located
from salon.web.api.json_schema import example
from salon.web.api.server_frames import CLOSINGS, SERVER_FRAMES
from salon.web.files import FileShelf
from salon.web.http.request import Parts
from salon.web.identity.identity import IdentityBook
from salon.web.routes import build_app
from salon.web.settings.model import Settings
from salon.web.socket.client_frames import parse
from salon.web.socket.codec import (
    JsonCodec,
    auth_ack,
    auth_expiring,
    change_ack,
    error_frame,
    message_ack,
    message_held,
    run_ack,
)
from salon.web.socket.connection import PONG
from salon.web.socket.wire import Wire
from tests.contract import (
    Draft7Validator,
    Draft202012Validator,
    FrameContract,
    HttpContract,
    ValidationError,
    strict,
    validator,
)

ROOT = Path(__file__).parents[2]
CODEC = JsonCodec(heartbeat=25, max_message_size=10_000)
FOUND = '[{"url":"https://a.b/","name":"A","site":"b","description":"d","score":0.5,"schema_object":{}}]'
ADA, BOT = Participant("ada", "Ada"), Participant("bot", "Bot", "agent")

# (method, path) -> the statuses that a client may rely on, besides 500.
PROMISED = {
    ("post", "/chat/create"): {201, 400, 401, 429},
    ("get", "/chat/my-conversations"): {200, 400, 401},
    ("get", "/chat/conversations/{conversation_id}"): {200, 401, 404},
    ("patch", "/chat/{conversation_id}"): {200, 400, 401, 403, 404, 429},
    ("post", "/chat/{conversation_id}/join"): {200, 400, 401, 403, 404, 409, 429},
    ("delete", "/chat/{conversation_id}/leave"): {200, 401, 404},
    ("post", "/chat/{conversation_id}/messages"): {
        *(200, 201, 400, 401, 403, 404, 409, 413, 429, 503),
    },
    ("get", "/chat/{conversation_id}/messages"): {200, 400, 401, 404},
    ("get", "/chat/{conversation_id}/events"): {200, 400, 401, 403, 404, 429, 503},
    ("get", "/me/events"): {200, 401, 403, 429, 503},
    ("get", "/admin/log"): {200, 400, 401, 403, 429},
    ("get", "/admin/webhooks"): {200, 401, 403, 503},
    ("post", "/admin/webhooks"): {201, 400, 401, 403, 409, 503},
    ("get", "/admin/webhooks/{webhook_id}"): {200, 401, 403, 404, 503},
    ("patch", "/admin/webhooks/{webhook_id}"): {200, 400, 401, 403, 404, 503},
    ("delete", "/admin/webhooks/{webhook_id}"): {204, 400, 401, 403, 404, 503},
    ("post", "/admin/webhooks/{webhook_id}/rotate"): {200, 400, 401, 403, 404, 503},
    ("post", "/admin/webhooks/{webhook_id}/test"): {200, 401, 403, 404},
    ("post", "/admin/webhooks/{webhook_id}/retry"): {200, 401, 403, 404, 503},
    ("post", "/admin/webhooks/{webhook_id}/skip"): {200, 400, 401, 403, 404, 503},
    ("post", "/admin/webhooks/{webhook_id}/replay"): {200, 400, 401, 403, 404, 503},
    ("get", "/chat/search"): {200, 400, 401, 404, 429, 501, 503},
    ("post", "/chat/{conversation_id}/files"): {201, 400, 401, 403, 404, 408, 413, 415, 429, 503},
    ("get", "/chat/{conversation_id}/files/{file_id}"): {200, 206, 400, 401, 404, 503},
    ("get", "/chat/{conversation_id}/files/{file_id}/preview"): {200, 400, 401, 404, 503},
    ("post", "/chat/{conversation_id}/read"): {200, 400, 401, 404},
    ("post", "/chat/{conversation_id}/runs"): {200, 201, 400, 401, 403, 404, 409, 429, 503},
    ("post", "/chat/{conversation_id}/runs/{run_id}/delta"): {
        *(200, 400, 401, 403, 404, 409, 413, 429, 503),
    },
    ("post", "/chat/{conversation_id}/runs/{run_id}/status"): {
        *(200, 400, 401, 403, 404, 409, 429, 503),
    },
    ("post", "/chat/{conversation_id}/runs/{run_id}/approval"): {
        *(200, 400, 401, 403, 404, 409, 429, 503),
    },
    ("post", "/chat/{conversation_id}/runs/{run_id}/end"): {
        *(200, 400, 401, 403, 404, 409, 429, 503),
    },
    ("post", "/chat/{conversation_id}/runs/{run_id}/cancel"): {200, 401, 403, 404, 429, 503},
    ("post", "/chat/{conversation_id}/runs/{run_id}/regenerate"): {
        *(202, 400, 401, 403, 404, 429, 503),
    },
    ("patch", "/chat/{conversation_id}/agents/{participant_id}"): {
        *(200, 400, 401, 403, 404, 429),
    },
    ("post", "/chat/{conversation_id}/messages/{message_id}/report"): {201, 400, 401, 404, 503},
    ("post", "/chat/direct"): {200, 201, 400, 401, 429},
    ("post", "/chat/{conversation_id}/participants/{participant_id}/role"): {
        *(200, 400, 401, 403, 404, 409, 429, 503),
    },
    ("put", "/chat/{conversation_id}/participants/{participant_id}/ban"): {
        *(200, 400, 401, 403, 404, 409, 429, 503),
    },
    ("put", "/chat/{conversation_id}/participants/{participant_id}/mute"): {
        *(200, 400, 401, 403, 404, 409, 429, 503),
    },
    ("delete", "/chat/{conversation_id}/participants/{participant_id}"): {
        *(200, 400, 401, 403, 404, 429, 503),
    },
    ("delete", "/chat/{conversation_id}/participants/{participant_id}/ban"): {
        *(200, 400, 401, 403, 404, 429, 503),
    },
    ("delete", "/chat/{conversation_id}/participants/{participant_id}/mute"): {
        *(200, 400, 401, 403, 404, 429, 503),
    },
    ("get", "/chat/{conversation_id}/participants"): {200, 400, 401, 403, 404, 503},
    ("get", "/chat/{conversation_id}/bans"): {
        *(200, 401, 403, 404, 503),
    },
    ("get", "/chat/{conversation_id}/mutes"): {
        *(200, 401, 403, 404, 503),
    },
    ("get", "/chat/{conversation_id}/invites"): {
        *(200, 401, 403, 404, 503),
    },
    ("get", "/chat/{conversation_id}/join-requests"): {
        *(200, 401, 403, 404, 503),
    },
    ("post", "/chat/{conversation_id}/invites"): {201, 400, 401, 403, 404, 409, 429, 503},
    ("delete", "/chat/{conversation_id}/invites/{code}"): {200, 401, 403, 404, 429, 503},
    ("post", "/invites/{code}"): {200, 401, 403, 404, 409, 410, 429, 503},
    ("post", "/chat/{conversation_id}/join-requests"): {
        *(200, 201, 400, 401, 403, 404, 409, 429, 503),
    },
    ("post", "/chat/{conversation_id}/join-requests/{participant_id}/approve"): {
        *(200, 401, 403, 404, 409, 429, 503),
    },
    ("post", "/chat/{conversation_id}/join-requests/{participant_id}/deny"): {
        *(200, 400, 401, 403, 404, 429, 503),
    },
    ("get", "/auth/ways"): {200},
    ("get", "/auth/provider/{name}"): {303, 400, 404},
    ("get", "/auth/provider/{name}/callback"): {303, 404},
    ("post", "/auth/guest"): {201, 400, 403},
    ("post", "/auth/recover"): {200, 401},
    ("get", "/auth/me"): {200, 401},
    ("patch", "/auth/me"): {200, 400, 401, 429, 503},
    ("post", "/auth/session"): {200, 401, 403},
    ("post", "/auth/ticket"): {200, 401},
    ("post", "/auth/logout"): {204, 401},
    ("get", "/health"): {200},
    ("get", "/ready"): {200, 503},
    ("get", "/health/chat"): {200},
    ("get", "/metrics"): {200},
    ("get", "/asyncapi.json"): {200},
    ("get", "/"): {200},
    ("get", "/c/{conversation_id}"): {200},
    ("get", "/invites/{code}"): {200},
    ("get", "/admin"): {200},
    ("get", "/salon.js"): {200},
    ("patch", "/chat/{conversation_id}/messages/{message_id}"): {
        *(200, 400, 401, 403, 404, 409, 410, 413, 415, 429, 503)
    },
    ("delete", "/chat/{conversation_id}/messages/{message_id}"): {
        *(200, 400, 401, 403, 404, 409, 413, 415, 429, 503)
    },
    ("put", "/chat/{conversation_id}/messages/{message_id}/reactions/{emoji}"): {
        *(200, 400, 401, 403, 404, 409, 410, 429, 503)
    },
    ("delete", "/chat/{conversation_id}/messages/{message_id}/reactions/{emoji}"): {
        *(200, 400, 401, 403, 404, 409, 429, 503)
    },
    ("put", "/chat/{conversation_id}/messages/{message_id}/pin"): {
        *(200, 400, 401, 403, 404, 409, 410, 429, 503)
    },
    ("delete", "/chat/{conversation_id}/messages/{message_id}/pin"): {
        *(200, 400, 401, 403, 404, 409, 429, 503)
    },
    ("get", "/chat/{conversation_id}/threads/{message_id}"): {200, 400, 401, 404, 503},
    ("get", "/salon.d.ts"): {200},
    ("get", "/salon-chat.js"): {200},
    ("get", "/worker.js"): {200},
    ("get", "/assets/{name}"): {200},
    ("get", "/docs"): {200},
    ("get", "/docs/reference.css"): {200},
    ("get", "/admin/actors"): {200, 400, 401, 403},
    ("get", "/admin/conversations"): {200, 400, 401, 403},
    ("get", "/admin/conversations/{conversation_id}"): {200, 401, 403, 404},
    ("get", "/admin/participants/{participant_id}"): {200, 401, 403, 404},
    ("get", "/admin/connections"): {200, 400, 401, 403},
    ("get", "/admin/refusals/{refusal_id}"): {200, 401, 403, 404},
    ("get", "/admin/reports"): {200, 400, 401, 403, 503},
    ("get", "/admin/reports/{report_id}"): {200, 401, 403, 404, 503},
    ("post", "/admin/reports/{report_id}/close"): {200, 400, 401, 403, 404, 503},
    ("get", "/admin/stats"): {200, 401, 403},
    ("get", "/admin/events"): {200, 400, 401, 403, 429},
    ("get", "/admin/audit"): {200, 401, 403},
    ("get", "/admin/search"): {200, 400, 401, 403},
    ("get", "/admin/conversations/{conversation_id}/events"): {200, 400, 401, 403, 404},
    ("post", "/admin/conversations/{conversation_id}/passivate"): {200, 401, 403, 404},
    ("post", "/admin/conversations/{conversation_id}/runs/{run_id}/cancel"): {
        *(200, 401, 403, 404, 429, 503),
    },
    ("delete", "/admin/connections/{connection_id}"): {204, 401, 403, 404},
    ("get", "/admin/agents"): {200, 401, 403, 503},
    ("get", "/admin/runs"): {200, 400, 401, 403, 503},
    ("put", "/admin/agents/{agent_id}"): {200, 201, 400, 401, 403, 413, 415, 503},
    ("delete", "/admin/agents/{agent_id}"): {204, 400, 401, 403, 404, 503},
    ("post", "/admin/drain"): {202, 401, 403},
    ("post", "/admin/tokens"): {201, 400, 401, 403, 413, 415, 503},
    ("get", "/admin/tokens"): {200, 400, 401, 403, 503},
    ("delete", "/admin/tokens"): {204, 400, 401, 403, 503},
    ("delete", "/admin/tokens/{token_id}"): {204, 401, 403, 404, 503},
    ("get", "/admin/blocked"): {200, 400, 401, 403, 503},
    ("put", "/admin/people/{participant_id}/block"): {204, 400, 401, 403, 503},
    ("delete", "/admin/people/{participant_id}/block"): {204, 400, 401, 403, 404, 503},
    ("delete", "/chat/{conversation_id}"): {200, 401, 403, 404, 429, 503},
    ("patch", "/chat/{conversation_id}/me"): {200, 400, 401, 404, 413, 415, 429, 503},
    ("get", "/chat/{conversation_id}/held"): {200, 400, 401, 404, 503},
    ("post", "/chat/{conversation_id}/held/{held_id}/approve"): {200, 401, 403, 404, 429, 503},
    ("post", "/chat/{conversation_id}/held/{held_id}/deny"): {200, 400, 401, 403, 404, 503},
    ("get", "/admin/held"): {200, 400, 401, 403, 503},
    ("post", "/admin/held/{held_id}/approve"): {200, 401, 403, 404, 429, 503},
    ("post", "/admin/held/{held_id}/deny"): {200, 400, 401, 403, 404, 503},
    ("post", "/admin/reports/{report_id}/delete-message"): {200, 400, 401, 403, 404, 429, 503},
    ("post", "/admin/reports/{report_id}/mute"): {200, 400, 401, 403, 404, 409, 429, 503},
    ("post", "/admin/reports/{report_id}/ban"): {200, 400, 401, 403, 404, 409, 429, 503},
    ("get", "/auth/provider/{name}/sign-out"): {303, 400, 404},
    ("get", "/me/export"): {200, 401, 403, 429, 503},
    ("delete", "/me"): {202, 401, 403, 503},
    ("get", "/erasures/{erasure_id}"): {200, 404},
    ("get", "/admin/people/{participant_id}/export"): {200, 401, 403, 503},
    ("post", "/admin/people/{participant_id}/erasure"): {202, 401, 403, 503},
    ("get", "/admin/erasures"): {200, 400, 401, 403},
    ("put", "/admin/conversations/{conversation_id}/retention"): {
        *(200, 400, 401, 403, 404, 413, 415, 429, 503),
    },
    ("get", "/admin/holds"): {200, 400, 401, 403},
    ("post", "/admin/holds"): {201, 400, 401, 403, 503},
    ("delete", "/admin/holds/{hold_id}"): {200, 401, 403, 404, 503},
    ("get", "/admin/nodes"): {200, 401, 403, 503},
    ("post", "/admin/nodes/{node_id}/drain"): {202, 401, 403, 404, 503},
    ("delete", "/admin/nodes/{node_id}"): {204, 401, 403, 404, 503},
}
OPEN_TO_ALL = {
    *(
        "/auth/guest",
        "/auth/provider/{name}",
        "/auth/provider/{name}/callback",
        "/auth/provider/{name}/sign-out",
        "/auth/recover",
        "/auth/ways",
        "/erasures/{erasure_id}",
        "/health",
        "/ready",
        "/health/chat",
        "/metrics",
    ),
    *("/asyncapi.json", "/docs", "/docs/reference.css"),
    *(
        "/",
        "/c/{conversation_id}",
        "/invites/{code}",
        "/admin",
        "/salon.js",
        "/salon.d.ts",
        "/salon-chat.js",
        "/worker.js",
    ),
    "/assets/{name}",
}

# The parts of AsyncAPI 3.0 that are used here, and no others.
TEXT = {"type": "string", "minLength": 1}
REFERENCE = {
    "type": "object",
    "required": ["$ref"],
    "additionalProperties": False,
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
}
REFERENCES = {"type": "array", "minItems": 1, "uniqueItems": True, "items": REFERENCE}


def of_fields(required: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required.split(),
        "additionalProperties": False,
        "patternProperties": {"^x-": {}},
        "properties": fields,
    }


def named(schema: Any) -> dict[str, Any]:
    return {"type": "object", "minProperties": 1, "additionalProperties": schema}


ASYNCAPI_3 = of_fields(
    "asyncapi info channels operations components",
    asyncapi={"const": "3.0.0"},
    info=of_fields("title version", title=TEXT, version=TEXT, description=TEXT),
    defaultContentType={"const": "application/json"},
    servers=named(
        of_fields(
            "host protocol",
            host=TEXT,
            protocol={"enum": ["ws", "wss", "http", "https"]},
            security=REFERENCES,
        )
    ),
    channels=named(
        of_fields(
            "address messages servers",
            address={"type": "string", "pattern": "^/"},
            title=TEXT,
            description=TEXT,
            servers=REFERENCES,
            parameters=named(of_fields("description", description=TEXT)),
            messages=named(REFERENCE),
            bindings=of_fields("ws", ws={"type": "object"}),
        )
    ),
    operations=named(
        of_fields(
            "action channel messages",
            action={"enum": ["send", "receive"]},
            channel=REFERENCE,
            summary=TEXT,
            messages=REFERENCES,
            bindings=of_fields("http", http={"type": "object"}),
            reply=of_fields("channel messages", channel=REFERENCE, messages=REFERENCES),
        )
    ),
    components=of_fields(
        "messages schemas securitySchemes",
        messages=named(of_fields("name payload", name=TEXT, summary=TEXT, payload=REFERENCE)),
        schemas=named({"type": "object"}),
        securitySchemes=named({"type": "object", "required": ["type"]}),
    ),
)


@pytest.fixture(scope="module")
def app() -> QuartTrio:
    settings = Settings()
    sources = Sources(now=lambda: 0, new_id=lambda: "id", entropy=os.urandom, chance=lambda: 0.5)
    store: Any = None  # nothing here is asked for
    directory = Directory(
        system=System(), store=store, codec=CODEC, limits=settings.engine_limits(), sources=sources
    )
    wire = cast("Wire", ())
    identities = IdentityBook(settings.auth, bytes(32), store, sources)
    parts: Any = Parts(settings, directory, wire, identities)
    parts.files = cast(FileShelf, ())
    parts.node = None
    return build_app(parts)


@pytest.fixture(scope="module")
def openapi(app: QuartTrio) -> dict[str, Any]:
    document = app.extensions["QUART_SCHEMA"].openapi_provider.schema()
    as_served: dict[str, Any] = json.loads(json.dumps(document))
    return as_served


def operations(openapi: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def found(reference: str, document: Any) -> bool:
    for name in reference.removeprefix("#/").split("/"):
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    return True


# --- OpenAPI ---------------------------------------------------------------------------------------------------------------


def test_openapi_is_what_its_standard_asks_for(openapi: dict[str, Any]) -> None:
    standard = pytest.importorskip("openapi_spec_validator")
    assert [str(each) for each in standard.OpenAPIV31SpecValidator(openapi).iter_errors()] == []


def test_openapi_names_nothing_that_is_not_there(openapi: dict[str, Any]) -> None:
    assert [name for name in references(openapi) if not found(name, openapi)] == []
    ids = [operation["operationId"] for _, _, operation in operations(openapi)]
    assert len(ids) == len(set(ids))
    for schema in openapi["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_route_is_described_and_nothing_else(app: QuartTrio, openapi: dict[str, Any]) -> None:
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.websocket
    }
    described = {(method, path) for method, path, _ in operations(openapi)}
    assert routes - described == {("get", "/openapi.json")}
    assert described - routes == set()


def test_every_promised_status_is_described(openapi: dict[str, Any]) -> None:
    described = {
        (method, path): {int(status) for status in operation["responses"]}
        for method, path, operation in operations(openapi)
    }
    assert described.keys() == PROMISED.keys()
    for name, statuses in PROMISED.items():
        assert statuses | {500} <= described[name], name


def test_every_route_but_the_open_ones_asks_who_is_there(openapi: dict[str, Any]) -> None:
    free = {path for _, path, operation in operations(openapi) if operation.get("security") == []}
    assert free == OPEN_TO_ALL
    assert openapi["security"] == [{"bearer": []}, {"session": []}]


def test_every_part_of_a_path_is_a_parameter(openapi: dict[str, Any]) -> None:
    for method, path, operation in operations(openapi):
        parts = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert parts == set(re.findall(r"\{(\w+)\}", path)), (method, path)


def test_the_idempotency_key_is_described(openapi: dict[str, Any]) -> None:
    post = HttpContract(openapi).operation("POST", "/chat/x/messages")
    assert ("header", "Idempotency-Key") in {(p["in"], p["name"]) for p in post["parameters"]}


def test_a_refusal_is_described_with_its_codes(openapi: dict[str, Any]) -> None:
    post = HttpContract(openapi).operation("POST", "/chat/x/messages")
    schema = post["responses"]["429"]["content"]["application/json"]["schema"]
    problem = {"error": "…", "temporary": True, "id": "…", "retry_after": 1.5}
    check = validator(schema, openapi)
    check.validate({**problem, "code": "RATE_LIMITED"})
    with pytest.raises(ValidationError):
        check.validate({**problem, "code": "FORBIDDEN"})


# --- AsyncAPI --------------------------------------------------------------------------------------------------------------


def test_asyncapi_is_what_its_standard_asks_for() -> None:
    document = located("salon.example", secure=True)
    Draft202012Validator(ASYNCAPI_3).validate(document)
    assert [name for name in references(document) if not found(name, document)] == []
    for schema in document["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)
    for channel in document["channels"].values():
        assert set(channel.get("parameters", ())) == set(
            re.findall(r"\{(\w+)\}", channel["address"])
        )


def test_a_message_of_an_operation_is_one_of_its_channel() -> None:
    document = asyncapi()
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        messages = operation["messages"] + operation.get("reply", {}).get("messages", [])
        for message in messages:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_every_frame_is_in_the_document() -> None:
    frames = FrameContract(asyncapi())
    runs = {"run_start", "delta", "run_status", "approval", "run_end", "cancel"}
    changes = {*("message_edited", "message_deleted", "reaction_added", "reaction_removed")}
    changes |= {"message_pinned", "message_unpinned"}
    plain = {"message", "typing", "read", "sync", "ping", "auth", "join"}
    assert frames.client_types == plain | runs | changes
    assert len(frames.server_types) == len(SERVER_FRAMES) == 47


ENTRANTS = (Entrant(ADA, "owner"), Entrant(BOT, "observer"))
SPOKEN: list[Event | Signal] = [
    Created("c", 1, 5, "Dinner", ENTRANTS, "list"),
    Created("c", 1, 5, "Dinner", ENTRANTS, "generate", ("a.example",), metadata='{"a":[1]}'),
    Posted("c", 2, 6, ADA, "Hello “you”\n\u2028"),
    Posted("c", 3, 6, BOT, "Hello", "key", "c-2", '{"a":null}', ("ada",)),
    Joined("c", 4, 7, BOT, 2),
    Joined("c", 5, 7, BOT, 2, "observer", "ada"),
    Left("c", 6, 8, BOT, 1),
    Introduced("c", 7, 9, ADA),
    Updated("c", 7, 9, "ada", "Supper"),
    Updated("c", 8, 9, "ada", None, '{"a":1}'),
    Updated("c", 9, 9, "ada", "Supper", "null"),
    AgentUpdated("c", 10, 9, "bot", "never", 3, "restart", "ada"),
    Created("c", 1, 5, "Two", ENTRANTS, "list", permissions={"pin": "member"}, direct=True),
    Created("c", 1, 5, "Slow", ENTRANTS, "list", history="since_join", slow_mode=5, retention=30),
    Updated(
        "c", 9, 9, "ada", permissions={"post": "moderator"}, history="all", slow_mode=0, retention=0
    ),
    Joined("c", 5, 7, BOT, 2, "observer", "ada", "i"),
    RoleChanged("c", 16, 9, "bot", "moderator", "ada"),
    RoleChanged("c", 16, 9, "bot", "member", "ada", "Enough."),
    Removed("c", 17, 9, BOT, 1, "ada", "Spam."),
    Banned("c", 18, 9, BOT, 1, "ada"),
    Banned("c", 18, 9, BOT, 1, "ada", 10, "Spam."),
    Unbanned("c", 19, 9, "bot", "ada"),
    Muted("c", 20, 9, BOT, "ada", 10, "Loud."),
    Unmuted("c", 21, 9, "bot", "ada", "Sorry."),
    InviteCreated("c", 22, 9, "i", "member", "ada"),
    InviteCreated("c", 22, 9, "i", "member", "ada", 10, 3),
    InviteRevoked("c", 23, 9, "i", "ada"),
    JoinRequested("c", 24, 9, BOT, "Let me in."),
    JoinDenied("c", 25, 9, "bot", "ada"),
    RunStarted("c", 10, 9, "r", "bot"),
    RunStarted("c", 11, 9, "s", "bot", "c-2", "ada"),
    RunFailed("c", 12, 10, "r", "bot", "timeout", True),
    RunFailed("c", 13, 10, "s", "bot", "budget", True, 1.5),
    Posted("c", 14, 11, BOT, "Hello", run_id="t", status="cancelled", usage='{"tokens":3}'),
    Posted("c", 15, 12, BOT, "See A", run_id="u", status="complete", results=FOUND),
    Posted("c", 16, 12, ADA, "Under it", thread_id="c-2"),
    Posted("c", 17, 12, ADA, "For all", thread_id="c-2", in_channel=True),
    Edited("c", 18, 13, "c-2", 2, "ada", "Hello you", ("bot",), '{"a":1}', "key", ()),
    Edited("c", 19, 13, "c-2", 3, "ada"),
    ReactionAdded("c", 20, 13, "c-2", "👍", "ada", "key"),
    ReactionRemoved("c", 21, 13, "c-2", ":tada:", "ada"),
    Pinned("c", 22, 13, "c-2", "ada"),
    Unpinned("c", 23, 13, "c-2", "ada", "key"),
    Deleted("c", 24, 14, "c-16", "ada", "It was rude", "c-2", "key"),
    Deleted("c", 25, 14, "c-2", "ada"),
    Delta("t", "bot", 3, "lo “you”"),
    Delta("t", "bot", 0, "Hello", "c-2", "ada"),
    RunStatus("t", "thinking"),
    RunStatus("t", "tool", "looks for a table"),
    RunRequested("t", "c-2", ("bot",), "mention"),
    RunRequested("t", "c-2", (), "alone"),
    RunStatus("t", "waiting_for_approval", "pay", Approval("a", "pay", '{"amount":5}')),
    ApprovalDecided("t", "a", True, "ada"),
    Cancel("t"),
    Connected("c", "ada", "x", False, 0, 1, "e", "fresh"),
    Connected("c", "ada", "x", True, 9, 3, "e", "reset"),
    ParticipantList("c", (MemberView(ADA, "owner", 5, True),), 1),
    ParticipantList("c", (MemberView(BOT, "member", 5, True, "auto", 0, "queue"),), 1),
    ParticipantList("c", (), 0),
    CaughtUp(9),
    Presence((("ada", True), ("bot", False))),
    Typing("ada", True),
    ReadMoved("ada", 3),
    ReadMoved("ada", 3, "c-2"),
    PreferencesMoved(False, 0, True),
    PreferencesMoved(True, 1_700_000_000_000, False),
    HeldDecided(3, "denied", "Not here.", "key"),
    HeldDecided(4, "approved", None, None, "c-2"),
    Lagging(4),
]

SENT = Posted("c", 2, 6, ADA, "Hello", "key", mentions=("bot",))
# Messages with what was done to them.
NOW = (
    Message(SENT, 2, 7, reactions=(Reaction("👍", ("ada", "bot")),), as_of=9),
    Message(SENT, is_pinned=True, replies=2, last_reply_at=8, as_of=9),
    deleted(Message(SENT, 2, 7, replies=1, last_reply_at=8))._replace(as_of=9),
)


def said() -> Iterator[Any]:
    """Every kind of frame that the server makes, with and without what may be left out."""
    yield from (json.loads(CODEC.encode(each)) for each in SPOKEN)
    for key in ("key", None):
        receipt = Receipt("c", "c-2", 2, 5, key, "committed", "0" * 64)
        yield json.loads(message_ack(receipt))
        yield json.loads(message_held(Held("c", 3, 5, key)))
    changed = Changed("c", "c-2", 18, 5, "key", "committed", "0" * 64, 2, b"")
    yield json.loads(change_ack(changed))
    yield json.loads(change_ack(changed._replace(sequence=0, key=None, event_hash=None)))
    yield from (json.loads(CODEC.encode_message(each)) for each in NOW)
    place = ("c", "r")
    yield json.loads(run_ack(RunReceipt(*place, "open", 3, 10, 5, "committed")))
    yield json.loads(run_ack(RunReceipt(*place, "open", 3, 10, 5, "committed", approved=False)))
    yield json.loads(run_ack(RunReceipt(*place, "complete", 3, 14, 5, "memory", "c-14", "0" * 64)))
    yield json.loads(run_ack(RunReceipt(*place, "failed", 0, 12, 5, "memory", reason="timeout")))
    for code in Code:
        yield json.loads(error_frame(Refusal(code, {"problem": "…"}, 1.5, "server", "key", "id")))
    yield json.loads(error_frame(Refusal(Code.FORBIDDEN, id="id")))
    yield json.loads(PONG[2:])
    yield json.loads(auth_ack(5))
    yield json.loads(auth_ack(None))
    yield json.loads(auth_expiring(5))


def test_every_frame_that_the_server_makes_fits_its_schema() -> None:
    frames = FrameContract(asyncapi())
    for frame in said():
        frames.check_server(frame)
    assert frames.seen == frames.server_types


def test_a_field_too_many_or_too_few_does_not_fit() -> None:
    frames = FrameContract(asyncapi())
    for frame in said():
        with pytest.raises(ValidationError):
            frames.check_server({**frame, "undescribed": 1})
        for name in frame.keys() - {"type"}:
            schema = asyncapi()["components"]["messages"][f"server_{frame['type']}"]["payload"]
            whole = asyncapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            if name in whole["required"]:
                with pytest.raises(ValidationError):
                    frames.check_server({n: v for n, v in frame.items() if n != name})


def test_events_are_the_frames_that_have_a_sequence() -> None:
    messages = asyncapi()["components"]["messages"]
    sequenced = {message["name"] for message in messages.values() if message.get("x-sequenced")}
    events = {json.loads(CODEC.encode(each))["type"] for each in SPOKEN if hasattr(each, "at")}
    assert sequenced == events


def test_every_close_code_in_the_code_is_in_the_document() -> None:
    used = set()
    for path in (*ROOT.glob("actors/*.py"), *ROOT.glob("web/*.py")):
        if path.name.startswith("client"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="close") | ast.Name(id="Closed"),
                    args=[ast.Constant(value=int(code)), *_],
                ):
                    used.add(code)
    assert {4000, 4002, 4500, 1000} <= used
    assert used | {reason.close_code for reason in TABLE.values() if reason.close_code} <= {
        closing.code for closing in CLOSINGS
    }


def test_a_close_code_says_by_its_number_whether_to_come_back() -> None:
    for closing in CLOSINGS:
        ours = closing.code >= 4000
        assert not ours or closing.come_back == (closing.code < 4500)


# --- the page --------------------------------------------------------------------------------------------------------------


def test_every_example_fits_its_schema(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]
    for method, path, operation in operations(openapi):
        shown = [operation.get("requestBody", {})]
        shown += [r for status, r in operation["responses"].items() if int(status) < 400]
        for part in shown:
            content = part.get("content", {}).get("application/json")
            if content is not None:
                made = example(content["schema"], schemas)
                errors = validator(strict(content["schema"]), openapi).iter_errors(made)
                assert [each.message for each in errors] == [], (method, path)


def test_every_example_of_a_frame_fits_its_schema() -> None:
    frames, components = FrameContract(asyncapi()), asyncapi()["components"]
    for name, message in components["messages"].items():
        made = example(message["payload"], components["schemas"])
        if name.startswith("server_"):
            frames.check_server(made)
        elif name.startswith("stream_"):
            frames.check(name, made)
        else:
            frames.check_client(made)
            assert not isinstance(parse(json.dumps(made)), Refusal)


class PageReader(HTMLParser):
    """Takes in what a page loads, links to and says."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src"):
                self.links.add(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
async def page(app: QuartTrio) -> PageReader:
    response = await app.test_client().get("/docs")
    assert response.status_code == 200
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    reader = PageReader()
    reader.feed(await response.get_data(as_text=True))
    return reader


async def test_the_page_loads_nothing_from_outside(page: PageReader) -> None:
    assert page.tags.isdisjoint({"script", "style", "img", "iframe", "object", "embed", "base"})
    assert page.attributes.isdisjoint({"style", "src", "srcset", "onclick", "onload"})
    elsewhere = {link for link in page.links if not link.startswith("#")}
    assert elsewhere == {"/docs/reference.css", "/openapi.json", "/asyncapi.json"}


async def test_the_page_leads_nowhere_that_is_not_there(page: PageReader) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_a_redirect_says_where_it_leads(openapi: dict[str, Any]) -> None:
    redirects = [
        operation["responses"]["303"]
        for _, _, operation in operations(openapi)
        if "303" in operation["responses"]
    ]
    assert len(redirects) == 3
    for response in redirects:
        assert response["headers"]["Location"]["schema"]["type"] == "string"
        assert "content" not in response


async def test_the_page_shows_everything(page: PageReader, openapi: dict[str, Any]) -> None:
    for method, path, operation in operations(openapi):
        assert operation["operationId"] in page.ids
        assert f"{method.upper()} {path}" in page.text
        for parameter in operation["parameters"]:
            assert parameter["name"] in page.text
    assert set(asyncapi()["components"]["messages"]) <= set(page.ids)
    for closing in CLOSINGS:
        assert str(closing.code) in page.text
    for code in Code:
        raised_elsewhere = {
            *(Code.INVALID_JSON, Code.UNKNOWN_TYPE, Code.PROTOCOL_VIOLATION),
            Code.METHOD_NOT_ALLOWED,
            Code.SIGN_IN_FAILED,  # told by the page to which the browser is sent
        }
        assert code in page.text or code in raised_elsewhere


async def test_the_style_of_the_page_is_there(app: QuartTrio) -> None:
    response = await app.test_client().get("/docs/reference.css")
    style = await response.get_data(as_text=True)
    assert response.content_type == "text/css; charset=utf-8"
    assert "prefers-color-scheme: dark" in style
    assert "url(" not in style
    assert "@import" not in style
