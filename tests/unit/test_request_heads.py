"""What Hypercorn gets to see of a connection. h11, which reads it there, is the judge here too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from salon.web.http.request_heads import HEAD_BYTES, TAKEN_OUT, RequestHeads
from tests.examples import examples
from tests.raw import request, upgrade

WEBSOCKET = upgrade("/chat/ws/x", Sec_WebSocket_Extensions="permessage-deflate")
GET = request("GET", "/health")
POST = request("POST", "/chat/create", b'{"title":"Lunch"}')
CHUNKED = (
    request("POST", "/chat/create", Transfer_Encoding="chunked")
    + b"3\r\n{}\n\r\n2;x=y\r\n  \r\n0\r\n\r\n"
)

# RequestHeads right and wrong, put together of pieces that two readers of HTTP have been known to read in two ways.
starts = st.sampled_from(
    [
        b"GET /chat/ws/x HTTP/1.1",
        b"get /chat/ws/x HTTP/1.1",
        b"POST / HTTP/1.1",
        b"GET / HTTP/1.0",
        b"GET / HTTP/2.0",
        b"GET / HTTP/1.9",
        b"GET http://salon/chat HTTP/1.1",
        b"GET http://[ HTTP/1.1",
        b"GET ?x HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET /\tx HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"",
        b"GET",
        b"\r",
    ]
)
odd_lines = st.sampled_from(
    [
        b"Upgrade: websocket",
        b"upgrade:WebSocket\t",
        b"Upgrade: h2c",
        b"Upgrade : websocket",
        b"Upgrade: h2c, websocket",
        b"Upgrade:",
        b"Upgrade",
        b"Upgrade: websocket\r",
        b"Connection: Upgrade\0",
        b"Connection: Upgrade",
        b"Connection: keep-alive, upgrade",
        b"Connection: close",
        b"Connection: Upgrade, HTTP2-Settings",
        b"HTTP2-Settings: AAMAAABkAAQAAP__",
        b"Sec-WebSocket-Extensions: permessage-deflate",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Version: 8",
        b"Content-Length: 0",
        b"Content-Length: 3",
        b"Content-Length: 3, 3",
        b"content-length:\t3",
        b"Content-Length: +3",
        b"Content-Length: 0x3",
        b"Content-Length : 3",
        b"Content-Length: 3\r",
        b"Content-Length:",
        b"Content-Length: \xb2",
        b"Content-Length: " + b"9" * 5000,
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding:\x0bchunked",
        b" folded",
        b"\tchunked",
        b"X: y",
        b"X: y\0",
        b"no colon",
        b": no name",
        b"Host: other",
    ]
)
ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r\r\n"])


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    lines = [draw(starts | st.just(b"GET /chat/ws/x HTTP/1.1")), b"Host: salon"]
    lines += draw(st.lists(odd_lines, max_size=6))
    return b"".join(line + draw(ends) for line in lines) + draw(st.sampled_from([b"\r\n", b"\n"]))


wild_streams = st.lists(
    heads() | st.sampled_from([WEBSOCKET, GET, POST, CHUNKED, b"abc", b"0\r\n\r\n"]), max_size=4
).map(b"".join)
names = st.from_regex(r"X-[A-Za-z0-9-]{1,8}", fullmatch=True)
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
right_requests = st.one_of(
    st.builds(
        lambda method, path, body, fields: request(
            method,
            f"/{path}",
            body,
            **{name.replace("-", "_"): text for name, text in fields.items()},
        ),
        st.sampled_from(["GET", "POST", "DELETE", "PATCH"]),
        st.from_regex(r"[a-z/?=&%0-9]{0,12}", fullmatch=True),
        st.binary(max_size=30) | st.sampled_from([b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]),
        st.dictionaries(names, values, max_size=4),
    ),
    st.sampled_from([GET, POST]),
)
cuts = st.lists(st.integers(0, 1500), max_size=8)


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """The stream in pieces, none of them empty."""
    inside = sorted({place for place in places if 0 < place < len(stream)})
    return [stream[start:end] for start, end in pairwise([0, *inside, len(stream)]) if start < end]


def fed(reader: RequestHeads, pieces: Iterable[bytes]) -> bytes:
    return b"".join(map(reader.feed, pieces))


@dataclass
class Exchange:
    """One request as a server saw it."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""


