"""The client's WebSocket codec: bytes in and out, without a stream."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    TextMessage,
)

from salon.web.client import Closed
from salon.web.client.wire import Codec


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


MESSAGES = st.lists(st.one_of(st.text(max_size=200), st.just("x" * 70_000), st.just("ü" * 300)))


@settings(deadline=None)
@given(MESSAGES, st.lists(st.integers(0, 10**6)), st.data())
def test_messages_come_out_whole_however_the_bytes_are_cut(
    texts: list[str], cuts: list[int], data: st.DataObject
) -> None:
    server, written = Connection(ConnectionType.SERVER), b""
    for text in texts:
        half = data.draw(st.integers(0, len(text)))
        if data.draw(st.booleans()):
            first, second = text[:half], text[half:]
            written += server.send(TextMessage(data=first, message_finished=False))
            written += server.send(Ping(payload=b"p"))
            written += server.send(TextMessage(data=second))
        else:
            written += server.send(TextMessage(data=text))
    codec = Codec()
    for piece in in_pieces(written, cuts):
        answer = codec.receive(piece)
        server.receive_data(answer)
    assert list(codec.texts) == texts
    assert all(isinstance(reply, Pong) for reply in server.events())


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (b"", 1006),
        (b"\x81\x02\xff\xff", 1007),
        (b"\xc1\x00", 1002),
        (b"\x81\x80\0\0\0\0", 1002),
        (b"\x81\x7f" + (2**40).to_bytes(8, "big"), 1006),
        (Connection(ConnectionType.SERVER).send(BytesMessage(data=b"x")), 1003),
        (Connection(ConnectionType.SERVER).send(CloseConnection(code=4000, reason="r")), 4000),
        (b"\x88\x00", 1005),
        (b"\x01\x01a\x81\x01b", 1002),
    ],
)
def test_the_codec_ends_with_the_code_of(written: bytes, code: int) -> None:
    codec = Codec()
    codec.receive(written)
    assert codec.closed is not None
    assert codec.closed.code == code
    with pytest.raises(Closed):
        codec.encode(["too late"])
