"""Input that nobody sends by accident: each gets the contract's answer, nothing is lost, and nobody else notices."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.person import Person, guest, guests
from tests.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    Answer,
    client_frame,
    close_payload,
    open_line,
    open_socket,
    request,
)
from tests.server import ServerProcess
from tests.shape import refusal

MAX_BODY = 262_144
MAX_FRAME = 131_072
FAULTS = 20


@pytest.fixture(autouse=True)
async def nobody_else_notices(server: ServerProcess) -> AsyncIterator[None]:
    """Somebody is connected all the time; what is said then is heard as before."""
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    async with open_socket(server.url, conversation_id, ada.token) as line:
        await line.until("caught_up")
        yield
        receipt = await bob.say(conversation_id, "Are you still there?")
        heard = await line.until("message")
        assert heard["sequence_id"] == receipt["sequence_id"] == 2


@pytest.fixture
async def ada(server: ServerProcess) -> Person:
    return await guest(server, "Ada")


async def answer_to(server: ServerProcess, data: bytes) -> Answer:
    """What comes of a request made by hand."""
    async with open_line(server.url) as line:
        await line.send(data)
        return await line.answer()


def refused(answer: Answer, status: int, code: str, **facts: object) -> dict[str, Any]:
    """The refusal that an answer is."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code, body
    assert {name: body[name] for name in facts} == facts
    for python in ("Traceback", "Value error", ".py", "<class", "pydantic", "Exception"):
        assert python not in body["error"]
    return body


def nested(levels: int) -> str:
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


# --- bodies -----------------------------------------------------------------------------------------------------------------

NO_JSON = [
    b"",
    b" ",
    b"\0",
    b"{",
    b"{}{}",
    b"[]",
    b"null",
    b'"x"',
    b"5",
    b"{'content':'x'}",
    b"\xff\xfe",
    b'\xef\xbb\xbf{"content":"x"}',
    b'{"content":"\xff"}',
    b'{"content":"\xc3("}',
    b'{"content":"\xed\xa0\x80"}',
    b'{"content":"\\ud800"}',
    b'{"content":"a\x00b"}',
    b'{"content":"a\nb"}',
    b'{"content":' + b"[" * 100_000,
    b"[" * MAX_BODY,
    b'{"content":"x","metadata":' + nested(33).encode() + b"}",
    b'{"content":"x","newer":' + b"[" * 33 + b"]" * 33 + b"}",
    b'{"content":' + b"9" * 100_000 + b"}",
    b'{"content":"x","metadata":{"a":' + b"9" * 5000 + b"}}",
    b'{"content":"x","metadata":{"a":1e999}}',
    b'{"content":"x","metadata":{"a":NaN}}',
    b'{"content":"x","client_message_id":"' + b"k" * 129 + b'"}',
    b'{"content":["x"]}',
    b"content=x",
    b'--b\r\nContent-Disposition: form-data; name="content"\r\n\r\nx\r\n--b--',
]


@pytest.mark.parametrize("body", NO_JSON, ids=lambda body: repr(body[:20]))
async def test_a_body_that_is_no_message_is_refused_in_plain_words(
    server: ServerProcess, ada: Person, body: bytes
) -> None:
    conversation_id = await ada.create()
    path = f"/chat/{conversation_id}/messages"
    answer = await answer_to(server, request("POST", path, body, ada.token))
    refused(answer, 400, "MALFORMED_REQUEST")
    assert len(await ada.history(conversation_id)) == 1


@pytest.mark.parametrize(
    "content_type", ["text/plain", "multipart/form-data; boundary=b", "\xff", ""]
)
async def test_what_a_body_calls_itself_does_not_matter(
    server: ServerProcess, ada: Person, content_type: str
) -> None:
    body = b'{"title":"Lunch"}'
    answer = await answer_to(
        server, request("POST", "/chat/create", body, ada.token, Content_Type=content_type)
    )
    assert answer.status == 201


