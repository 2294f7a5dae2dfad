"""Converts events to JSON objects and back, by their declarations in `salon.actors.events`.

Each form of a field has one writer and one reader here. `READ[form](WRITE[form](value))` equals the value.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from salon.actors.events import KINDS, REMOVED, Posted
from salon.actors.fields import Form
from salon.actors.message import Message, Reaction, counts
from salon.actors.model import Entrant, Participant

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.events import Event


@lru_cache(maxsize=64)  # an event, its receipt and all events of a turn share one timestamp
def timestamp(at: int) -> str:
    """Milliseconds since the epoch as ISO 8601 in UTC, such as 2026-01-31T12:00:00.000Z."""
    return f"{_second(at // 1000)}.{at % 1000:03d}Z"


@lru_cache(maxsize=1024)
def _second(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}"


def milliseconds(text: str) -> int:
    """Milliseconds since the epoch; the inverse of `timestamp`."""
    return int(datetime.fromisoformat(text[:19] + "+00:00").timestamp()) * 1000 + int(text[20:23])


COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def compact(value: Any) -> str:
    """A JSON value as text without white space. Raises `ValueError` for values that JSON cannot express, such as NaN."""
    return COMPACT.encode(value)


def participant_fields(participant: Participant) -> dict[str, Any]:
    """A participant as events show them."""
    return {"id": participant.id, "name": participant.name, "type": participant.type}


def event_fields(event: Event) -> dict[str, Any]:
    """The event's frame as an object, with its fields in declaration order."""
    fields: dict[str, Any] = {"type": event.kind}
    for field in event.frame:
        value = event if field.form is Form.MESSAGE else getattr(event, field.source)
        if value is not None or not field.optional:
            fields[field.name] = WRITE[field.form](value)
    return fields


def decode_event(frame: dict[str, Any]) -> Event:
    """The event of a sequenced frame. Raises `KeyError` for an unknown kind."""
    kind = KINDS[frame["type"]]
    if kind is Posted:
        return _read_message(frame["message"])
    values = {
        field.source: READ[field.form](frame[field.name])
        for field in kind.frame
        if field.name in frame
    }
    return kind(**values)


def _same(value: Any) -> Any:
    return value


def _write_entrants(entrants: tuple[Entrant, ...]) -> list[dict[str, Any]]:
    return [{**participant_fields(each.participant), "role": each.role} for each in entrants]


def _read_entrants(entrants: list[dict[str, Any]]) -> tuple[Entrant, ...]:
    return tuple(
        Entrant(Participant(each["id"], each["name"], each["type"]), each["role"])
        for each in entrants
    )


def _write_message(event: Posted) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "message_id": event.message_id,
        "conversation_id": event.conversation_id,
        "sequence_id": event.sequence,
        "sender_id": event.sender.id,
        "sender_name": event.sender.name,
        "sender_type": event.sender.type,
        "content": event.content,
        "message_type": "text",
        "timestamp": timestamp(event.at),
        "client_message_id": event.key,
        "reply_to": event.reply_to,
        "metadata": None if event.metadata is None else json.loads(event.metadata),
        "mentions": list(event.mentions) or None,
        "files": None if event.files is None else json.loads(event.files),
        "run_id": event.run_id,
        "status": event.status,
        "usage": None if event.usage is None else json.loads(event.usage),
        "results": None if event.results is None else json.loads(event.results),
        "thread_id": event.thread_id,
        "also_in_channel": event.in_channel or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _read_message(message: dict[str, Any]) -> Posted:
    metadata = message.get("metadata")
    return Posted(
        message["conversation_id"],
        message["sequence_id"],
        milliseconds(message["timestamp"]),
        Participant(message["sender_id"], message["sender_name"], message["sender_type"]),
        message["content"],
        message.get("client_message_id"),
        message.get("reply_to"),
        None if metadata is None else compact(metadata),
        tuple(message.get("mentions", ())),
        message.get("run_id"),
        message.get("status"),
        None if message.get("usage") is None else compact(message["usage"]),
        None if message.get("results") is None else compact(message["results"]),
        message.get("thread_id"),
        message.get("also_in_channel", False),
        None if message.get("files") is None else compact(message["files"]),
    )


def message_fields(message: Message) -> dict[str, Any]:
    """A message as it is now, with what was done to it since it was sent."""
    fields = _write_message(message.posted)
    if message.revision > 1:
        fields["revision"] = message.revision
    if message.edited_at is not None:
        fields["edited_at"] = timestamp(message.edited_at)
    if message.reactions:
        fields["reactions"] = {
            emoji: {"count": count, "participants": first}
            for emoji, (count, first) in counts(message.reactions).items()
        }
    if message.last_reply_at is not None:
        fields["thread"] = {
            "replies": message.replies,
            "last_at": timestamp(message.last_reply_at),
        }
    if message.is_pinned:
        fields["pinned"] = True
    if message.is_deleted:
        fields["deleted"] = True
    if message.as_of:
        fields["as_of"] = message.as_of
    return fields


def read_message(fields: dict[str, Any]) -> Message:
    """The message of its fields. Of the reactions it has those that the fields name: the first of each kind."""
    edited_at, thread = fields.get("edited_at"), fields.get("thread")
    return Message(
        _read_message(fields),
        fields.get("revision", 1),
        None if edited_at is None else milliseconds(edited_at),
        fields.get("deleted", False),
        fields.get("pinned", False),
        tuple(
            Reaction(emoji, tuple(each["participants"]))
            for emoji, each in fields.get("reactions", {}).items()
        ),
        0 if thread is None else thread["replies"],
        None if thread is None else milliseconds(thread["last_at"]),
        fields.get("as_of", 0),
    )


def _read_metadata(value: dict[str, Any] | None) -> str:
    return REMOVED if value is None else compact(value)


WRITE: dict[Form, Callable[[Any], Any]] = {
    **dict.fromkeys(Form, _same),
    Form.ENTRANTS: _write_entrants,
    Form.MESSAGE: _write_message,
    Form.METADATA: json.loads,
    Form.PARTICIPANT: participant_fields,
    Form.RETENTION: lambda days: {"days": days},
    Form.TEXTS: list,
    Form.TIME: timestamp,
}
READ: dict[Form, Callable[[Any], Any]] = {
    **dict.fromkeys(Form, _same),
    Form.ENTRANTS: _read_entrants,
    Form.MESSAGE: _read_message,
    Form.METADATA: _read_metadata,
    Form.PARTICIPANT: lambda fields: Participant(**fields),
    Form.RETENTION: lambda fields: fields["days"],
    Form.TEXTS: tuple,
    Form.TIME: milliseconds,
}
