"""The types that salon.js gives away are those of the AsyncAPI and OpenAPI documents, field by field, in both directions.

The documents' schemas are written as TypeScript types, and the compiler says where one is not equal to the one of types.ts.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from salon.actors.events import KINDS
from salon.web.api.asyncapi import FrameSchema, asyncapi
from salon.web.api.held_schemas import HeldMessages, HeldView
from salon.web.api.member_schemas import (
    InviteAnswer,
    InviteView,
    JoinRequestView,
    MemberAnswer,
    Members,
    SanctionView,
)
from salon.web.api.schemas import (
    Conversation,
    ConversationLine,
    ConversationList,
    Created,
    FileView,
    GuestAnswer,
    Me,
    MemberModel,
    RunModel,
)
from salon.web.api.search_schemas import HitView, Neighbour, Piece, SearchAnswer
from tests.node import NODE, ROOT, modules

TYPES = ROOT / "web/page/sdk/types.ts"
FRAMES = TYPES.with_name("frames.ts")  # which types.ts hands on
EVENTS = {
    "agent_updated": "AgentUpdated",
    "conversation_created": "ConversationCreated",
    "conversation_updated": "ConversationUpdated",
    "message": "MessageEvent",
    "invite_created": "InviteCreated",
    "invite_revoked": "InviteRevoked",
    "join_denied": "JoinDenied",
    "join_requested": "JoinRequested",
    "participant_banned": "ParticipantBanned",
    "message_deleted": "MessageDeleted",
    "message_edited": "MessageEdited",
    "message_pinned": "MessagePinned",
    "message_unpinned": "MessageUnpinned",
    "participant_joined": "ParticipantJoined",
    "participant_left": "ParticipantLeft",
    "participant_muted": "ParticipantMuted",
    "participant_removed": "ParticipantRemoved",
    "participant_role_changed": "ParticipantRoleChanged",
    "participant_unbanned": "ParticipantUnbanned",
    "participant_unmuted": "ParticipantUnmuted",
    "participant_updated": "ParticipantUpdated",
    "reaction_added": "ReactionAdded",
    "reaction_removed": "ReactionRemoved",
    "run_failed": "RunFailed",
    "run_started": "RunStarted",
}
ANSWERS = {
    "ConversationObject": Conversation,
    "ConversationLine": ConversationLine,
    "ConversationPage": ConversationList,
    "Created": Created,
    "FoundNeighbour": Neighbour,
    "Guest": GuestAnswer,
    "HeldMessage": HeldView,
    "HeldPage": HeldMessages,
    "Identity": Me,
    "Invite": InviteView,
    "JoinRequest": JoinRequestView,
    "MemberChange": MemberAnswer,
    "MemberPage": Members,
    "MessageFile": FileView,
    "NewInvite": InviteAnswer,
    "Participant": MemberModel,
    "RunReceipt": RunModel,
    "Sanction": SanctionView,
    "SearchHit": HitView,
    "SearchPage": SearchAnswer,
    "SnippetPiece": Piece,
}
# What a message that has come back before its receipt cannot say: salon.js makes such a receipt itself.
ABSENT_IN_A_MADE_RECEIPT = {"durability", "event_hash"}
# Types are equal if no function could tell them apart; Flat undoes intersections, which are spelled in another way.
PRELUDE = """\
import type * as given from "%s";
type Flat<T> = T extends readonly (infer E)[] ? Flat<E>[] : T extends object ? { [K in keyof T]: Flat<T[K]> } : T;
type Equal<A, B> = (<X>() => X extends Flat<A> ? 1 : 2) extends (<X>() => X extends Flat<B> ? 1 : 2) ? true : false;
type Is<T extends true> = T;
"""


def documented() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """By the names in types.ts: each schema, and all the schemas that it may refer to."""
    found = {name: payload(kind) for kind, name in EVENTS.items()}
    receipt, known = payload("message_ack")
    kept = {name: each for name, each in receipt["properties"].items() if name != "type"}
    required = [name for name in kept if name not in ABSENT_IN_A_MADE_RECEIPT]
    found["Receipt"] = receipt | {"properties": kept, "required": required}, known
    for name, model in ANSWERS.items():
        schema = model.model_json_schema(mode="serialization", schema_generator=FrameSchema)
        found[name] = schema, schema.get("$defs", {})
    return found


def payload(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of a frame of the server, and all schemas that it may refer to."""
    components = asyncapi()["components"]
    name = components["messages"][f"server_{kind}"]["payload"]["$ref"].rpartition("/")[2]
    return components["schemas"][name], components["schemas"]


