"""Events and signals as JSON text, and whole WebSocket frames of them: made once, written to every socket as they are.

The text is put together by hand, since this is done for every message: a template and `encode_basestring` take 2 µs
where `json.dumps` of a dict takes 6. What is written here is read back by `decode`, and described by `web/api/schemas.py`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring as quote
from typing import TYPE_CHECKING, Any, assert_never

from salon.actors.messages import (
    CaughtUp,
    Connected,
    Created,
    Entrant,
    Event,
    Joined,
    Lagging,
    Left,
    Participant,
    ParticipantList,
    Posted,
    Presence,
    ReadMoved,
    Signal,
    Typing,
)
from salon.actors.refusals import milliseconds_up

from .websocket import text_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from salon.actors.messages import MemberView, Receipt
    from salon.actors.refusals import Refusal
    from salon.actors.store import Record

INPUT_TIMEOUT = {False: 100, True: 2000}  # ms a client waits for more input: one person, several


@lru_cache(maxsize=64)  # an event and its receipt, and all of a turn, have the same
def timestamp(at: int) -> str:
    """Milliseconds since the epoch as ISO 8601 in UTC, such as 2026-01-31T12:00:00.000Z."""
    return f"{_second(at // 1000)}.{at % 1000:03d}Z"


@lru_cache(maxsize=1024)
def _second(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}"


def milliseconds(text: str) -> int:
    """What `timestamp` was given."""
    return int(datetime.fromisoformat(text[:19] + "+00:00").timestamp()) * 1000 + int(text[20:23])


class JsonCodec:
    """The engine's codec. `heartbeat` (seconds) and `max_message_size` (code points) are told to each newcomer."""

    def __init__(self, *, heartbeat: float, max_message_size: int) -> None:
        self._heartbeat = heartbeat
        self._max_message_size = max_message_size

    def encode(self, message: Event | Signal) -> bytes:
        """One event or signal as JSON text."""
        match message:
            case Posted():
                return _posted(message).encode()
            case Typing() | Presence() | ReadMoved() | CaughtUp() | Lagging():
                return _signal(message).encode()
            case Connected():
                return self._connected(message).encode()
            case ParticipantList():
                return _participant_list(message).encode()
            case Joined() | Left():
                return _membership(message).encode()
            case Created():
                return _created(message).encode()
            case _:
                assert_never(message)

    def payload(self, bodies: Sequence[bytes]) -> bytes:
        """A WebSocket text frame for each body, in one piece."""
        if len(bodies) == 1:
            return text_header(len(bodies[0])) + bodies[0]
        parts = []
        for body in bodies:
            parts.append(text_header(len(body)))
            parts.append(body)
        return b"".join(parts)

    def decode(self, record: Record) -> Event:
        """The event that a stored body tells of."""
        return decode_event(json.loads(record.body))

    def _connected(self, signal: Connected) -> str:
        return _dump(
            type="connected",
            conversation_id=signal.conversation_id,
            participant_id=signal.participant_id,
            connection_id=signal.connection_id,
            mode="multi" if signal.several else "single",
            input_timeout=INPUT_TIMEOUT[signal.several],
            head_sequence_id=signal.head,
            first_sequence_id=signal.first_sequence,
            epoch=signal.epoch,
            resume=signal.resume,
            heartbeat=self._heartbeat,
            max_message_size=self._max_message_size,
        )


def message_ack(receipt: Receipt) -> bytes:
    """The receipt as a frame's text, for the sender's socket."""
    return f'{{"type":"message_ack",{_receipt_fields(receipt)}}}'.encode()


def receipt_json(receipt: Receipt) -> bytes:
    """The receipt as the body of an HTTP answer."""
    return f"{{{_receipt_fields(receipt)}}}".encode()


def error_fields(refusal: Refusal) -> dict[str, Any]:
    """A refusal as a client sees it, over HTTP and in a frame alike."""
    fields: dict[str, Any] = {
        "error": refusal.text,
        "code": refusal.code.value,
        "temporary": refusal.reason.temporary,
        "id": refusal.id,
        **(refusal.facts or {}),
    }
    if refusal.retry_after is not None:
        fields["retry_after"] = milliseconds_up(refusal.retry_after)
    if refusal.scope is not None:
        fields["scope"] = refusal.scope
    if refusal.key is not None:
        fields["client_message_id"] = refusal.key
    return fields


def error_frame(refusal: Refusal) -> bytes:
    """A refusal as a frame's text."""
    return _dump(type="error", **error_fields(refusal)).encode()


def message_of(body: bytes) -> bytes:
    """The message object inside the stored frame of a message, without parsing it."""
    return body[body.index(b',"message":{') + len(b',"message":') : -1]


def member_fields(member: MemberView) -> dict[str, Any]:
    """A member as `participant_list` and the conversation object show them."""
    return {
        "participantId": member.participant.id,
        "displayName": member.participant.name,
        "type": member.participant.type,
        "role": member.role,
        "joinedAt": timestamp(member.joined_at),
        "isOnline": member.is_online,
    }


def participant_fields(participant: Participant) -> dict[str, Any]:
    """A participant as events show them."""
    return {"id": participant.id, "name": participant.name, "type": participant.type}


