"""What goes over NATS: parts come out as they went in, or not at all; and the stream may be cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.web.cluster import nats_protocol as nats
from salon.web.cluster.parcels import Packer, Unpacker

PARTS = st.lists(st.binary(max_size=200), max_size=12)


@given(turns=st.lists(PARTS, max_size=5), limit=st.integers(9, 300))
def test_parts_come_out_as_they_went_in_in_messages_that_are_not_too_large(
    turns: list[list[bytes]], limit: int
) -> None:
    packer, unpacker = Packer(), Unpacker()
    came: list[bytes] = []
    for parts in turns:
        for message in packer.pack(parts, limit):
            assert len(message) <= limit
            came += unpacker.unpack(message)
    assert came == [part for parts in turns for part in parts]
    assert unpacker.lost == 0


@given(
    turns=st.lists(PARTS, max_size=5),
    limit=st.integers(9, 300),
    data=st.data(),
)
def test_of_messages_that_are_lost_or_come_in_another_order_no_part_is_made_that_nobody_sent(
    turns: list[list[bytes]], limit: int, data: st.DataObject
) -> None:
    packer, unpacker = Packer(), Unpacker()
    # Each part is another, so that two halves of different ones cannot look like one of them.
    sent = [
        [b"%d:%d:" % (n, at) + part for at, part in enumerate(parts)]
        for n, parts in enumerate(turns)
    ]
    messages = [message for parts in sent for message in packer.pack(parts, limit)]
    chosen = data.draw(
        st.lists(st.sampled_from(messages), max_size=20) if messages else st.just([])
    )
    came = [part for message in chosen for part in unpacker.unpack(message)]
    assert set(came) <= {part for parts in sent for part in parts}


@given(st.binary(max_size=64))
def test_bytes_that_no_node_has_packed_are_refused_or_are_parts(data: bytes) -> None:
    try:
        parts = Unpacker().unpack(data)
    except ValueError:
        return
    assert all(part in data for part in parts)


STREAM = (
    b'INFO {"max_payload": 100, "tls_required": false, "nonce": "n"}\r\n'
    b"PING\r\n+OK\r\nPONG\r\n"
    b"MSG salon.b 1 salon.a 5\r\n\r\n\r\n!\r\n"
    b"MSG salon.b 1 0\r\n\r\n"
    b"-ERR 'Stale Connection'\r\n"
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_a_stream_says_the_same_wherever_it_is_cut(cuts: list[int]) -> None:
    parser = nats.Parser()
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [event for a, b in pairwise(edges) for event in parser.feed(STREAM[a:b])]
    assert found == [
        nats.Info(100, False, False, "n", False),
        nats.Pinged(),
        nats.Ponged(),
        nats.Delivered("salon.b", "salon.a", b"\r\n\r\n!"),
        nats.Delivered("salon.b", "", b""),
        nats.Refused("Stale Connection"),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"INFO {\r\n",
        b'INFO {"max_payload": "much"}\r\n',
        b"MSG a 1 b c 5\r\n",
        b"MSG a 1 -5\r\n",
        b"MSG a 1 99999999999\r\n",
        b"MSG a 1 2\r\nabcd",
        b"x" * (nats.LINE + 1),
    ],
)
def test_what_is_not_nats_is_refused(wrong: bytes) -> None:
    with pytest.raises(nats.ProtocolError):
        nats.Parser().feed(wrong)
