"""Encodes events and signals as JSON text and as WebSocket frames, once for all sockets.

Messages are the most frequent event and are written by a template: the template and `encode_basestring` take 2 µs, where
`json.dumps` of a dict takes 6. All other events are written by their declaration. A test compares the template with it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from json.encoder import encode_basestring as quote
from typing import TYPE_CHECKING, Any

from salon.actors.events import Event, Posted
from salon.actors.model import FOR_EVER
from salon.actors.refusals import milliseconds_up
from salon.actors.run_messages import RunExtended
from salon.actors.signals import (
    ApprovalDecided,
    Cancel,
    CaughtUp,
    Connected,
    Delta,
    HeldDecided,
    Lagging,
    ParticipantList,
    PreferencesMoved,
    Presence,
    ReadMoved,
    RunRequested,
    RunStatus,
    Typing,
)

from .event_json import (
    compact,
    decode_event,
    event_fields,
    message_fields,
    read_message,
    timestamp,
)
from .websocket import text_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from salon.actors.change_messages import Changed
    from salon.actors.held import Held
    from salon.actors.message import Message
    from salon.actors.messages import Receipt
    from salon.actors.model import Preferences
    from salon.actors.refusals import Refusal
    from salon.actors.run_messages import RunReceipt
    from salon.actors.signals import MemberView, Signal
    from salon.actors.store import Record

# Milliseconds that a client waits for more input, by whether the conversation has several people
INPUT_TIMEOUT = {False: 100, True: 2000}


class JsonCodec:
    """The engine's codec. `heartbeat` (seconds) and `max_message_size` (code points) are sent in `connected`."""

    def __init__(self, *, heartbeat: float, max_message_size: int) -> None:
        self._heartbeat = heartbeat
        self._max_message_size = max_message_size

    def encode(self, message: Event | Signal) -> bytes:
        """One event or signal as JSON text."""
        if isinstance(message, Posted):
            return _posted(message).encode()
        signal = _SIGNALS.get(type(message))
        if signal is not None:
            return signal(message).encode()
        if isinstance(message, Connected):
            return self._connected(message).encode()
        assert isinstance(message, Event), "a signal stands in the table"
        return compact(event_fields(message)).encode()

    def payload(self, bodies: Sequence[bytes]) -> bytes:
        """One WebSocket text frame per body, concatenated."""
        if len(bodies) == 1:
            return text_header(len(bodies[0])) + bodies[0]
        parts = []
        for body in bodies:
            parts.append(text_header(len(body)))
            parts.append(body)
        return b"".join(parts)

    def decode(self, record: Record) -> Event:
        """The event of a stored record."""
        return decode_event(json.loads(record.body))

    def encode_message(self, message: Message) -> bytes:
        """A message's frame as it is now."""
        return _dump(
            type="message",
            sequence_id=message.posted.sequence,
            message=message_fields(message),
        ).encode()

    def decode_message(self, record: Record) -> Message:
        """The message of a stored record, as it is now; of its reactions those that the frame names."""
        return read_message(json.loads(record.body)["message"])

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
            oldest_sequence_id=signal.oldest,
            epoch=signal.epoch,
            resume=signal.resume,
            heartbeat=self._heartbeat,
            max_message_size=self._max_message_size,
        )


def message_ack(receipt: Receipt) -> bytes:
    """The receipt as the text of a `message_ack` frame, for the sender's socket."""
    return f'{{"type":"message_ack",{_receipt_fields(receipt)}}}'.encode()


def auth_ack(expires_at: int | None) -> bytes:
    """The text of an `auth_ack` frame. `expires_at` is in milliseconds since the epoch; None never ends."""
    ends = "" if expires_at is None else f',"expires_at":"{timestamp(expires_at)}"'
    return f'{{"type":"auth_ack"{ends}}}'.encode()


def auth_expiring(expires_at: int) -> bytes:
    """The text of an `auth_expiring` frame."""
    return f'{{"type":"auth_expiring","expires_at":"{timestamp(expires_at)}"}}'.encode()


def receipt_json(receipt: Receipt) -> bytes:
    """The receipt as the body of an HTTP answer."""
    return f"{{{_receipt_fields(receipt)}}}".encode()


