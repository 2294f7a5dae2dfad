"""Events and signals as text: what is written is JSON, is framed as a socket takes it, and says the same when read again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

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
from salon.actors.message import PARTICIPANTS_SHOWN, Message, Reaction
from salon.actors.messages import Receipt
from salon.actors.model import Entrant, Participant
from salon.actors.refusals import TABLE, Code, Refusal
from salon.actors.rights import ACTIONS
from salon.actors.signals import (
    Cancel,
    CaughtUp,
    Connected,
    Delta,
    Lagging,
    MemberView,
    ParticipantList,
    Presence,
    ReadMoved,
    RunRequested,
    RunStatus,
    Signal,
    Typing,
)
from salon.actors.store import Record
from salon.web.socket.codec import (
    JsonCodec,
    error_fields,
    error_frame,
    message_ack,
    message_of,
    receipt_json,
)
from salon.web.socket.event_json import compact, milliseconds, timestamp

YEAR_9999 = 253_402_300_799_999
CODEC = JsonCodec(heartbeat=25, max_message_size=10_000)

# Anything that is a text: controls, quotes, line separators, what looks like JSON, everything beyond the first plane.
texts = st.text(max_size=20) | st.text(
    st.sampled_from('"\\{}[]:,\n\r\t\x00\x1f\x7f\u2028\u2029\ufeff\ufffe😀é/'), max_size=20
)
texts |= st.sampled_from([',"message":{', '"}],"message":{"a":1}', "\\ud800", "</script>"])
some = st.none() | texts
times = st.integers(0, YEAR_9999)
numbers = st.integers(1, 2**53 - 1)
people = st.builds(Participant, texts, texts, st.sampled_from(["human", "agent"]))
roles = st.sampled_from(["owner", "moderator", "member", "observer"])
permissions = st.none() | st.dictionaries(st.sampled_from(ACTIONS), roles, max_size=3)
histories = st.none() | st.sampled_from(["all", "since_join"])
counts = st.none() | st.integers(0, 2**53 - 1)
when = st.none() | st.integers(0, YEAR_9999)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
metadata = st.none() | st.dictionaries(texts, json_values, max_size=3).map(compact)
entrants = st.lists(st.builds(Entrant, people, roles), min_size=1, max_size=3).map(tuple)

ids = st.lists(texts, max_size=3).map(tuple)
said = st.builds(Posted, texts, numbers, times, people, texts, some, some, metadata, ids)
reasons = st.sampled_from(["timeout", "upstream", "budget", "cancelled", "interrupted"])
ends = st.builds(
    Posted,
    texts,
    numbers,
    times,
    people,
    texts,
    st.none(),
    some,
    metadata,
    ids,
    texts,
    st.sampled_from(["complete", "cancelled", "interrupted"]),
    metadata,
)
replies = st.builds(
    lambda post, thread_id, in_channel: post._replace(thread_id=thread_id, in_channel=in_channel),
    said,
    texts,
    st.booleans(),
)
posted = said | ends | replies
events: st.SearchStrategy[Event] = st.one_of(
    posted,
    st.builds(Joined, texts, numbers, times, people, numbers, roles, some, some),
    st.builds(RoleChanged, texts, numbers, times, texts, roles, texts, some),
    st.builds(Removed, texts, numbers, times, people, numbers, texts, some),
    st.builds(Banned, texts, numbers, times, people, numbers, texts, when, some),
    st.builds(Unbanned, texts, numbers, times, texts, texts, some),
    st.builds(Muted, texts, numbers, times, people, texts, when, some),
    st.builds(Unmuted, texts, numbers, times, texts, texts, some),
    st.builds(InviteCreated, texts, numbers, times, texts, roles, texts, when, counts),
    st.builds(InviteRevoked, texts, numbers, times, texts, texts),
    st.builds(JoinRequested, texts, numbers, times, people, some),
    st.builds(JoinDenied, texts, numbers, times, texts, texts, some),
    st.builds(Left, texts, numbers, times, people, numbers),
    st.builds(Introduced, texts, numbers, times, people),
    st.builds(
        Updated,
        texts,
        numbers,
        times,
        texts,
        some,
        metadata | st.just("null"),
        permissions,
        histories,
        counts,
    ),
    st.builds(
        AgentUpdated,
        texts,
        numbers,
        times,
        texts,
        st.sampled_from(["auto", "never"]),
        numbers,
        st.sampled_from(["queue", "restart"]),
        texts,
    ),
    st.builds(RunStarted, texts, numbers, times, texts, texts, some, some),
    st.builds(
        Edited,
        texts,
        numbers,
        times,
        texts,
        numbers,
        texts,
        some,
        st.none() | ids,
        metadata,
        some,
    ),
    st.builds(Deleted, texts, numbers, times, texts, texts, some, some, some),
    *(
        st.builds(kind, texts, numbers, times, texts, texts, texts, some)
        for kind in (ReactionAdded, ReactionRemoved)
    ),
    *(st.builds(kind, texts, numbers, times, texts, texts, some) for kind in (Pinned, Unpinned)),
    st.builds(
        RunFailed,
        texts,
        numbers,
        times,
        texts,
        texts,
        reasons,
        st.booleans(),
        st.none() | st.floats(0, 1e6),
    ),
    st.builds(
        Created,
        texts,
        st.just(1),
        times,
        texts,
        entrants,
        st.sampled_from(["list", "summarize", "generate"]),
        st.lists(texts, max_size=3).map(tuple),
        st.booleans(),
        st.sampled_from(["open", "invite"]),
        st.booleans(),
        st.booleans(),
        metadata,
    ),
)
changed = st.builds(
    Message,
    posted,
    st.integers(1, 9),
    st.none() | times,
    st.booleans(),
    st.booleans(),
    st.lists(
        st.builds(Reaction, texts, st.lists(texts, min_size=1, max_size=3).map(tuple)),
        max_size=3,
        unique_by=lambda reaction: reaction.emoji,
    ).map(tuple),
    st.just(0),
    st.none(),
    st.integers(0, 2**53 - 1),
) | st.builds(
    lambda post, replies, at: Message(post, replies=replies, last_reply_at=at), said, numbers, times
)
members = st.builds(MemberView, people, roles, times, st.booleans())
signals: st.SearchStrategy[Signal] = st.one_of(
    st.builds(
        Connected,
        texts,
        texts,
        texts,
        st.booleans(),
        numbers,
        numbers,
        texts,
        st.sampled_from(["fresh", "complete", "reset"]),
    ),
    st.builds(ParticipantList, texts, st.lists(members, max_size=3).map(tuple), numbers),
    st.builds(CaughtUp, numbers),
    st.builds(Lagging, numbers),
    st.builds(Presence, st.lists(st.tuples(texts, st.booleans()), max_size=3).map(tuple)),
    st.builds(Typing, texts, st.booleans()),
    st.builds(ReadMoved, texts, numbers, some),
    st.builds(Delta, texts, texts, numbers, texts, some, some),
    st.builds(RunStatus, texts, st.sampled_from(["thinking", "tool"]), some),
    st.builds(RunRequested, texts, texts, ids, st.sampled_from(["alone", "mention"])),
    st.builds(Cancel, texts),
)
receipts = st.builds(
    Receipt,
    texts,
    texts,
    numbers,
    times,
    some,
    st.sampled_from(["committed", "memory"]),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.booleans(),
)
refusals = st.builds(
    Refusal,
    st.sampled_from(list(Code)),
    st.none()
    | st.fixed_dictionaries({}, optional={"problem": texts, "limit": numbers, "max_size": numbers}),
    st.none() | st.floats(0, 1e6),
    st.none() | st.sampled_from(["conversation", "participant", "server"]),
    some,
    texts,
)


def record(body: bytes, event: Event) -> Record:
    sender = (event.sender.id, event.key) if isinstance(event, Posted) else (None, None)
    return Record(event.sequence, event.at, body, b"salt", 0, *sender)


def parsed(body: bytes) -> dict[str, Any]:
    """The object that the text is; nothing may come twice, since parsers differ in which they believe."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    value = json.loads(body, object_pairs_hook=once, parse_constant=pytest.fail)
    assert isinstance(value, dict)
    return value


