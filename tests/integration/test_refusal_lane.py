"""The fast lane of refusals: whoever is nobody is refused before Hypercorn, in the very bytes that Quart refuses them with."""

from __future__ import annotations

import math
import re
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
import trio.testing

from salon.web.api.refusal_lane import RefusalLane
from salon.web.http.refusal_pace import RefusalPace
from tests.inside import OPERATOR, TOKEN, serving
from tests.raw import Line, open_line, request, upgrade

SHOP = "https://shop.example"
ODD = {"X_Odd": "é"}  # what makes the lane leave a request to Hypercorn and Quart-Trio
ID = re.compile(rb'"id":"[\w-]{22}"')
DATE = re.compile(rb"date: [^\r]+")
LONG = 3_000_000  # bytes: longer than a body may be, and than an upload is waited for


@pytest.fixture
async def shop() -> AsyncIterator[str]:
    async with serving(allowed_origins=[SHOP]) as url:
        yield url


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each head that the lane looked at, whether it refused."""
    seen: list[bool] = []
    deny = RefusalLane.deny

    async def watched(self: RefusalLane, data: bytes) -> Any:
        denial = await deny(self, data)
        seen.append(denial is not None)
        return denial

    monkeypatch.setattr(RefusalLane, "deny", watched)
    return seen


async def operations(url: str) -> list[tuple[str, str, bool]]:
    """All that the interface's document has: method, path, and whether it is open to strangers."""
    async with open_line(url) as line:
        await line.send(request("GET", "/openapi.json", Connection="close"))
        paths = (await line.answer()).json()["paths"]
    return [
        (method.upper(), re.sub(r"{\w+}", "7", path), operation.get("security") == [])
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


def bare(data: bytes) -> bytes:
    """The bytes of answers without what differs from one to the next."""
    return DATE.sub(b"date", ID.sub(b'"id"', data))


async def whole(line: Line, data: bytes) -> bytes:
    """All that is answered to a request which is the last of its connection."""
    await line.send(data)
    return bare(await line.end())


async def test_every_route_that_needs_an_identity_refuses_nobody_in_the_same_bytes_as_quart(
    url: str, taken: list[bool]
) -> None:
    closed = [each for each in await operations(url) if not each[2]]
    assert len(closed) > 90
    for method, path, _ in closed:
        taken.clear()
        answers = []
        for odd in ({}, ODD):
            async with open_line(url) as line:
                asked = request(method, path, token="wrong", Connection="close", **odd)
                answers.append(await whole(line, asked))
        assert answers[0] == answers[1], f"{method} {path}"
        assert answers[0].startswith(b"HTTP/1.1 401 "), f"{method} {path}"
        # The lane of messages, which takes those with a length, has none of these.
        assert taken == [True, False], f"{method} {path}"


async def test_a_route_that_is_open_to_strangers_stays_open_to_wrong_tokens(
    url: str, taken: list[bool]
) -> None:
    opened = [each for each in await operations(url) if each[2]]
    assert len(opened) > 15
    taken.clear()
    for method, path, _ in opened:
        async with open_line(url) as line:
            await line.send(request(method, path, token="wrong", Connection="close"))
            assert (await line.answer()).status != 401, f"{method} {path}"
    assert not any(taken)


def sized(method: str, path: str, size: int, **headers: str) -> bytes:
    """A request that announces more than the two bytes which it has."""
    asked = request(method, path, b"{}", "wrong", **headers)
    return asked.replace(b"Content-Length: 2", b"Content-Length: %d" % size)


def pieces(method: str, path: str) -> bytes:
    head = request(method, path, token="wrong", Transfer_Encoding="chunked")
    return head + b"2\r\n{}\r\n0\r\n\r\n"


FORMS: dict[str, bytes] = {
    "nothing": request("GET", "/auth/me"),
    "another scheme": request("GET", "/auth/me", Authorization="Basic eDp5"),
    "a cookie": request("GET", "/auth/me", Cookie="theme=dark; salon_session=x"),
    "a cookie of this host": request("POST", "/auth/ticket", Cookie="__Host-salon_session=x"),
    "both": request("GET", "/auth/me", token="wrong", Cookie="salon_session=y"),
    "only its head": request("HEAD", "/auth/me", token="wrong"),
    "an allowed origin": request("GET", "/auth/me", token="wrong", Origin=SHOP),
    "an allowed origin and a session": request(
        "DELETE", "/me", Cookie="salon_session=x", Origin=SHOP
    ),
    "another origin": request("PATCH", "/auth/me", token="wrong", Origin="https://b.example"),
    "no origin at all": request("POST", "/auth/session", token="wrong", Origin="null"),
    "the end": request("GET", "/auth/me", token="wrong", Connection="Close, x"),
    "an old version": request("GET", "/auth/me", token="wrong").replace(b"/1.1", b"/1.0"),
    "a body": request("POST", "/chat/create", b"{}", "wrong"),
    "a body and the end": request("POST", "/chat/create", b"{}", "wrong", Connection="close"),
    "a body where none belongs": request("GET", "/auth/me", b"{}", "wrong"),
    "a body that is expected": request(
        "POST", "/chat/create", b"{}", "wrong", Expect="100-Continue"
    ),
    "a body that stops": sized("POST", "/chat/create", 3),
    "a body that stops where none belongs": sized("GET", "/auth/me", 3),
    "a body that is too long": sized("POST", "/chat/create", LONG),
    "a body that is too long, and the end": sized("POST", "/chat/create", LONG, Connection="close"),
    "a body in pieces": pieces("POST", "/chat/create"),
    "an upload": request("POST", "/chat/c/files?name=a", b"{}", "wrong"),
    "an upload without a length": request("POST", "/chat/c/files?name=a", token="wrong"),
    "a long upload": sized("POST", "/chat/c/files?name=a", LONG),
    "a message without a length": request("POST", "/chat/c/messages", token="wrong"),
    "a path with two slashes": request("GET", "//auth/me", token="wrong"),
    "an escaped path": request("GET", "/chat/%63/messages?after=x", token="wrong"),
    "a long token": request("GET", "/auth/me", token="x" * 9000),
    "a stream": request("GET", "/chat/c/events", token="wrong"),
    "a stream from another origin": request(
        "GET", "/chat/c/events", token="wrong", Origin="https://b.example"
    ),
    "a stream with a token in its address": request("GET", "/me/events?x=1&token=y"),
    "a stream with a token and a ticket": request("GET", "/me/events?ticket=y", token="wrong"),
}


LAST = {form for form in FORMS if "stops" in form or "too long" in form}
LAST |= {"a long upload", "a body in pieces"}


@pytest.mark.parametrize("form", FORMS)
async def test_a_refusal_and_what_follows_it_are_the_same_as_behind_hypercorn(
    shop: str, taken: list[bool], form: str
) -> None:
    answers, after = [], request("GET", "/health", Connection="close")
    for odd in (b"", b"X-Odd: \xe9\r\n"):
        async with open_line(shop) as line:
            await line.send(FORMS[form].replace(b"\r\nHost", b"\r\n" + odd + b"Host", 1))
            if form in LAST:
                answers.append(bare(await line.end()))
            else:
                answers.append(await whole(line, after))
    assert answers[0] == answers[1]
    assert taken[0]
    assert len([each for each in taken if each]) == 1


@pytest.mark.parametrize(
    "unusual",
    [
        request("OPTIONS", "/auth/me", token="wrong"),
        request("HEAD", "/chat/c/events", token="wrong"),
        request("GET", "/auth/me?x=1", token=TOKEN),
        request("GET", "/nowhere", token="wrong"),
        request("DELETE", "/auth/me", token="wrong"),
        request("GET", "http://salon/auth/me", token="wrong"),
        request("GET", "/auth/me#x", token="wrong"),
        request("GET", "/auth/me", token="one", authorization="Bearer two"),
        request("GET", "/auth/me", Cookie="salon_session=x; salon_session=y"),
        request("GET", "/auth/me", Cookie="salon_session=x", cookie="salon_session=y"),
        request("GET", "/auth/me", token="wrong", Content_Length="2", Transfer_Encoding="chunked"),
        request("GET", "/auth/me", token="wrong", Content_Length="-1"),
        request("GET", "/auth/me", token="wrong", Transfer_Encoding="gzip, chunked"),
        request("GET", "/auth/me", token="wrong", X="a\r\n folded"),
        request("GET", "/auth/me", token="wrong", X="a\x00b"),
        request("GET", "/auth/me", token="wrong").replace(b"Host: salon", b"Host: a/../b c"),
        request("GET", "/auth/me", token="wrong").replace(b"Host: salon\r\n", b""),
        request("GET", "/auth/me", token="wrong", host="other"),
        request("GET", "/auth/me", token="x" * 20_000),
        request("GET", "/me/events?ticket=x"),
        request("GET", "/auth/me", token="wrong").replace(b"\r\n", b"\n"),
    ],
)
async def test_what_a_parser_has_to_judge_is_left_to_it(
    url: str, taken: list[bool], unusual: bytes
) -> None:
    async with open_line(url) as line:
        await line.send(unusual)
        assert (await line.answer()).status in (200, 204, 400, 401, 404, 405, 431, 501)
    assert not any(taken)


async def test_answers_keep_the_order_of_what_was_asked(url: str, taken: list[bool]) -> None:
    wrong, right = (
        request("GET", "/auth/me", token="wrong"),
        request("GET", "/auth/me", token=TOKEN),
    )
    body = request("POST", "/chat/create", b"{}", "wrong")
    async with open_line(url) as line:
        for data, statuses in (
            (wrong + body + right + wrong, [401, 401, 200, 401]),
            (right, [200]),
            (body + wrong, [401, 401]),
        ):
            await line.send(data)
            assert [(await line.answer()).status for _ in statuses] == statuses
    assert taken.count(True) >= 4, "what came together with a request of Hypercorn's is its too"


async def test_a_request_within_the_body_of_a_refused_one_is_none(
    url: str, taken: list[bool]
) -> None:
    within = request("GET", "/auth/me", token=TOKEN)
    outer = request("POST", "/chat/create", within, "wrong")
    async with open_line(url) as line:
        await line.send(outer + request("GET", "/health", Connection="close"))
        assert [(await line.answer()).status for _ in range(2)] == [401, 200]
        assert await line.end() == b""
    pieces = request("POST", "/chat/create", token="wrong", Transfer_Encoding="chunked")
    async with open_line(url) as line:
        await line.send(pieces + b"0\r\n\r\n" + within)
        assert (await line.end()).count(b"HTTP/1.1") == 1
    assert taken.count(True) == 2


@pytest.mark.parametrize("size", [1, 7, 60])
async def test_where_the_bytes_are_cut_makes_no_difference(
    url: str, taken: list[bool], size: int
) -> None:
    data = request("POST", "/chat/create", b"{}", "wrong") * 2
    async with open_line(url) as line:
        for at in range(0, len(data), size):
            await line.send(data[at : at + size])
            await trio.testing.wait_all_tasks_blocked()
        assert [(await line.answer()).status for _ in range(2)] == [401, 401]
    assert taken.count(True) == 2


@pytest.mark.parametrize("query", ["", "?ticket=used", "?token=x", "?last_sequence_id=x"])
async def test_a_handshake_of_nobody_is_refused_in_the_same_bytes_as_by_quart(
    url: str, query: str
) -> None:
    answers = []
    for odd in ({}, {"Sec_WebSocket_Protocol": "x"}):
        async with open_line(url) as line:
            token = None if "ticket" in query else "wrong"
            answers.append(await whole(line, upgrade(f"/chat/ws/c{query}", token, **odd)))
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 401 ")


async def test_a_refusal_is_counted_and_looked_up_as_every_other(url: str) -> None:
    for odd in ({}, ODD):
        async with open_line(url) as line:
            before = await _figures(line)
            await line.send(request("GET", "/chat/c/messages", token="wrong", **odd))
            id = (await line.answer()).json()["id"]
            after = await _figures(line)
            await line.send(request("GET", f"/admin/refusals/{id}", token=OPERATOR))
            found = (await line.answer()).json()
        assert (found["code"], found["conversation_id"]) == ("UNAUTHENTICATED", "c")
        assert {name: after[name] - before.get(name, 0) for name in after} == {
            'salon_refusals_total{code="UNAUTHENTICATED"}': 1,
            'salon_wrong_tokens_total{reason="session"}': 1,
        }


async def _figures(line: Line) -> dict[str, float]:
    await line.send(request("GET", "/metrics"))
    lines = (await line.answer()).body.decode().splitlines()
    figures = (each.rpartition(" ") for each in lines if each.startswith(("salon_ref", "salon_wr")))
    return {name: float(figure) for name, _, figure in figures}


@pytest.mark.parametrize(
    "asked",
    [
        request("GET", "/auth/me", token="wrong"),
        request("POST", "/chat/c/messages", b"{}", "wrong"),
        upgrade("/chat/ws/c", "wrong"),
    ],
)
async def test_only_refusals_wait_where_an_address_asks_as_nobody_all_the_time(
    url: str, monkeypatch: pytest.MonkeyPatch, asked: bytes
) -> None:
    monkeypatch.setattr(RefusalPace, "pause", lambda pace, address: math.inf)
    async with open_line(url) as refused, open_line(url) as line:
        await refused.send(asked)
        await trio.testing.wait_all_tasks_blocked(0.05)
        await line.send(request("GET", "/auth/me", token=TOKEN))
        assert (await line.answer()).status == 200
        assert isinstance(refused.stream, trio.SocketStream)
        with pytest.raises(BlockingIOError):
            socket.socket.recv(refused.stream.socket._sock, 1)  # type: ignore[attr-defined]