async def test_a_body_of_the_greatest_size_is_taken_and_one_byte_more_is_not(
    server: ServerProcess, ada: Person
) -> None:
    path = f"/chat/{await ada.create()}/messages"
    largest = b'{"content":"x"}'.ljust(MAX_BODY)
    assert (await answer_to(server, request("POST", path, largest, ada.token))).status == 201
    answer = await answer_to(server, request("POST", path, largest + b" ", ada.token))
    refused(answer, 413, "BODY_TOO_LARGE", max_size=MAX_BODY)


async def test_a_body_that_is_announced_too_large_is_not_waited_for(
    server: ServerProcess, ada: Person
) -> None:
    head = request("POST", "/chat/create", b"", ada.token, Content_Length="1000000000000")
    refused(await answer_to(server, head), 413, "BODY_TOO_LARGE", max_size=MAX_BODY)


async def test_nor_is_one_that_grows_piece_by_piece(server: ServerProcess, ada: Person) -> None:
    head = request("POST", "/chat/create", b"", ada.token, Transfer_Encoding="chunked")
    async with open_line(server.url) as line:
        await line.send(head)
        for _ in range(MAX_BODY // 65_536 + 1):
            await line.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        refused(await line.answer(), 413, "BODY_TOO_LARGE", max_size=MAX_BODY)


async def test_a_body_in_chunks_is_a_body(server: ServerProcess, ada: Person) -> None:
    head = request("POST", "/chat/create", b"", ada.token, Transfer_Encoding="chunked")
    answer = await answer_to(
        server, head + b'9;x=y\r\n{"title":\r\n7\r\n"Lunch"\r\n1\r\n}\r\n0\r\n\r\n'
    )
    assert (answer.status, answer.json()["title"]) == (201, "Lunch")


@pytest.mark.parametrize("levels", [32, 33, 190, 10_000])
async def test_json_may_be_so_deep_and_no_deeper(
    server: ServerProcess, ada: Person, levels: int
) -> None:
    body = b'{"title":"Deep","metadata":' + nested(levels - 1).encode() + b"}"
    answer = await answer_to(server, request("POST", "/chat/create", body, ada.token))
    if levels <= 32:
        assert answer.status == 201
    else:
        problem = "nested deeper than 32 levels"
        refused(answer, 400, "MALFORMED_REQUEST", problem=problem)


# --- heads ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (b"\0\0\0\0", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # for whom?
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", 400),
        (b"GET ?x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 400),
        (b"hello\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X" * 100_000, 431),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else "",
)
async def test_what_is_no_http_is_refused_and_the_connection_ends(
    server: ServerProcess, stream: bytes, status: int
) -> None:
    async with open_line(server.url) as line:
        await line.send(stream)
        answer = await line.answer()
        assert (answer.status, answer.headers["connection"].lower()) == (status, "close")
        await line.end()


async def test_many_headers_are_only_many_headers(server: ServerProcess, ada: Person) -> None:
    headers = {f"X-{number}": "y" for number in range(1000)}
    answer = await answer_to(server, request("GET", "/auth/me", b"", ada.token, **headers))
    assert answer.json()["id"] == ada.id


@pytest.mark.parametrize(
    "header",
    [
        {"Authorization": "Bearer " + "x" * 10_000},
        {"Authorization": "Bearer \xff\xfe"},
        {"Authorization": "Bearer a b"},
        {"Authorization": "\x01"},
        {"Cookie": "salon_session=" + "x" * 10_000},
        {"Cookie": 'salon_session="\\000\\377"; ' * 100},
        {"Cookie": ";=;=" * 2000},
    ],
    ids=lambda header: repr(header)[:40],
)
async def test_who_cannot_be_read_is_nobody(server: ServerProcess, header: dict[str, str]) -> None:
    refused(
        await answer_to(server, request("GET", "/auth/me", b"", None, **header)),
        401,
        "UNAUTHENTICATED",
    )


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/chat/create", "DELETE, OPTIONS, PATCH, POST"),
        ("TRACE", "/chat/create", "DELETE, OPTIONS, PATCH, POST"),
        ("FETCH", "/chat/create", "DELETE, OPTIONS, PATCH, POST"),
        ("post", "/auth/me", "GET, HEAD, OPTIONS, PATCH"),
        ("DELETE", "/health", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_an_address_does_not_take_is_refused_with_those_it_does(
    server: ServerProcess, ada: Person, method: str, path: str, allowed: str
) -> None:
    answer = await answer_to(server, request(method, path, b"", ada.token))
    refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/chat",
        "/chat/create/",
        "//chat//create",
        "/chat/../auth/me",
        "/%00",
        "/chat/conversations/%00",
        "/chat/conversations/%ff%fe",
        "/chat/conversations/" + "x" * 5000,
        "/chat/conversations/..%2f..%2fetc%2fpasswd",
        "/chat/%2e%2e/messages",
        "/static/../app.py",
        "/.env",
    ],
)
async def test_where_nothing_is_there_is_nothing(
    server: ServerProcess, ada: Person, path: str
) -> None:
    refused(await answer_to(server, request("GET", path, b"", ada.token)), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=ten",
        "limit=",
        "limit=1e1",
        "limit=0x10",
        "limit=%00",
        "limit=%ff",
        "limit=1%0a2",
        "limit=" + "9" * 5000,
        "limit[]=1&limit=x",
        "after=-1",
        "after=9007199254740992",
        "after=NaN",
        "before=1.5",
        "after=1&before=2",
    ],
)
async def test_a_query_that_is_not_understood_is_refused(
    server: ServerProcess, ada: Person, query: str
) -> None:
    path = f"/chat/{await ada.create()}/messages?{query}"
    answer = await answer_to(server, request("GET", path, b"", ada.token))
    refused(answer, 400, "MALFORMED_REQUEST")