@given(events)
@example(Posted("c", 1, 0, Participant("a", "A"), "x", None, None, '{"message":{"a":1}}'))
@example(Posted("c", 1, 0, Participant("a", "A"), "x", "", "", "{}"))
def test_an_event_says_the_same_when_it_is_read_again(event: Event) -> None:
    body = CODEC.encode(event)
    assert CODEC.decode(record(body, event)) == event


@given(changed)
def test_a_message_says_what_was_done_to_it_when_it_is_read_again(message: Message) -> None:
    body = CODEC.encode_message(message)
    assert CODEC.decode_message(record(body, message.posted)) == message
    assert CODEC.decode(record(body, message.posted)) == message.posted
    assert parsed(message_of(body))["message_id"] == message.posted.message_id


def test_of_a_reaction_the_first_who_gave_it_are_shown_and_all_are_counted() -> None:
    everybody = tuple(f"p{n}" for n in range(PARTICIPANTS_SHOWN + 5))
    message = Message(
        Posted("c", 1, 0, Participant("a", "A"), "x"), reactions=(Reaction("👍", everybody),)
    )
    shown = parsed(message_of(CODEC.encode_message(message)))["reactions"]["👍"]
    assert shown == {
        "count": PARTICIPANTS_SHOWN + 5,
        "participants": [*everybody[:PARTICIPANTS_SHOWN]],
    }


@given(events | signals)
def test_everything_is_one_object_of_json_on_one_line(message: Event | Signal) -> None:
    body = CODEC.encode(message)
    assert isinstance(parsed(body)["type"], str)
    assert b"\n" not in body
    assert b"\r" not in body
    assert b"\0" not in body


@given(posted)
def test_the_message_is_found_in_its_frame_without_parsing_it(event: Posted) -> None:
    body = CODEC.encode(event)
    assert json.loads(message_of(body)) == json.loads(body)["message"]