def changed_fields(outcome: Changed) -> dict[str, Any]:
    """What became of a change of a message, as a JSON object, the same over HTTP and in a frame."""
    fields: dict[str, Any] = {
        "conversation_id": outcome.conversation_id,
        "message_id": outcome.message_id,
        "sequence_id": outcome.sequence or None,
        "timestamp": timestamp(outcome.at),
        "client_message_id": outcome.key,
        "revision": outcome.revision,
        "durability": outcome.durability,
        "event_hash": outcome.event_hash,
    }
    return {name: value for name, value in fields.items() if value is not None}


def change_ack(outcome: Changed) -> bytes:
    """What became of a change, as the text of a `change_ack` frame, for the socket that asked for it."""
    return _dump(type="change_ack", **changed_fields(outcome)).encode()


def changed_json(outcome: Changed) -> bytes:
    """What became of a change, as the body of an HTTP answer: with the message as it is now."""
    fields = {**changed_fields(outcome), "message": message_fields(outcome.message)}
    return compact(fields).encode()


def run_fields(receipt: RunReceipt) -> dict[str, Any]:
    """Where a run is, as a JSON object, the same over HTTP and in a frame."""
    fields: dict[str, Any] = {
        "conversation_id": receipt.conversation_id,
        "run_id": receipt.run_id,
        "status": receipt.status,
        "offset": receipt.offset,
        "sequence_id": receipt.sequence,
        "timestamp": timestamp(receipt.at),
        # Of more text it is not known yet: it is stored within a second.
        "durability": None if isinstance(receipt, RunExtended) else receipt.durability,
        "message_id": receipt.message_id,
        "event_hash": receipt.event_hash,
        "reason": receipt.reason,
        "approved": receipt.approved,
    }
    return {name: value for name, value in fields.items() if value is not None}


def run_ack(receipt: RunReceipt) -> bytes:
    """Where a run is, as the text of a `run_ack` frame, for the agent's socket."""
    return _dump(type="run_ack", **run_fields(receipt)).encode()


def error_fields(refusal: Refusal) -> dict[str, Any]:
    """A refusal as a JSON object, the same over HTTP and in a frame."""
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
    """A refusal as the text of an `error` frame."""
    return _dump(type="error", **error_fields(refusal)).encode()


def message_of(body: bytes) -> bytes:
    """The message object inside the stored frame of a message, without parsing it."""
    return body[body.index(b',"message":{') + len(b',"message":') : -1]


def member_fields(member: MemberView) -> dict[str, Any]:
    """A member as `participant_list` and the conversation object show them."""
    fields: dict[str, Any] = {
        "participantId": member.participant.id,
        "displayName": member.participant.name,
        "type": member.participant.type,
        "role": member.role,
        "joinedAt": timestamp(member.joined_at),
        "isOnline": member.is_online,
    }
    if member.trigger is not None:
        fields |= {
            "trigger": member.trigger,
            "agentsMayCall": member.agents_may_call,
            "steering": member.steering,
        }
    return fields