def _posted(event: Posted) -> str:
    sender = event.sender
    optional = ""
    if event.key is not None:
        optional = f',"client_message_id":{quote(event.key)}'
    if event.reply_to is not None:
        optional += f',"reply_to":{quote(event.reply_to)}'
    if event.metadata is not None:
        optional += f',"metadata":{event.metadata}'
    return (
        f'{{"type":"message","sequence_id":{event.sequence},"message":{{'
        f'"message_id":{quote(event.message_id)},"conversation_id":{quote(event.conversation_id)},'
        f'"sequence_id":{event.sequence},"sender_id":{quote(sender.id)},"sender_name":{quote(sender.name)},'
        f'"sender_type":"{sender.type}","content":{quote(event.content)},"message_type":"text",'
        f'"timestamp":"{timestamp(event.at)}"{optional}}}}}'
    )


def _receipt_fields(receipt: Receipt) -> str:
    key = "null" if receipt.key is None else quote(receipt.key)
    return (
        f'"conversation_id":{quote(receipt.conversation_id)},"message_id":{quote(receipt.message_id)},'
        f'"sequence_id":{receipt.sequence},"timestamp":"{timestamp(receipt.at)}",'
        f'"client_message_id":{key},"durability":"{receipt.durability}","event_hash":"{receipt.event_hash}"'
    )


def _membership(event: Joined | Left) -> str:
    fields: dict[str, Any] = {
        "type": "participant_joined" if isinstance(event, Joined) else "participant_left",
        "sequence_id": event.sequence,
        "conversation_id": event.conversation_id,
        "participant": participant_fields(event.participant),
    }
    if isinstance(event, Joined):
        fields["role"] = event.role
        if event.invited_by is not None:
            fields["invited_by"] = event.invited_by
    fields["participant_count"] = event.participant_count
    fields["timestamp"] = timestamp(event.at)
    return _dump(**fields)


def _created(event: Created) -> str:
    fields = {
        "type": "conversation_created",
        "sequence_id": event.sequence,
        "conversation_id": event.conversation_id,
        "title": event.title,
        "mode": event.mode,
        "participants": [
            {**participant_fields(entrant.participant), "role": entrant.role}
            for entrant in event.entrants
        ],
        "sites": list(event.sites),
        "enable_ai": event.enable_ai,
        "join": event.join,
        "members_invite": event.members_invite,
        "share_reads": event.share_reads,
        "timestamp": timestamp(event.at),
    }
    if event.metadata is not None:
        fields["metadata"] = json.loads(event.metadata)
    return _dump(**fields)


def _participant_list(signal: ParticipantList) -> str:
    members = ",".join([_member(member) for member in signal.members])
    return (
        f'{{"type":"participant_list","conversation_id":{quote(signal.conversation_id)},'
        f'"participants":[{members}],"participant_count":{signal.participant_count}}}'
    )


@lru_cache(maxsize=8192)
def _member(member: MemberView) -> str:
    return compact(member_fields(member))


def _signal(signal: Typing | Presence | ReadMoved | CaughtUp | Lagging) -> str:
    match signal:
        case Typing(participant_id, is_typing):
            return _dump(type="typing", participant_id=participant_id, is_typing=is_typing)
        case ReadMoved(participant_id, sequence):
            return _dump(type="read", participant_id=participant_id, sequence_id=sequence)
        case CaughtUp(sequence):
            return f'{{"type":"caught_up","sequence_id":{sequence}}}'
        case Lagging(sequence):
            return f'{{"type":"lagging","sequence_id":{sequence}}}'
        case Presence(changes):
            words = [
                {"participant_id": id, "status": "online" if online else "offline"}
                for id, online in changes
            ]
            return _dump(type="presence", changes=words)


def decode_event(frame: dict[str, Any]) -> Event:
    """The event that a sequenced frame tells of."""
    kind, sequence = frame["type"], frame["sequence_id"]
    if kind == "message":
        message = frame["message"]
        sender = Participant(message["sender_id"], message["sender_name"], message["sender_type"])
        metadata = message.get("metadata")
        return Posted(
            message["conversation_id"],
            sequence,
            milliseconds(message["timestamp"]),
            sender,
            message["content"],
            message.get("client_message_id"),
            message.get("reply_to"),
            None if metadata is None else compact(metadata),
        )
    conversation_id, at = frame["conversation_id"], milliseconds(frame["timestamp"])
    if kind == "conversation_created":
        return _decode_created(frame, conversation_id, at)
    who = Participant(**frame["participant"])
    count = frame["participant_count"]
    if kind == "participant_joined":
        role, invited_by = frame["role"], frame.get("invited_by")
        return Joined(conversation_id, sequence, at, who, count, role, invited_by)
    assert kind == "participant_left", f"no event is called {kind}"
    return Left(conversation_id, sequence, at, who, count)


def _decode_created(frame: dict[str, Any], conversation_id: str, at: int) -> Created:
    entrants = tuple(
        Entrant(Participant(who["id"], who["name"], who["type"]), who["role"])
        for who in frame["participants"]
    )
    metadata = frame.get("metadata")
    return Created(
        conversation_id,
        frame["sequence_id"],
        at,
        frame["title"],
        entrants,
        frame["mode"],
        tuple(frame["sites"]),
        frame["enable_ai"],
        frame["join"],
        frame["members_invite"],
        frame["share_reads"],
        None if metadata is None else compact(metadata),
    )


def compact(value: Any) -> str:
    """A JSON value as text without white space. Raises `ValueError` for what JSON has no word for, such as NaN."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _dump(**fields: Any) -> str:
    return compact(fields)