@dataclass
class Judge:
    """A server of h11 that answers every request."""

    requests: list[Exchange] = field(default_factory=list)
    refused_with: int | None = None
    # What follows the request that Hypercorn takes for a WebSocket
    after_upgrade: bytes | None = None

    def read(self, stream: bytes) -> Judge:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES - 1)
        connection.receive_data(stream)
        try:
            while stream:
                event = connection.next_event()
                if isinstance(event, h11.Request):
                    self._begin(event)
                    if self.after_upgrade is None and hypercorn_takes_for_websocket(event):
                        self.after_upgrade = connection.trailing_data[0]
                        break
                elif isinstance(event, h11.Data):
                    self.requests[-1].body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    connection.send(h11.Response(status_code=204, headers=[]))
                    connection.send(h11.EndOfMessage())
                    if connection.our_state is not h11.DONE:
                        break  # it was the last on this connection
                    connection.start_next_cycle()
                else:
                    break
        except h11.RemoteProtocolError as error:
            self.refused_with = error.error_status_hint
        return self

    def _begin(self, event: h11.Request) -> None:
        kept = [(name, value) for name, value in event.headers if name not in TAKEN_OUT]
        self.requests.append(Exchange(event.method, event.target, kept))


def hypercorn_takes_for_websocket(event: h11.Request) -> bool:
    """The rule of hypercorn/protocol/h11.py: the last of each header counts."""
    fields = {name: value.decode("latin1").strip().lower() for name, value in event.headers}
    options = [option.strip() for option in fields.get(b"connection", "").split(",")]
    return (
        "upgrade" in options
        and fields.get(b"upgrade") == "websocket"
        and event.method.upper() == b"GET"
    )


@settings(max_examples=examples(600), deadline=None)
@given(wild_streams | st.binary(max_size=60), cuts)
def test_where_the_bytes_are_cut_makes_no_difference(stream: bytes, places: list[int]) -> None:
    whole, pieces, bytewise = RequestHeads(), RequestHeads(), RequestHeads()
    passed = fed(whole, [stream])
    assert fed(pieces, cut(stream, places)) == passed
    assert fed(bytewise, [bytes((byte,)) for byte in stream]) == passed
    assert whole.upgrade == pieces.upgrade == bytewise.upgrade
    assert whole.rest == pieces.rest == bytewise.rest
    assert whole.pending == pieces.pending == bytewise.pending


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(right_requests, min_size=1, max_size=4), st.booleans())
@example([request("GET", "/", Upgrade="h2c", Connection="Upgrade, HTTP2-Settings")], False)
def test_right_requests_pass_as_they_are(stream: list[bytes], chunked: bool) -> None:
    sent = b"".join(stream) + (CHUNKED if chunked else b"")
    expected, seen = Judge().read(sent), Judge().read(RequestHeads().feed(sent))
    assert seen.requests == expected.requests
    assert len(seen.requests) == len(stream) + chunked
    assert seen.refused_with is None