@pytest.mark.parametrize("sequence", ["-1", "1.5", "1e400", "9007199254740992", "9" * 4000, "true"])
async def test_a_number_out_of_bounds_is_refused(
    server: ServerProcess, ada: Person, sequence: str
) -> None:
    path = f"/chat/{await ada.create()}/read"
    body = b'{"sequence_id":' + sequence.encode() + b"}"
    answer = await answer_to(server, request("POST", path, body, ada.token))
    refused(answer, 400, "MALFORMED_REQUEST")


@pytest.mark.parametrize("key", ["k" * 129, "\x01", "\xff" * 129])
async def test_a_key_in_a_header_is_a_key_or_refused(
    server: ServerProcess, ada: Person, key: str
) -> None:
    conversation_id = await ada.create()
    path, body = f"/chat/{conversation_id}/messages", b'{"content":"x"}'
    answer = await answer_to(server, request("POST", path, body, ada.token, Idempotency_Key=key))
    if len(key) > 128:
        refused(answer, 400, "MALFORMED_REQUEST")
    else:
        assert (answer.status, answer.json()["client_message_id"]) == (201, key)


async def test_a_request_in_the_body_of_another_is_only_a_body(
    server: ServerProcess, ada: Person
) -> None:
    """Smuggling: what two readers of HTTP would cut in two places."""
    hidden = request("POST", "/chat/create", b'{"title":"Smuggled"}', ada.token)
    head = request("POST", "/chat/create", b"", ada.token)
    for framing in (
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(hidden)),
        b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n" % (5 + len(hidden)),
        b"Content-Length: %d\r\n\r\n0\r\n\r\n" % (5 + len(hidden)),
        b"Content-Length : 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ):
        async with open_line(server.url) as line:
            await line.send(head[:-2] + framing + hidden)
            assert (await line.answer()).status in (400, 501)
    assert (await ada.ask("GET", "/chat/my-conversations"))["conversations"] == []


