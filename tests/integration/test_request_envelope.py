"""What is wrong with a request's envelope is said as such: encoding, type, heads with two meanings, bodies that do not come."""

from __future__ import annotations

import gzip

import pytest
import trio

from tests.inside import TOKEN, all_gone
from tests.patience import PATIENCE
from tests.raw import Answer, Line, open_line, request, upgrade

# What makes the fast lane leave a request to Hypercorn and Quart-Trio.
LANES: dict[str, dict[str, str]] = {"fast": {}, "slow": {"Cookie": "theme=dark"}}
FORM = "application/x-www-form-urlencoded"
HELLO = b'{"content":"hello"}'


@pytest.fixture(params=LANES)
def lane(request: pytest.FixtureRequest) -> dict[str, str]:
    """Headers for a lane."""
    return LANES[request.param]


async def ask(url: str, data: bytes) -> Answer:
    async with open_line(url) as line:
        await line.send(data)
        return await line.answer()


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json()["code"]


class TestContentEncoding:
    @pytest.mark.parametrize(
        "encoding",
        [
            "gzip",
            "br",
            "deflate, gzip",
            "GZIP",
            "identity, gzip",
            "identity\r\nContent-Encoding: gzip",
        ],
    )
    async def test_that_is_not_taken_is_named_with_what_is(
        self, url: str, path: str, lane: dict[str, str], encoding: str
    ) -> None:
        body = gzip.compress(HELLO)
        answer = await ask(
            url, request("POST", path, body, TOKEN, Content_Encoding=encoding, **lane)
        )
        assert code(answer) == (415, "UNSUPPORTED_ENCODING")
        assert answer.json()["accepted"] == "identity"
        assert answer.headers["accept-encoding"] == "identity"

    @pytest.mark.parametrize("encoding", ["identity", " Identity ", "", "identity, identity"])
    async def test_that_is_none_is_taken(
        self, url: str, path: str, lane: dict[str, str], encoding: str
    ) -> None:
        asked = request("POST", path, HELLO, TOKEN, Content_Encoding=encoding, **lane)
        assert (await ask(url, asked)).status == 201

    async def test_counts_on_every_route_that_takes_a_body(self, url: str) -> None:
        body = gzip.compress(b'{"title":"Lunch"}')
        asked = request("POST", "/chat/create", body, TOKEN, Content_Encoding="gzip")
        assert code(await ask(url, asked)) == (415, "UNSUPPORTED_ENCODING")


