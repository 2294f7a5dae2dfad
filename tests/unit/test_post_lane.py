"""What the fast lane of HTTP takes for its own: only what nobody can read in two ways."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from salon.web.api.post_lane import PostLane
from salon.web.http import HEAD_BYTES

HEAD = (
    b"POST /chat/abc/messages HTTP/1.1\r\nHost: salon\r\nAuthorization: Bearer t\r\n"
    b"Content-Length: 2\r\n"
)


@pytest.fixture
def lane() -> PostLane:
    parts: Any = SimpleNamespace(
        settings=SimpleNamespace(limits=SimpleNamespace(max_body_size=1000))
    )
    return PostLane(parts)


def test_a_plain_request_is_read_to_its_end(lane: PostLane) -> None:
    data = HEAD + b"Idempotency-Key: k\r\n\r\n{}POST"
    wanted = lane.read(data)
    assert wanted is not None
    assert (wanted.conversation_id, wanted.token, wanted.key) == ("abc", "t", "k")
    assert data[wanted.head : wanted.size] == b"{}"


@pytest.mark.parametrize(
    "more", [b"", b"connection: Keep-Alive\r\n", b"User-Agent: x\r\nAccept: */*\r\n"]
)
def test_what_clients_send_besides_does_not_matter(lane: PostLane, more: bytes) -> None:
    assert lane.read(HEAD + more + b"\r\n{}") is not None


def test_a_head_that_is_not_whole_is_not_read(lane: PostLane) -> None:
    data = HEAD + b"\r\n"
    assert all(lane.read(data[:at]) is None for at in range(len(data)))


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: close",
        b"Connection: keep-alive, Upgrade",
        b"Content-Length: 2",
        b"Content-Encoding: gzip",
        b"Content-Encoding: identity",
        b"Authorization: Bearer t",
        b"Host: salon",
        b"X: " + b"x" * HEAD_BYTES,
        b"Cookie: salon_session=x",
        b"Expect: 100-continue",
        b"Origin: https://example.org",
        b"Transfer-Encoding: chunked",
        b"Upgrade: h2c",
        b" folded",
        b"no colon",
        b"Name : spaced",
        b"X: \x00",
        b"X: a\rb",
        b"X: \xe4",
    ],
)
def test_what_could_change_the_meaning_is_left_to_others(lane: PostLane, line: bytes) -> None:
    assert lane.read(HEAD + line + b"\r\n\r\n{}") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"post"),
        (b"POST", b"PUT"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"/messages", b"/messages/"),
        (b"/messages", b"/messages?x=1"),
        (b"abc", b"a%62c"),
        (b"abc", b"x" * 65),
        (b"Host: salon\r\n", b""),
        (b"Authorization: Bearer t\r\n", b""),
        (b"Bearer t", b"Basic t"),
        (b"Content-Length: 2\r\n", b""),
        (b"Content-Length: 2", b"Content-Length: +2"),
        (b"Content-Length: 2", b"Content-Length: 2, 2"),
        (b"Content-Length: 2", b"Content-Length: 1001"),
        (b"\r\n", b"\n"),
    ],
)
def test_nor_is_any_other_request_read_here(lane: PostLane, old: bytes, new: bytes) -> None:
    assert old in HEAD
    assert lane.read((HEAD + b"\r\n{}").replace(old, new)) is None