def _posted(event: Posted) -> str:
    sender, conversation_id = event.sender, quote(event.conversation_id)
    optional = ""
    if event.key is not None:
        optional = f',"client_message_id":{quote(event.key)}'
    if event.reply_to is not None:
        optional += f',"reply_to":{quote(event.reply_to)}'
    if event.metadata is not None:
        optional += f',"metadata":{event.metadata}'
    if event.mentions:
        optional += f',"mentions":[{",".join(map(quote, event.mentions))}]'
    if event.files is not None:
        optional += f',"files":{event.files}'
    if event.run_id is not None:
        optional += f',"run_id":{quote(event.run_id)},"status":"{event.status}"'
        if event.usage is not None:
            optional += f',"usage":{event.usage}'
        if event.results is not None:
            optional += f',"results":{event.results}'
    if event.thread_id is not None:
        optional += f',"thread_id":{quote(event.thread_id)}'
        if event.in_channel:
            optional += ',"also_in_channel":true'
    return (
        f'{{"type":"message","sequence_id":{event.sequence},"message":{{'
        f'"message_id":{conversation_id[:-1]}-{event.sequence}","conversation_id":{conversation_id},'
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


def _participant_list(signal: ParticipantList) -> str:
    members = ",".join([_member(member) for member in signal.members])
    return (
        f'{{"type":"participant_list","conversation_id":{quote(signal.conversation_id)},'
        f'"participants":[{members}],"participant_count":{signal.participant_count}}}'
    )


@lru_cache(maxsize=8192)
def _member(member: MemberView) -> str:
    return compact(member_fields(member))


def _presence(signal: Presence) -> str:
    words = [
        {"participant_id": id, "status": "online" if online else "offline"}
        for id, online in signal.changes
    ]
    return _dump(type="presence", changes=words)


def _typing(signal: Typing) -> str:
    return _dump(type="typing", participant_id=signal.participant_id, is_typing=signal.is_typing)


def held_fields(held: Held) -> dict[str, Any]:
    """A message that is held, as its sender is told, the same over HTTP and in a frame."""
    fields: dict[str, Any] = {
        "conversation_id": held.conversation_id,
        "held_id": held.held_id,
        "timestamp": timestamp(held.at),
        "client_message_id": held.key,
    }
    return {name: value for name, value in fields.items() if value is not None}


def message_held(held: Held) -> bytes:
    """The same as the text of a frame."""
    return _dump(type="message_held", **held_fields(held)).encode()


def _held_decided(signal: HeldDecided) -> str:
    fields: dict[str, Any] = {
        "held_id": signal.held_id,
        "outcome": signal.outcome,
        "reason": signal.reason,
        "client_message_id": signal.key,
        "message_id": signal.message_id,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return _dump(type="held_decided", **given)


def preference_fields(kept: Preferences | PreferencesMoved) -> dict[str, Any]:
    """How somebody keeps a conversation, as a JSON object: `muted` is a truth value or the time of its end."""
    muted = kept.muted if kept.muted <= FOR_EVER else None
    return {
        "archived": kept.archived,
        "muted": timestamp(kept.muted) if muted is None else bool(muted),
        "pinned": kept.pinned,
    }


def _read_moved(signal: ReadMoved) -> str:
    more = {} if signal.thread_id is None else {"thread_id": signal.thread_id}
    return _dump(
        type="read", participant_id=signal.participant_id, sequence_id=signal.sequence, **more
    )


def _delta(signal: Delta) -> str:
    about = ""
    if signal.reply_to is not None:
        about = f',"reply_to":{quote(signal.reply_to)}'
    if signal.asked_by is not None:
        about += f',"asked_by":{quote(signal.asked_by)}'
    return (
        f'{{"type":"delta","run_id":{quote(signal.run_id)},"participant_id":{quote(signal.participant_id)},'
        f'"offset":{signal.offset},"text":{quote(signal.text)}{about}}}'
    )


def _run_requested(signal: RunRequested) -> str:
    return _dump(
        type="run_requested",
        run_id=signal.run_id,
        message_id=signal.message_id,
        mentions=signal.mentions,
        why=signal.why,
    )


def _run_status(signal: RunStatus) -> str:
    more: dict[str, Any] = {} if signal.label is None else {"label": signal.label}
    if signal.approval is not None:
        more["approval"] = {
            "approval_id": signal.approval.id,
            "tool": signal.approval.tool,
            "arguments": json.loads(signal.approval.arguments),
        }
    return _dump(type="run_status", run_id=signal.run_id, state=signal.state, **more)


def _approval_decided(signal: ApprovalDecided) -> str:
    return _dump(
        type="approval",
        run_id=signal.run_id,
        approval_id=signal.approval_id,
        approved=signal.approved,
        participant_id=signal.participant_id,
    )


_SIGNALS: dict[type[Any], Callable[[Any], str]] = {
    ApprovalDecided: _approval_decided,
    Cancel: lambda signal: f'{{"type":"cancel","run_id":{quote(signal.run_id)}}}',
    CaughtUp: lambda signal: f'{{"type":"caught_up","sequence_id":{signal.sequence}}}',
    Delta: _delta,
    HeldDecided: _held_decided,
    Lagging: lambda signal: f'{{"type":"lagging","sequence_id":{signal.sequence}}}',
    ParticipantList: _participant_list,
    Presence: _presence,
    PreferencesMoved: lambda signal: _dump(type="preferences", **preference_fields(signal)),
    ReadMoved: _read_moved,
    RunRequested: _run_requested,
    RunStatus: _run_status,
    Typing: _typing,
}


def _dump(**fields: Any) -> str:
    return compact(fields)