class TestContentType:
    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            (FORM, b"content=hello"),
            ("multipart/form-data; boundary=x", b"--x\r\n\r\nhello\r\n--x--"),
            ("text/plain", b"hello"),
            ("application/json; charset=latin-1", '{"content":"hé"}'.encode("latin-1")),
            ("application/json; charset=utf-16", '{"content":"hi"}'.encode("utf-16")),
        ],
    )
    async def test_that_explains_why_the_body_is_no_json_is_named(
        self, url: str, path: str, lane: dict[str, str], kind: str, body: bytes
    ) -> None:
        answer = await ask(url, request("POST", path, body, TOKEN, Content_Type=kind, **lane))
        assert code(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert answer.json()["accepted"] == answer.headers["accept"] == "application/json"

    @pytest.mark.parametrize(
        "kind",
        ["application/json", "application/json; charset=UTF-8", "application/vnd.x+json", None],
    )
    async def test_that_says_json_makes_the_body_wrong(
        self, url: str, path: str, lane: dict[str, str], kind: str | None
    ) -> None:
        headers = lane if kind is None else lane | {"Content_Type": kind}
        answer = await ask(url, request("POST", path, b"content=hello", TOKEN, **headers))
        assert code(answer) == (400, "MALFORMED_REQUEST")

    @pytest.mark.parametrize("kind", [FORM, "text/plain", "application/octet-stream"])
    async def test_does_not_matter_where_the_body_is_json(
        self, url: str, path: str, lane: dict[str, str], kind: str
    ) -> None:
        asked = request("POST", path, HELLO, TOKEN, Content_Type=kind, **lane)
        assert (await ask(url, asked)).status == 201


def doubled(asked: bytes, *lines: str) -> bytes:
    """The request with more lines in its head."""
    first, _, rest = asked.partition(b"\r\n")
    return b"\r\n".join([first, *(line.encode() for line in lines), rest])


class TestAHeadWithTwoMeanings:
    DIFFERENT = (
        ["Authorization: Bearer another"],
        ["Host: elsewhere"],
        ["Host: salon"],  # RFC 9112 wants one Host, were there two that are equal
        ["Content-Length: 5"],
        ["Transfer-Encoding: chunked"],  # beside a length
        ["Origin: http://salon", "Origin: http://elsewhere"],
        ["Content-Type: application/json", "Content-Type: text/plain"],
        ["Idempotency-Key: a", "Idempotency-Key: b"],
        ["Cookie: salon_session=a; salon_session=b"],
        ["Cookie: salon_session=a", "Cookie: salon_session=b"],
    )

    @pytest.mark.parametrize("lines", DIFFERENT, ids=" | ".join)
    async def test_is_refused(self, url: str, path: str, lines: list[str]) -> None:
        answer = await ask(url, doubled(request("POST", path, HELLO, TOKEN), *lines))
        assert code(answer) == (400, "MALFORMED_REQUEST")
        assert "send one" in answer.json()["problem"]

    @pytest.mark.parametrize(
        "lines",
        [each for each in DIFFERENT if not each[0].startswith(("Content-", "Transfer-"))],
        ids=" | ".join,
    )
    async def test_is_refused_where_it_asks_for_a_websocket(
        self, url: str, path: str, lines: list[str]
    ) -> None:
        socket = path.replace("/chat/", "/chat/ws/").removesuffix("/messages")
        assert (await ask(url, upgrade(socket, TOKEN))).status == 101
        answer = await ask(url, doubled(upgrade(socket, TOKEN), *lines))
        assert code(answer) == (400, "MALFORMED_REQUEST")
        assert "send one" in answer.json()["problem"]

    async def test_says_which_header(self, url: str, path: str) -> None:
        asked = doubled(request("POST", path, HELLO, TOKEN), "Authorization: Bearer another")
        problem = (await ask(url, asked)).json()["problem"]
        assert problem == "it has 2 Authorization headers that differ; send one"

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("Host: salon", "it has 2 Host headers; send one"),
            ("Content-Length: 5", "it has 2 Content-Length headers that differ; send one"),
            ("X-Folded: a\r\n b", "a header is folded, or has a control character in it"),
            ("X-Control: \0", "a header is folded, or has a control character in it"),
            ("No colon", "its head is not one of HTTP/1.1"),
        ],
    )
    async def test_says_what_is_wrong_in_its_turn(
        self, url: str, path: str, line: str, problem: str
    ) -> None:
        asked = request("GET", "/health") + doubled(request("POST", path, HELLO, TOKEN), line)
        async with open_line(url) as connection:
            await connection.send(asked)
            assert (await connection.answer()).status == 200
            answer = await connection.answer()
            assert answer.json()["problem"] == problem
            assert answer.headers["connection"] == "close"
            assert await connection.end() == b""

    @pytest.mark.parametrize("length", [b"+19", b"-19", b"0x13", b"1.9", b"nineteen", b""])
    async def test_a_length_that_is_no_number_is_named(
        self, url: str, path: str, length: bytes
    ) -> None:
        asked = request("POST", path, HELLO, TOKEN).replace(b": 19\r", b": %b\r" % length)
        problem = (await ask(url, asked)).json()["problem"]
        assert problem == "its Content-Length is no number of bytes"

    async def test_a_head_for_nobody_is_named(self, url: str, path: str) -> None:
        asked = request("POST", path, HELLO, TOKEN).replace(b"Host: salon\r\n", b"")
        assert (await ask(url, asked)).json()["problem"] == "it has no Host header; send one"

    @pytest.mark.parametrize(
        "lines",
        [
            [f"Authorization: Bearer {TOKEN}"],
            ["Cookie: salon_session=a; salon_session=a"],
            [f"Content-Length: {len(HELLO)}"],
            ["Origin: http://salon", "Origin: http://salon"],
        ],
    )
    async def test_that_are_the_same_is_let_through(
        self, url: str, path: str, lines: list[str]
    ) -> None:
        assert (await ask(url, doubled(request("POST", path, HELLO, TOKEN), *lines))).status == 201