def typescript(schema: dict[str, Any], known: dict[str, Any]) -> str:
    """A schema as a TypeScript type."""
    if "$ref" in schema:
        return typescript(known[schema["$ref"].rpartition("/")[2]], known)
    if "anyOf" in schema:
        return " | ".join(f"({typescript(each, known)})" for each in schema["anyOf"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    match schema["type"]:
        case "array":
            return f"({typescript(schema['items'], known)})[]"
        case "object" if "properties" in schema:
            return f"{{ {'; '.join(fields(schema, known))} }}"
        case "object" if "propertyNames" in schema:
            keys = typescript(schema["propertyNames"], known)
            return f"Partial<Record<{keys}, {typescript(schema['additionalProperties'], known)}>>"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"Record<string, {typescript(schema['additionalProperties'], known)}>"
        case "object":
            return "Record<string, unknown>"
        case "integer" | "number":
            return "number"
        case kind:
            return str(kind)


def fields(schema: dict[str, Any], known: dict[str, Any]) -> list[str]:
    required = schema.get("required", [])
    return [
        f"{name}{'' if name in required else '?'}: {typescript(each, known)}"
        for name, each in schema["properties"].items()
    ]


def unequal(folder: Path, types: Path) -> set[str]:
    """What is not as in the documents: `Interface.field`, or `Interface.keys` for fields that one of them lacks."""
    lines, places = (PRELUDE % types).splitlines(), {}
    for name, (schema, known) in documented().items():
        lines.append(f"interface {name} {typescript(schema, known)}")
        places[len(lines) + 1] = f"{name}.keys"
        lines.append(f"export type {name}_keys = Is<Equal<keyof given.{name}, keyof {name}>>;")
        for field in schema["properties"]:
            places[len(lines) + 1] = f"{name}.{field}"
            pick = f'Pick<given.{name}, "{field}" & keyof given.{name}>, Pick<{name}, "{field}">'
            lines.append(f"export type {name}_{field} = Is<Equal<{pick}>>;")
    (folder / "check.ts").write_text("\n".join(lines))
    compiler = [NODE, modules() / "typescript/bin/tsc", "--noEmit", "--strict", "--pretty", "false"]
    done = subprocess.run(
        [*compiler, "--allowImportingTsExtensions", "check.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    errors = [line for line in done.stdout.splitlines() if "error TS" in line]
    assert all(line.startswith("check.ts(") for line in errors), done.stdout
    return {places[int(line.partition("(")[2].partition(",")[0])] for line in errors}


def test_every_event_has_a_type() -> None:
    assert EVENTS.keys() == KINDS.keys()
    union = FRAMES.read_text().partition("export type Event =")[2].partition(";")[0]
    assert {each.strip() for each in union.split("|") if each.strip()} == set(EVENTS.values())


def test_every_field_is_as_the_documents_have_it(tmp_path: Path) -> None:
    assert unequal(tmp_path, TYPES) == set()


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("null;\n  by: string;", "null;", {"ConversationUpdated.keys", "ConversationUpdated.by"}),
        ("null;\n  by: string;", "null;\n  by?: string;", {"ConversationUpdated.by"}),
        ("null;\n  by: string;", "null;\n  by: number;", {"ConversationUpdated.by"}),
        (
            "null;\n  by: string;",
            "null;\n  by: string;\n  of: string;",
            {"ConversationUpdated.keys"},
        ),
    ],
    ids=["missing", "optional", "another type", "too many"],
)
def test_a_field_that_differs_is_named(
    tmp_path: Path, before: str, after: str, found: set[str]
) -> None:
    text = FRAMES.read_text()
    assert text.count(before) == 1
    (tmp_path / "types.ts").write_text(TYPES.read_text())
    (tmp_path / "frames.ts").write_text(text.replace(before, after))
    assert unequal(tmp_path, tmp_path / "types.ts") == found
