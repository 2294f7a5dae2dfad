"""Describes a JSON schema in words and by an example, for the reference page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Schema = dict[str, Any]

EXAMPLES: dict[str, Any] = {  # by a field's name, for fields whose type says little
    "bytes": 131_072,
    "code": "RATE_LIMITED",
    "content": "Shall we meet at eight?",
    "conversation_id": "kQ3v0m8xS1yZ5tB7nR2cWg",
    "client_message_id": "9f2c6a4e-5d0b-4c38-8f1e-7b6a2d9c0e13",
    "displayName": "Ada",
    "epoch": "pT4wN8sKx2LqV6bYd0HcJg",
    "error": "Too fast: the limit of messages a second is 20. Try again after 0.05 s.",
    "event_hash": "8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
    "heartbeat": 25,
    "id": "Zr7uE1oFh5CtG9aXm3JkPw",
    "key": "kQ3v",
    "last_message_preview": "Shall we meet at eight?",
    "max_message_size": 10_000,
    "message": "Left conversation",
    "message_id": "kQ3v0m8xS1yZ5tB7nR2cWg-42",
    "name": "Ada",
    "participant_id": "ada",
    "participantId": "ada",
    "recovery_code": "7K3M-9QTX-2BHW-5RNC-8YVD-4FJP-6GSZ",
    "reply_to": "kQ3v0m8xS1yZ5tB7nR2cWg-41",
    "retry_after": 0.05,
    "sender_id": "ada",
    "sender_name": "Ada",
    "sequence_id": 42,
    "last_sequence_id": 41,
    "sites": ["example.org"],
    "ticket": "Vb6yQ2nRk8TsL4wZd0MfHg",
    "title": "Dinner on Friday",
    "token": "eyJhbGciOiJIUzI1NiJ9…",
    "unit": "messages a second",
    "user_id": "ada",
    "websocket_url": "/chat/ws/kQ3v0m8xS1yZ5tB7nR2cWg",
}
MOMENT = "2026-01-31T12:00:00.000Z"


class Line(NamedTuple):
    """One field: its name with the names of its parents, and its allowed values."""

    name: str
    kind: str
    required: bool
    text: str


def lines(schema: Schema, schemas: Mapping[str, Schema], inside: str = "") -> Iterator[Line]:
    """Every field of an object, including those of nested objects."""
    whole = resolved(schema, schemas)
    for name, field in whole.get("properties", {}).items():
        required = name in whole.get("required", ())
        yield Line(inside + name, kind(field, schemas), required, field.get("description", ""))
        inner = _present(field, schemas)
        if "items" in inner:
            yield from lines(inner["items"], schemas, f"{inside}{name}[].")
        else:
            yield from lines(inner, schemas, f"{inside}{name}.")


def kind(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    """The allowed values, in words."""
    schema = resolved(schema, schemas)
    if "const" in schema:
        return _word(schema["const"])
    if "enum" in schema:
        return " or ".join(map(_word, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(kind(each, schemas) for each in schema["anyOf"])
    name: str = schema.get("type", "anything")
    if name == "array":
        return _bounded(f"list of {kind(schema.get('items', {}), schemas)}", schema, "Items", "")
    if name == "string":
        return _bounded("string", schema, "Length", " characters")
    if name in ("integer", "number"):
        return _bounded(name, schema, "imum", "")
    return name


def example(schema: Schema, schemas: Mapping[str, Schema], name: str = "") -> Any:
    """A value that matches the schema."""
    schema = _present(schema, schemas)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "examples" in schema:
        return schema["examples"][0]
    if name in EXAMPLES and schema.get("type") != "object":
        return EXAMPLES[name]
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {field: example(inner, schemas, field) for field, inner in fields.items()}
        case "array":
            return [example(schema.get("items", {}), schemas)]
        case "string":
            moment = name == "at" or name.endswith(("_at", "At", "timestamp"))
            return MOMENT if moment else "…"
        case "integer" | "number":
            return max(schema.get("default") or 3, schema.get("minimum", 0))
        case "boolean":
            return bool(schema.get("default", True))
        case _:
            return None


def resolved(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """The schema that a reference names."""
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def _present(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """The schema of a value that is not null."""
    schema = resolved(schema, schemas)
    for each in schema.get("anyOf", ()):
        if each.get("type") != "null":
            return resolved(each, schemas)
    return schema


def _word(value: object) -> str:
    return f"“{value}”" if isinstance(value, str) else str(value)


def _bounded(name: str, schema: Schema, suffix: str, unit: str) -> str:
    least, most = schema.get(f"min{suffix}"), schema.get(f"max{suffix}")
    if least is not None and most is not None:
        return f"{name}, {least} to {most}{unit}"
    if most is not None:
        return f"{name}, at most {most}{unit}"
    if least is not None:
        return f"{name}, not empty" if unit else f"{name}, at least {least}"
    return name