async def cut_off(line: Line) -> bool:
    """Whether the server has closed the connection."""
    with trio.fail_after(PATIENCE):
        while await line.stream.receive_some():
            pass
    return True


class TestABodyThatDoesNotCome:
    """The server gives a body one second here, and what its size takes at 4,096 bytes a second."""

    async def test_is_refused_with_408_and_the_connection_ends(
        self, url: str, path: str, lane: dict[str, str]
    ) -> None:
        asked = request("POST", path, HELLO, TOKEN, **lane)
        async with open_line(url) as line:
            await line.send(asked[:-5])
            answer = await line.answer()
            assert code(answer) == (408, "REQUEST_TIMEOUT")
            assert answer.json()["retry_after"] > 0
            assert answer.headers["connection"] == "close"
            assert await cut_off(line)
        await all_gone()

    async def test_is_refused_although_a_byte_comes_now_and_then(
        self, url: str, path: str, lane: dict[str, str]
    ) -> None:
        asked = request("POST", path, HELLO + b" " * 200, TOKEN, **lane)
        async with open_line(url) as line, trio.open_nursery() as nursery:
            await line.send(asked[:-200])

            async def trickle() -> None:
                while True:
                    await trio.sleep(0.1)
                    try:
                        await line.stream.send_all(b" ")
                    except trio.BrokenResourceError:
                        return

            nursery.start_soon(trickle)
            assert code(await line.answer()) == (408, "REQUEST_TIMEOUT")
            nursery.cancel_scope.cancel()

    async def test_is_refused_where_its_length_is_not_known(self, url: str, path: str) -> None:
        asked = request("POST", path, b"", TOKEN, Transfer_Encoding="chunked")
        async with open_line(url) as line:
            await line.send(asked + b'9\r\n{"content\r\n')
            assert code(await line.answer()) == (408, "REQUEST_TIMEOUT")
            assert await cut_off(line)

    async def test_is_refused_where_it_was_asked_for(self, url: str, path: str) -> None:
        asked = request("POST", path, HELLO, TOKEN, Expect="100-continue")
        async with open_line(url) as line:
            await line.send(asked[: -len(HELLO)])
            assert (await line.answer()).status == 100
            assert code(await line.answer()) == (408, "REQUEST_TIMEOUT")
            assert await cut_off(line)
        await all_gone()

    async def test_is_told_so_where_the_client_says_no_more(
        self, url: str, path: str, lane: dict[str, str]
    ) -> None:
        async with open_line(url) as line:
            await line.send(request("POST", path, HELLO, TOKEN, **lane)[:-5])
            assert isinstance(line.stream, trio.SocketStream)
            await line.stream.send_eof()
            answer = await line.answer()
            assert code(answer) == (400, "MALFORMED_REQUEST")
            assert answer.json()["problem"].startswith("its body is cut off")

    async def test_is_no_reason_to_refuse_one_that_comes_in_pieces(
        self, url: str, path: str, lane: dict[str, str]
    ) -> None:
        asked = request("POST", path, HELLO, TOKEN, **lane)
        async with open_line(url) as line:
            for at in range(0, len(asked), 20):
                await line.send(asked[at : at + 20])
                await trio.testing.wait_all_tasks_blocked()
            assert (await line.answer()).status == 201
            await line.send(asked)
            assert (await line.answer()).status == 201