@given(st.lists(st.binary(max_size=200) | st.just(b"x" * 70_000), min_size=1, max_size=5))
def test_a_payload_is_a_text_frame_for_each_body(bodies: list[bytes]) -> None:
    bodies = [body.hex().encode() for body in bodies]
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(CODEC.payload(bodies))
    texts, whole = [""], True
    for event in client.events():
        assert isinstance(event, TextMessage)
        if whole:
            texts.append("")
        texts[-1] += event.data
        whole = event.message_finished
    assert texts[1:] == [body.decode() for body in bodies]


@given(times)
@example(0)
@example(999)
@example(YEAR_9999)
def test_a_time_is_read_back_to_the_millisecond(at: int) -> None:
    assert milliseconds(timestamp(at)) == at


def test_a_time_is_written_in_utc() -> None:
    assert timestamp(1_769_860_800_042) == "2026-01-31T12:00:00.042Z"


@given(receipts)
def test_a_receipt_is_the_same_over_http_and_in_a_frame(receipt: Receipt) -> None:
    answer = parsed(receipt_json(receipt))
    assert parsed(message_ack(receipt)) == {"type": "message_ack", **answer}
    assert answer == {
        "conversation_id": receipt.conversation_id,
        "message_id": receipt.message_id,
        "sequence_id": receipt.sequence,
        "timestamp": timestamp(receipt.at),
        "client_message_id": receipt.key,
        "durability": receipt.durability,
        "event_hash": receipt.event_hash,
    }


@given(refusals)
def test_a_refusal_says_what_why_and_whether_to_come_back(refusal: Refusal) -> None:
    frame = parsed(error_frame(refusal))
    assert frame == {"type": "error", **error_fields(refusal)}
    assert frame["code"] == refusal.code
    assert frame["temporary"] is TABLE[refusal.code].temporary
    assert frame["id"] == refusal.id
    assert frame["error"]
    assert {name: frame[name] for name in refusal.facts or {}} == (refusal.facts or {})
    assert frame.get("client_message_id") == refusal.key
    assert frame.get("scope") == refusal.scope
    assert ("retry_after" in frame) == (refusal.retry_after is not None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_what_json_has_no_word_for_is_not_written(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        compact(value)


def test_a_message_has_exactly_the_fields_of_the_contract() -> None:
    sender = Participant("ada", "Ada \U0001f600", "agent")
    event = Posted("c1", 7, 1_769_860_800_042, sender, 'say "hi"\n', "k", "c1-3", '{"a":[1]}')
    message = {
        "message_id": "c1-7",
        "conversation_id": "c1",
        "sequence_id": 7,
        "sender_id": "ada",
        "sender_name": "Ada \U0001f600",
        "sender_type": "agent",
        "content": 'say "hi"\n',
        "message_type": "text",
        "timestamp": "2026-01-31T12:00:00.042Z",
        "client_message_id": "k",
        "reply_to": "c1-3",
        "metadata": {"a": [1]},
    }
    frame = parsed(CODEC.encode(event))
    assert frame == {"type": "message", "sequence_id": 7, "message": message}
    assert list(frame) == ["type", "sequence_id", "message"]
    bare = parsed(CODEC.encode(Posted("c1", 7, 0, sender, "x")))
    assert bare["message"].keys() == message.keys() - {"client_message_id", "reply_to", "metadata"}


@pytest.mark.parametrize(
    ("several", "mode", "timeout"), [(False, "single", 100), (True, "multi", 2000)]
)
def test_a_newcomer_is_told_all_they_need(several: bool, mode: str, timeout: int) -> None:
    signal = Connected("c1", "ada", "x1", several, 9, 4, "e1", "reset")
    assert parsed(CODEC.encode(signal)) == {
        "type": "connected",
        "conversation_id": "c1",
        "participant_id": "ada",
        "connection_id": "x1",
        "mode": mode,
        "input_timeout": timeout,
        "head_sequence_id": 9,
        "first_sequence_id": 4,
        "oldest_sequence_id": 1,
        "epoch": "e1",
        "resume": "reset",
        "heartbeat": 25,
        "max_message_size": 10_000,
    }


@pytest.mark.parametrize(
    ("signal", "frame"),
    [
        (CaughtUp(3), {"type": "caught_up", "sequence_id": 3}),
        (Lagging(3), {"type": "lagging", "sequence_id": 3}),
        (Typing("ada", True), {"type": "typing", "participant_id": "ada", "is_typing": True}),
        (ReadMoved("ada", 3), {"type": "read", "participant_id": "ada", "sequence_id": 3}),
        (
            Presence((("ada", True), ("ben", False))),
            {
                "type": "presence",
                "changes": [
                    {"participant_id": "ada", "status": "online"},
                    {"participant_id": "ben", "status": "offline"},
                ],
            },
        ),
    ],
)
def test_signals_look_as_the_contract_says(signal: Signal, frame: dict[str, Any]) -> None:
    assert parsed(CODEC.encode(signal)) == frame