@settings(max_examples=examples(500), deadline=None)
@given(wild_streams)
@example(WEBSOCKET + b"\x81")
@example(WEBSOCKET.replace(b"GET", b"get") + b"\x81")
@example(WEBSOCKET.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\nx"))
@example(WEBSOCKET.replace(b"\r\n\r\n", b"\r\nX: y\r\n folded\r\n\r\nx"))
@example(WEBSOCKET.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx"))
@example(GET + WEBSOCKET + b"\x81")
def test_whatever_comes_hypercorn_sees_no_byte_behind_an_upgrade(stream: bytes) -> None:
    reader = RequestHeads()
    passed = reader.feed(stream)
    judge = Judge().read(passed)
    assert not judge.after_upgrade
    if judge.refused_with is None:
        assert (judge.after_upgrade is not None) == reader.upgrade
    assert stream.endswith(reader.rest)
    if reader.upgrade:
        assert len(reader.rest) < len(stream)


@settings(max_examples=examples(500), deadline=None)
@given(wild_streams)
def test_whatever_comes_hypercorn_is_offered_nothing_but_http_1(stream: bytes) -> None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(RequestHeads().feed(stream) or b"\0")
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return
    if isinstance(event, h11.Request):
        assert event.method != b"PRI"
        assert event.http_version in (b"1.0", b"1.1")
        fields = dict(event.headers)
        assert fields.get(b"upgrade", b"websocket") == b"websocket"
        assert fields.keys().isdisjoint({b"http2-settings", b"sec-websocket-extensions"})


@settings(max_examples=examples(500), deadline=None)
@given(wild_streams)
def test_whatever_comes_no_request_is_seen_that_was_not_sent(stream: bytes) -> None:
    """A request that hides in another's body is how one client speaks in another's name behind a proxy."""
    sent, seen = Judge().read(stream), Judge().read(RequestHeads().feed(stream))
    for theirs, ours in zip(sent.requests, seen.requests, strict=False):
        assert (ours.method, ours.target) == (theirs.method, theirs.target)
        taken = sent.after_upgrade is not None and theirs is sent.requests[-1]
        # Whoever takes it for a WebSocket reads no body: what would be one is what follows.
        assert ((sent.after_upgrade or b"") if taken else theirs.body).startswith(ours.body)
    assert len(seen.requests) <= len(sent.requests) or sent.after_upgrade is not None


@pytest.mark.parametrize("chunk", [1, 7, 10**6])
def test_an_upgrade_passes_and_what_follows_is_kept(chunk: int) -> None:
    reader = RequestHeads()
    stream = WEBSOCKET + b"\x81\x80\0\0\0\0"
    passed = fed(reader, [stream[at : at + chunk] for at in range(0, len(stream), chunk)])
    assert reader.upgrade
    assert reader.rest == b"\x81\x80\0\0\0\0"
    assert b"permessage-deflate" not in passed
    assert passed.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "head",
    [
        WEBSOCKET.replace(b"GET", b"POST"),
        WEBSOCKET.replace(b"Connection: Upgrade\r\n", b""),
        WEBSOCKET.replace(b"Version: 13", b"Version: 8"),
        WEBSOCKET.replace(b"Sec-WebSocket-Key", b"X-Key"),
        WEBSOCKET.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        WEBSOCKET.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"),
    ],
)
def test_what_is_no_upgrade_is_a_plain_request_and_the_connection_goes_on(head: bytes) -> None:
    reader = RequestHeads()
    body = b"hello" if b"Content-Length" in head else b""
    judge = Judge().read(reader.feed(head + body + GET))
    assert not reader.upgrade
    assert [exchange.target for exchange in judge.requests] == [b"/chat/ws/x", b"/health"]


@pytest.mark.parametrize(
    "head",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI / HTTP/2.0\r\n\r\n",
        b"GET ?x HTTP/1.1\r\nHost: salon\r\n\r\n",
        b"GET http://[/ HTTP/1.1\r\nHost: salon\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: salon\r\nX: y\r\n folded\r\n\r\n",
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_not_understood_is_answered_in_its_turn_and_ends_the_connection(
    head: bytes,
) -> None:
    reader = RequestHeads()
    judge = Judge().read(fed(reader, [POST + head + GET, GET]))
    assert [exchange.target for exchange in judge.requests] == [b"/chat/create"]
    assert judge.refused_with == 400
    assert not reader.pending


@pytest.mark.parametrize("first", [b"\0", b"\x16\x03\x01", b" ", b"\t", b"\r", b"\n"])
def test_what_cannot_become_a_head_is_not_waited_for(first: bytes) -> None:
    """TLS, for one, where it is not spoken: its client should not have to wait for an answer."""
    reader = RequestHeads()
    judge = Judge().read(reader.feed(GET + first))
    assert (len(judge.requests), judge.refused_with) == (1, 400)
    assert not reader.pending


@pytest.mark.parametrize("chunk", [1000, 4096, 10**6])
class TestLength:
    def fed(self, size: int, chunk: int) -> tuple[RequestHeads, Judge]:
        head = request("GET", "/", X="")[:-4]
        head += b"y" * (size - len(head) - 4) + b"\r\n\r\n"
        assert len(head) == size
        reader = RequestHeads()
        stream = head + GET
        pieces = [stream[at : at + chunk] for at in range(0, len(stream), chunk)]
        return reader, Judge().read(fed(reader, pieces))

    def test_a_head_of_the_greatest_length_passes(self, chunk: int) -> None:
        _, judge = self.fed(HEAD_BYTES, chunk)
        assert len(judge.requests) == 2

    @pytest.mark.parametrize("more", [1, 2, 5, 100_000])
    def test_a_longer_one_is_answered_by_h11(self, chunk: int, more: int) -> None:
        reader, judge = self.fed(HEAD_BYTES + more, chunk)
        assert judge.requests == []
        assert judge.refused_with == 431
        assert not reader.pending
        assert reader.feed(GET) == b""

    def test_a_body_may_be_longer(self, chunk: int) -> None:
        body = b"\r\n\r\n" * HEAD_BYTES
        stream = request("POST", "/", body) + GET
        pieces = [stream[at : at + chunk] for at in range(0, len(stream), chunk)]
        judge = Judge().read(fed(RequestHeads(), pieces))
        assert [len(exchange.body) for exchange in judge.requests] == [len(body), 0]


def test_a_body_is_passed_as_it_comes() -> None:
    reader = RequestHeads()
    head = request("POST", "/", Content_Length="10")
    sent = [head[:-1], head[-1:] + b"01234", b"567", b"89" + GET[:4]]
    passed = [(reader.feed(piece)[-5:], reader.pending) for piece in sent]
    assert passed == [(b"", True), (b"01234", False), (b"567", False), (b"89", True)]


@pytest.mark.parametrize(
    "last",
    [
        request("POST", "/", b"hello", Connection="close"),
        request("POST", "/", b"hello").replace(b"HTTP/1.1", b"HTTP/1.0"),
        WEBSOCKET.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_after_the_last_request_nothing_more_is_passed(last: bytes) -> None:
    """Old clients send a line break behind a body; h11 would take that for a reason to refuse the request itself."""
    reader = RequestHeads()
    judge = Judge().read(reader.feed(last + b"\r\n" + WEBSOCKET))
    assert len(judge.requests) == 1
    assert judge.refused_with is None
    assert not reader.upgrade
    assert not reader.pending
    assert reader.feed(GET) == b""


@pytest.mark.parametrize("name", sorted(TAKEN_OUT))
def test_what_must_not_reach_hypercorn_does_not(name: bytes) -> None:
    for spelled in (name, name.upper(), name.title()):
        head = GET[:-2] + spelled + b": x, y\r\n\r\n"
        assert RequestHeads().feed(head) == GET


@pytest.mark.parametrize("value", [b"close", b"Close", b"keep-alive, close", b"x,\tclose"])
def test_a_client_may_ask_for_the_end_of_the_connection(value: bytes) -> None:
    passed = RequestHeads().feed(GET[:-2] + b"Connection: " + value + b"\r\n\r\n")
    assert passed == GET[:-2] + b"Connection: close\r\n\r\n"