# --- frames -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (client_frame(TEXT, '{"type":"ping"}', mask=None), 1002),
        (client_frame(PING, mask=None), 1002),
        (client_frame(TEXT, '{"type":"ping"}', reserved=4), 1002),
        (client_frame(TEXT, '{"type":"ping"}', reserved=2), 1002),
        (client_frame(PING, reserved=1), 1002),
        (client_frame(3), 1002),
        (client_frame(7, b"x"), 1002),
        (client_frame(0xF), 1002),
        (client_frame(CONTINUATION, "x"), 1002),
        (client_frame(TEXT, "x", fin=False) + client_frame(TEXT, "x"), 1002),
        (client_frame(PING, fin=False), 1002),
        (client_frame(PING, b"x" * 126), 1002),
        (client_frame(TEXT, b"x" * 10, form=64), 1002),
        (client_frame(CLOSE, b"x"), 1002),
        (client_frame(CLOSE, close_payload(1006)), 1002),
        (client_frame(CLOSE, close_payload(1000) + b"\xff"), 1007),
        (client_frame(TEXT, b"\xff"), 1007),
        (client_frame(TEXT, b'{"type":"message","content":"\xed\xa0\x80"}'), 1007),
        (client_frame(TEXT, b"\xf0\x9f", fin=False) + client_frame(CONTINUATION, b"x"), 1007),
        (client_frame(BINARY, b'{"type":"ping"}'), 1003),
        (client_frame(BINARY), 1003),
        (client_frame(TEXT, b"x" * (MAX_FRAME + 1)), 1009),
        (client_frame(TEXT, b"x" * (MAX_FRAME + 1))[:14], 1009),
        (b"\x81\xff" + (2**62).to_bytes(8, "big") + b"\0\0\0\0", 1009),
        (client_frame(TEXT, b"x" * MAX_FRAME, fin=False) + client_frame(CONTINUATION, b"x"), 1009),
        (client_frame(CLOSE), 1000),
        (client_frame(CLOSE, close_payload(4999, "bye")), 4999),
        (b"GET / HTTP/1.1\r\nHost: salon\r\n\r\n", 1002),
    ],
    ids=lambda value: value[:6].hex() if isinstance(value, bytes) else "",
)
async def test_what_the_protocol_does_not_allow_closes_with_its_code_and_loses_nothing(
    server: ServerProcess, ada: Person, data: bytes, code: int
) -> None:
    conversation_id = await ada.create()
    async with open_socket(server.url, conversation_id, ada.token) as line:
        await line.send_json(type="message", content="before", client_message_id="k1")
        await line.send(data)
        await line.send(client_frame(TEXT, '{"type":"message","content":"after"}'))
        closed, reason = await line.closed()
        assert closed == code
        assert "codec" not in reason
        assert [frame["type"] for frame in line.seen].count("error") == 0
    again = await ada.say(conversation_id, "before", client_message_id="k1")
    assert again["sequence_id"] == 2
    history = await ada.history(conversation_id)
    assert [event["message"]["content"] for event in history[1:]] == ["before"]


TEXTS = [
    ("", "INVALID_JSON"),
    ("\0", "INVALID_JSON"),
    ("{", "INVALID_JSON"),
    ('{"type":"ping"}}', "INVALID_JSON"),
    ("[" * 130_000, "INVALID_JSON"),
    ('{"type":"ping","x":' + "[" * 60_000 + "]" * 60_000 + "}", "INVALID_JSON"),
    ('{"type":"message","content":"a\x00b"}', "INVALID_JSON"),
    ('{"type":"read","sequence_id":' + "9" * 130_000 + "}", "INVALID_JSON"),
    ("[]", "INVALID_FORMAT"),
    ("{}", "INVALID_FORMAT"),
    ('{"type":"message"}', "INVALID_FORMAT"),
    ('{"type":"message","content":{"a":1}}', "INVALID_FORMAT"),
    (r'{"type":"message","content":"\ud800"}', "INVALID_FORMAT"),
    ('{"type":"message","content":"x","metadata":' + nested(33) + "}", "INVALID_FORMAT"),
    ('{"type":"message","content":"x","metadata":{"a":1e999}}', "INVALID_FORMAT"),
    ('{"type":"message","content":"x","metadata":{"a":"' + "y" * 5000 + '"}}', "INVALID_FORMAT"),
    ('{"type":"read","sequence_id":1e400}', "INVALID_FORMAT"),
    ('{"type":"sync","last_sequence_id":-1}', "INVALID_FORMAT"),
    ('{"type":"nonsense"}', "UNKNOWN_TYPE"),
    ('{"type":"\\u0000"}', "UNKNOWN_TYPE"),
    ('{"type":{"type":"ping"}}', "UNKNOWN_TYPE"),
]


