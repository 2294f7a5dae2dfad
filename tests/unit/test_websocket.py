"""The WebSocket protocol without a socket: wsproto is the judge, this side is only faster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage
from wsproto.events import Ping as WsPing
from wsproto.events import Pong as WsPong

from salon.web.socket.websocket import (
    Binary,
    Closed,
    Ping,
    Pong,
    Received,
    Receiver,
    Text,
    close_frame,
    ping_frame,
    pong_frame,
    text_header,
)
from tests.examples import examples
from tests.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    TEXT,
    client_frame,
    close_payload,
)

LENGTHS = [0, 1, 3, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537]
LIMIT = 1000
BAD_UTF8 = [
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
]

masks = st.binary(min_size=4, max_size=4)
payloads = (
    st.text(max_size=40).map(str.encode)
    | st.binary(max_size=40)
    | st.sampled_from([b"\xf0\x9f", b"\x98\x80", b"x" * 125, b"y" * 126, b"z" * LIMIT, b"z" * 1001])
)
right_frames = st.builds(
    client_frame,
    st.sampled_from([TEXT, TEXT, TEXT, BINARY, PING, PONG]),
    st.text(max_size=30).map(str.encode),
    mask=masks,
)
fragments = st.builds(
    client_frame,
    st.sampled_from([CONTINUATION, TEXT, BINARY]),
    payloads,
    fin=st.booleans(),
    mask=masks,
)
closes = st.builds(
    lambda code, reason, mask: client_frame(CLOSE, close_payload(code) + reason, mask=mask),
    st.integers(0, 65535) | st.sampled_from([1000, 1001, 1005, 1006, 1015, 3000, 4999]),
    payloads.map(lambda payload: payload[:122]),
    masks,
)
odd_frames = st.builds(
    client_frame,
    st.integers(0, 15),
    payloads.map(lambda payload: payload[:125]),
    fin=st.booleans(),
    mask=st.none() | masks,
    reserved=st.integers(0, 7),
    form=st.sampled_from([7, 16, 64]),
)
streams = st.lists(right_frames | fragments | closes | odd_frames | st.binary(max_size=8)).map(
    b"".join
)
cuts = st.lists(st.integers(0, 4000), max_size=12)


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """The stream in pieces, none of them empty."""
    inside = sorted({place for place in places if 0 < place < len(stream)})
    return [stream[start:end] for start, end in pairwise([0, *inside, len(stream)])]


def fed(receiver: Receiver, pieces: Iterable[bytes]) -> list[Received]:
    return [message for piece in pieces for message in receiver.feed(piece)]


def judged(pieces: Sequence[bytes]) -> list[Received]:
    """What wsproto makes of the same pieces."""
    connection = Connection(ConnectionType.SERVER)
    messages: list[Received] = []
    text, chunks = "", b""
    for piece in pieces:
        connection.receive_data(piece)
        for event in connection.events():
            match event:
                case TextMessage(data=data, message_finished=finished):
                    text += data
                    if finished:
                        messages.append(Text(text))
                        text = ""
                case BytesMessage(data=data, message_finished=finished):
                    chunks += data
                    if finished:
                        messages.append(Binary(chunks))
                        chunks = b""
                case WsPing(payload=payload):
                    messages.append(Ping(bytes(payload)))
                case WsPong(payload=payload):
                    messages.append(Pong(bytes(payload)))
                case CloseConnection(code=code):
                    by_peer = connection.state is ConnectionState.REMOTE_CLOSING
                    verdict = 1000 if code == 1005 else int(code)
                    return [*messages, Closed(verdict, event.reason or "", by_peer)]
    return messages


def without_reasons(messages: Sequence[Received]) -> list[Received]:
    """Faults are worded differently on purpose."""
    return [
        Closed(each.code, "", by_peer=False)
        if isinstance(each, Closed) and not each.by_peer
        else each
        for each in messages
    ]


def size(message: Received) -> int:
    if isinstance(message, Text):
        return len(message.text.encode())
    assert isinstance(message, Binary)
    return len(message.payload)


@settings(max_examples=examples(600), deadline=None)
@given(streams, cuts)
@example(client_frame(TEXT, b"\xff") + client_frame(TEXT, "a"), [])
@example(client_frame(TEXT, b"\xff" * 50)[:20], [])
@example(client_frame(TEXT, fin=False) + client_frame(TEXT, "a"), [])
@example(client_frame(TEXT, "a", fin=False) + client_frame(PING) + client_frame(CONTINUATION), [3])
@example(client_frame(TEXT, "a" * (LIMIT + 1), fin=False) + client_frame(PING), [])
def test_any_bytes_however_cut_give_what_wsproto_gives(stream: bytes, places: list[int]) -> None:
    """Two differences are allowed: a frame is judged when it is whole, and what is too big is not read."""
    pieces = cut(stream, places)
    ours, theirs = fed(Receiver(LIMIT), pieces), judged(pieces)
    if ours and isinstance(ours[-1], Closed) and ours[-1].code == 1009 and not ours[-1].by_peer:
        ours.pop()
        # Between the parts of what is too big there may be pings.
        rest = [each for each in theirs[len(ours) :] if not isinstance(each, Ping | Pong)]
        assert not rest or isinstance(rest[0], Closed) or size(rest[0]) > LIMIT
        theirs = theirs[: len(ours)]
    elif len(ours) < len(theirs):
        late = theirs.pop()
        assert isinstance(late, Closed)
        assert not late.by_peer
    assert without_reasons(ours) == without_reasons(theirs)


@settings(max_examples=examples(300), deadline=None)
@given(streams, cuts)
def test_where_the_bytes_are_cut_makes_no_difference(stream: bytes, places: list[int]) -> None:
    whole = fed(Receiver(LIMIT), [stream] if stream else [])
    assert fed(Receiver(LIMIT), cut(stream, places)) == whole
    assert fed(Receiver(LIMIT), [bytes((byte,)) for byte in stream]) == whole


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(right_frames, max_size=3), odd_frames | fragments | closes)
def test_a_fault_is_told_once_its_frame_is_whole(before: list[bytes], last: bytes) -> None:
    stream = b"".join([*before, last])
    receiver = Receiver(0)
    ours = fed(receiver, [stream]) or [Text("")]
    theirs = judged([stream]) or [Text("")]
    if isinstance(theirs[-1], Closed) and not isinstance(ours[-1], Closed):
        ours += receiver.feed(b"\0" * 70_000)
    if isinstance(theirs[-1], Closed):
        assert without_reasons(ours)[-1] == without_reasons(theirs)[-1]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("mask", [MASK, b"\0\0\0\0", b"\xff\0\xff\0"], ids=bytes.hex)
def test_texts_of_every_length_arrive_as_they_were_sent(length: int, mask: bytes) -> None:
    text = "".join(chr(97 + place % 26) for place in range(length))
    stream = client_frame(TEXT, text, mask=mask) + client_frame(TEXT, "after", mask=mask)
    assert fed(Receiver(0), [stream]) == [Text(text), Text("after")]
    for place in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, len(stream) - 12):
        assert fed(Receiver(0), cut(stream, [place])) == [Text(text), Text("after")]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_client_reads_what_is_written_here(length: int) -> None:
    body = ("é" * length).encode()[:length] if length % 2 == 0 else b"a" * length
    stream = text_header(len(body)) + body + ping_frame(b"p") + pong_frame(b"q") + ping_frame()
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(stream + close_frame(4001, "no answer"))
    text, ping, pong, empty, closed = _joined(client)
    assert text == body.decode()
    assert ping == WsPing(b"p")
    assert pong == WsPong(b"q")
    assert empty == WsPing(b"")
    assert closed == CloseConnection(4001, "no answer")


def _joined(client: Connection) -> list[object]:
    """The events of a client, with the parts of a text put together."""
    joined: list[object] = []
    text = ""
    for event in client.events():
        if isinstance(event, TextMessage):
            text += event.data
            if event.message_finished:
                joined.append(text)
        else:
            joined.append(event)
    return joined


@given(st.text(max_size=60), st.lists(st.integers(0, 240), max_size=5), st.data())
def test_a_text_in_fragments_is_one_text_and_control_frames_pass_it(
    text: str, places: list[int], data: st.DataObject
) -> None:
    parts = cut(text.encode(), places) if text else [b"", b""]
    stream, expected = b"", list[Received]()
    for number, part in enumerate(parts):
        for payload in data.draw(st.lists(st.binary(max_size=3), max_size=2)):
            stream += client_frame(PING, payload) + client_frame(PONG, payload)
            expected += Ping(payload), Pong(payload)
        opcode = CONTINUATION if number else TEXT
        stream += client_frame(opcode, part, fin=number == len(parts) - 1)
    stream += client_frame(BINARY, b"\xff")
    assert fed(Receiver(0), [stream]) == [*expected, Text(text), Binary(b"\xff")]
    assert fed(Receiver(0), cut(stream, places)) == [*expected, Text(text), Binary(b"\xff")]


@pytest.mark.parametrize("bad", BAD_UTF8, ids=bytes.hex)
def test_what_is_not_utf8_is_refused_wherever_it_is_split(bad: bytes) -> None:
    payload = "grün".encode() + bad
    verdict = [Closed(1007, "text that is not UTF-8", by_peer=False)]
    for place in range(len(payload) + 1):
        first = client_frame(TEXT, payload[:place], fin=False)
        stream = first + client_frame(CONTINUATION, payload[place:])
        assert fed(Receiver(0), [stream]) == verdict
        assert fed(Receiver(0), [bytes((byte,)) for byte in stream]) == verdict
    assert fed(Receiver(0), [client_frame(TEXT, payload)]) == verdict


@pytest.mark.parametrize(
    "frame",
    [
        client_frame(TEXT, "a", mask=None),
        client_frame(TEXT, "a", reserved=4),
        client_frame(TEXT, "a", reserved=1),
        client_frame(3, "a"),
        client_frame(0xB),
        client_frame(CONTINUATION, "a"),
        client_frame(PING, fin=False),
        client_frame(PING, b"x" * 126),
        client_frame(CLOSE, b"x"),
        client_frame(CLOSE, close_payload(999)),
        client_frame(CLOSE, close_payload(1005)),
        client_frame(CLOSE, close_payload(5000)),
        client_frame(TEXT, b"a" * 125, form=16),
        client_frame(TEXT, b"a" * 65535, form=64),
        client_frame(TEXT)[:1] + b"\xff" + (1 << 63).to_bytes(8, "big"),
    ],
    ids=lambda frame: frame[:4].hex(),
)
def test_what_no_client_may_send_ends_the_connection_in_plain_words(frame: bytes) -> None:
    receiver = Receiver(0)
    messages = fed(receiver, [client_frame(TEXT, "before") + frame])
    assert messages == [Text("before"), Closed(1002, "not the WebSocket protocol", by_peer=False)]


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        (b"", 1000, ""),
        (close_payload(1000), 1000, ""),
        (close_payload(1001, "off"), 1001, "off"),
        (close_payload(4321, "grün"), 4321, "grün"),
        (close_payload(3000, "x" * 123), 3000, "x" * 123),
    ],
)
def test_a_close_of_the_peer_is_answered_with_its_own_code(
    payload: bytes, code: int, reason: str
) -> None:
    assert fed(Receiver(0), [client_frame(CLOSE, payload)]) == [Closed(code, reason, by_peer=True)]


def test_a_reason_that_is_no_text_is_a_fault() -> None:
    (closed,) = fed(Receiver(0), [client_frame(CLOSE, close_payload(1000) + b"\xff")])
    assert closed == Closed(1007, "text that is not UTF-8", by_peer=False)


@pytest.mark.parametrize(
    "last", [client_frame(CLOSE), client_frame(TEXT, b"\xff"), client_frame(TEXT, b"x" * 2000)]
)
def test_after_the_end_nothing_is_taken(last: bytes) -> None:
    receiver = Receiver(LIMIT)
    assert len(receiver.feed(last + client_frame(TEXT, "late"))) == 1
    assert receiver.feed(client_frame(TEXT, "later")) == []


@pytest.mark.parametrize("limit", [1, 100, 125, 126, 1000, 65535, 65536, 131072])
class TestLimit:
    def test_as_much_as_is_allowed_passes(self, limit: int) -> None:
        stream = client_frame(TEXT, b"a" * limit)
        assert fed(Receiver(limit), [stream]) == [Text("a" * limit)]

    def test_one_byte_more_does_not(self, limit: int) -> None:
        stream = client_frame(TEXT, b"a" * (limit + 1))
        (closed,) = fed(Receiver(limit), [stream])
        assert closed == Closed(1009, "message too big", by_peer=False)

    def test_it_is_the_announcement_that_is_refused(self, limit: int) -> None:
        frame = client_frame(BINARY, b"a" * (limit + 1))
        header = frame[: len(frame) - limit - 1 - len(MASK)]
        (closed,) = fed(Receiver(limit), [header])
        assert closed == Closed(1009, "message too big", by_peer=False)

    def test_fragments_count_together(self, limit: int) -> None:
        receiver = Receiver(limit)
        first = client_frame(TEXT, b"a" * limit, fin=False)
        assert fed(receiver, [first, client_frame(PING), client_frame(CONTINUATION)]) == [
            Ping(b""),
            Text("a" * limit),
        ]
        (closed,) = fed(receiver, [first, client_frame(CONTINUATION, b"a")])
        assert closed == Closed(1009, "message too big", by_peer=False)

    def test_control_frames_are_small_anyway(self, limit: int) -> None:
        assert fed(Receiver(limit), [client_frame(PING, b"p" * 125)]) == [Ping(b"p" * 125)]


def test_fragments_of_nothing_count_too() -> None:
    receiver = Receiver(LIMIT)
    stream = client_frame(TEXT, fin=False) + client_frame(CONTINUATION, fin=False) * (LIMIT - 1)
    assert fed(receiver, [stream]) == []
    (closed,) = fed(receiver, [client_frame(CONTINUATION, b"a", fin=False)])
    assert closed == Closed(1009, "message too big", by_peer=False)


@given(st.text())
def test_a_close_frame_is_as_long_as_it_may_be_and_ends_with_a_whole_character(reason: str) -> None:
    client = Connection(ConnectionType.CLIENT)
    frame = close_frame(4000, reason)
    assert len(frame) <= 127
    client.receive_data(frame)
    (closed,) = client.events()
    assert isinstance(closed, CloseConnection)
    assert closed.code == 4000
    said = closed.reason or ""
    assert reason.startswith(said)
    assert said == reason or len((said + reason[len(said)]).encode()) > 123
