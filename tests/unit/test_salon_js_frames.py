"""Every frame that salon.js declares, of clients, the server and event streams, is that of the AsyncAPI document, field by field.

The document is written as claims about the types, one a line; the compiler says which of them are false.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from salon.web.api.asyncapi import asyncapi
from tests.node import NODE, ROOT, modules

FRAMES = ROOT / "web/page/sdk/frames.ts"
GIVEN = Path(str(files("salon.web").joinpath("static", "page", "salon.d.ts")))
UNIONS = {"client": "ClientFrame", "server": "ServerFrame", "stream": "StreamEvent"}
HEAD = """\
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : A;
type Alike<A, B> = [A] extends [B] ? ([B] extends [A] ? true : A) : A;
type Only<K, Known> = [Exclude<K, Known>] extends [never] ? true : Exclude<K, Known>;
"""
OPTIONS = "--noEmit --strict --exactOptionalPropertyTypes --allowImportingTsExtensions --target es2022 --module esnext"
Schema = dict[str, Any]


class Claim(NamedTuple):
    """Something that has to be true of the types, and what it is about."""

    about: str
    type: str


def claims() -> Iterator[Claim]:
    """Which frames there are, which fields each has, and of which types."""
    words: dict[str, list[str]] = {direction: [] for direction in UNIONS}
    for name, message in asyncapi()["components"]["messages"].items():
        direction = name.partition("_")[0]
        word = message["name"]
        words[direction].append(json.dumps(word))
        frame = f'Extract<{UNIONS[direction]}, {{ type: "{word}" }}>'
        yield from claims_of(message["payload"], frame, f"{direction} {word}")
    for direction, union in UNIONS.items():
        known = " | ".join(words[direction])
        yield Claim(f"{direction} frames", f'Only<{union}["type"], {known}>')


def claims_of(schema: Schema, owner: str, about: str) -> Iterator[Claim]:
    """What is true of an object's fields, and of those within them."""
    schema = resolved(schema)
    known = " | ".join(map(json.dumps, schema["properties"]))
    yield Claim(f"{about} has no more", f"Only<keyof {owner}, {known}>")
    for name, field in schema["properties"].items():
        optional = "" if name in schema["required"] else "?"
        inner = resolved(field)
        value = f'NonNullable<{owner}["{name}"]>'
        if inner.get("type") == "array":
            inner, value = resolved(inner["items"]), f"{value}[number]"
        within = "properties" in inner
        check = "Alike" if within else "Same"
        should = f"{{ {name}{optional}: {written(field)} }}"
        yield Claim(f"{about}.{name}", f'{check}<Pick<{owner}, "{name}">, {should}>')
        if within:
            yield from claims_of(inner, value, f"{about}.{name}")


def written(schema: Schema) -> str:
    """A schema as a type of TypeScript."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return " | ".join(map(written, schema["anyOf"]))
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    if schema["type"] == "array":
        return f"({written(schema['items'])})[]"
    if "properties" in schema:
        fields = (
            f"{name}{'' if name in schema['required'] else '?'}: {written(field)}"
            for name, field in schema["properties"].items()
        )
        return f"{{ {'; '.join(fields)} }}"
    if "propertyNames" in schema:
        keys, values = written(schema["propertyNames"]), written(schema["additionalProperties"])
        return f"Partial<Record<{keys}, {values}>>"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"Record<string, {written(schema['additionalProperties'])}>"
    plain = {"integer": "number", "object": "Record<string, unknown>"}
    return plain.get(schema["type"], schema["type"])


def resolved(schema: Schema) -> Schema:
    """The schema itself, where there is a reference to it."""
    if "$ref" not in schema:
        return schema
    target: Schema = asyncapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return target


def refuted(types: Path, folder: Path) -> dict[str, str]:
    """The claims that are false of the types in a file, each with what the compiler says."""
    made = list(claims())
    module = types.name.replace(".d.ts", ".js")
    (folder / types.name).write_text(types.read_text())
    lines = [
        f'import type {{ ClientFrame, ServerFrame, StreamEvent }} from "./{module}";',
        *HEAD.splitlines(),
    ]
    first = len(lines) + 1
    lines += [f"export const c{at}: {claim.type} = true;" for at, claim in enumerate(made)]
    (folder / "claims.ts").write_text("\n".join(lines) + "\n")
    tsc = [NODE, modules() / "typescript/bin/tsc", *OPTIONS.split()]
    more = ["--moduleResolution", "bundler", "--lib", "es2022", "--skipLibCheck", "claims.ts"]
    done = subprocess.run(
        [*tsc, *more], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    found = re.findall(r"^claims\.ts\((\d+),\d+\): error \w+: (.*)$", done.stdout, re.MULTILINE)
    assert bool(found) == bool(done.returncode), done.stdout + done.stderr
    said: dict[str, str] = {}
    for line, text in found:
        assert int(line) >= first, text
        said.setdefault(made[int(line) - first].about, text)
    return said


@pytest.mark.parametrize("types", [FRAMES, GIVEN], ids=["source", "salon.d.ts"])
def test_the_types_of_frames_are_those_of_the_document(types: Path, tmp_path: Path) -> None:
    assert len(list(claims())) > 100
    assert refuted(types, tmp_path) == {}


@pytest.mark.parametrize(
    ("was", "becomes", "named"),
    [
        pytest.param(
            "null;\n  by: string;\n",
            "null;\n",
            {"server conversation_updated.by"},
            id="a field is missing",
        ),
        pytest.param(
            "  invited_by?: string;",
            "  invited_by: string;",
            {"server participant_joined.invited_by"},
            id="a field may be left out",
        ),
        pytest.param(
            "  sender_name: string;",
            "  sender_name?: string;",
            {"server message.message", "server message.message.sender_name"},
            id="a field is never left out",
        ),
        pytest.param(
            "  sender_id: string;",
            "  sender_id: any;",
            {"server message.message.sender_id"},
            id="any is no type",
        ),
        pytest.param(
            'status: "online" | "offline"',
            'status: "online"',
            {"server presence.changes", "server presence.changes.status"},
            id="a value is missing",
        ),
        pytest.param(
            "  metadata?: Json | null;\n  by:",
            "  metadata?: Json;\n  by:",
            {"server conversation_updated.metadata"},
            id="a field may be null",
        ),
        pytest.param(
            "  last_sequence_id: number;",
            "  last_sequence_id: number;\n  limit?: number;",
            {"client sync has no more"},
            id="a field is not documented",
        ),
        pytest.param(
            'type: "ping";',
            'type: "pling";',
            {"client frames", "client ping has no more", "client ping.type"},
            id="a frame is not documented",
        ),
        pytest.param(
            "  | PongFrame\n",
            "",
            {"server pong has no more", "server pong.type"},
            id="a frame is not declared",
        ),
    ],
)
def test_a_difference_is_named_by_frame_and_field(
    was: str, becomes: str, named: set[str], tmp_path: Path
) -> None:
    text = FRAMES.read_text()
    assert text.count(was) == 1
    other = tmp_path / "other"
    other.mkdir()
    (other / FRAMES.name).write_text(text.replace(was, becomes))
    assert refuted(other / FRAMES.name, tmp_path).keys() == named