async def test_frames_that_are_not_understood_are_answered_and_the_socket_stays_open(
    server: ServerProcess, ada: Person
) -> None:
    """Nineteen of them; the others have a socket of their own."""
    conversation_id = await ada.create()
    for texts in (TEXTS[: FAULTS - 1], TEXTS[FAULTS - 1 :]):
        async with open_socket(server.url, conversation_id, ada.token) as line:
            for text, code in texts:
                await line.send(client_frame(TEXT, text))
                error = await line.until("error")
                assert error["code"] == code, (text[:40], error)
                assert (error["temporary"], bool(error["id"])) == (False, True)
                assert "Error" not in error["error"]
            await line.send_json(type="ping")
            await line.until("pong")


@pytest.mark.parametrize(("text", "code"), [TEXTS[2], TEXTS[8], TEXTS[-1]])
async def test_the_twentieth_closes_and_what_was_said_between_them_is_kept(
    server: ServerProcess, ada: Person, text: str, code: str
) -> None:
    conversation_id = await ada.create()
    async with open_socket(server.url, conversation_id, ada.token) as line:
        for number in range(FAULTS):
            await line.send_json(type="message", content=str(number))
            await line.send(client_frame(TEXT, text))
        assert (await line.closed())[0] == 4501
        assert [frame["code"] for frame in line.seen if frame["type"] == "error"] == [code] * FAULTS
    last = await ada.say(conversation_id, "All of it?")
    assert last["sequence_id"] == 1 + FAULTS + 1


async def test_messages_that_are_too_large_are_no_faults(
    server: ServerProcess, ada: Person
) -> None:
    async with open_socket(server.url, await ada.create(), ada.token) as line:
        for number in range(FAULTS + 5):
            await line.send_json(
                type="message", content="x" * 10_001, client_message_id=str(number)
            )
            error = await line.until("error", client_message_id=str(number))
            assert (error["code"], error["actual_size"]) == ("MESSAGE_TOO_LARGE", 10_001)
        await line.send_json(type="ping")
        await line.until("pong")


@pytest.mark.parametrize(
    "content",
    [
        "\U0001f600" * 10_000,
        "\0" * 9_999 + ".",
        "\x00\x01\x1b[31m\x7f\x85\u2028\u2029\ufeff\ufffe\uffff",
        "\u202egnp.exe\u202c \u200b\u2066",
        "e\u0301" * 100,
        "<script>alert(1)</script> ' OR 1=1; -- ${jndi:ldap://x} {{7*7}} %s %n ../../etc/passwd",
        '"},"message":{"message_id":"forged","sequence_id":0}',
    ],
    ids=ascii,
)
async def test_what_is_text_is_carried_as_it_is(
    server: ServerProcess, ada: Person, content: str
) -> None:
    """Over the socket and over HTTP, escaped or not; `json.dumps` escapes ten thousand emoji to 120,034 bytes."""
    conversation_id = await ada.create()
    frame = {"type": "message", "content": content, "metadata": {content[:100]: content[:100]}}
    async with open_socket(server.url, conversation_id, ada.token) as line:
        await line.send(client_frame(TEXT, json.dumps(frame)))
        heard = [await line.until("message")]
        await line.send(client_frame(TEXT, json.dumps(frame, ensure_ascii=False)))
        heard.append(await line.until("message"))
        await ada.say(conversation_id, content, metadata=frame["metadata"])
        heard.append(await line.until("message"))
    assert {each["message"]["content"] for each in heard} == {content}
    assert all(each["message"]["metadata"] == frame["metadata"] for each in heard)
    assert await ada.history(conversation_id) == [(await ada.history(conversation_id))[0], *heard]
    assert [m["content"] for m in (await ada.see(conversation_id))["messages"]] == [content] * 3


async def test_a_refusal_says_again_nothing_that_could_do_harm(ada: Person) -> None:
    """What a client wrote comes back only as JSON, whatever it looks like."""
    response = await ada.call("POST", "/chat/create", {"title": "x", "mode": "<script>\u2028"})
    refusal(response, 400, "MALFORMED_REQUEST", problem=response.json()["problem"])
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script>" not in response.text
