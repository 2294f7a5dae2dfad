"""The fast lane of HTTP: a plain POST of a message is answered as Quart answers it, in its turn, whatever else is asked."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from salon.web.api.post_lane import PostLane
from tests.inside import TOKEN, each_in_turn, left, until
from tests.raw import Answer, Line, open_line, request, upgrade

# What makes the fast lane leave a request to Hypercorn and Quart-Trio.
LANES: dict[str, dict[str, str]] = {"fast": {}, "slow": {"Cookie": "theme=dark"}}
HEADERS = {"content-type", "content-length", "date", "cache-control", "referrer-policy"}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each request that the fast lane looked at whole, whether it answered."""
    seen: list[bool] = []
    answer = PostLane.answer

    async def watched(self: PostLane, *arguments: Any) -> bytes | None:
        answered = await answer(self, *arguments)
        seen.append(answered is not None)
        return answered

    monkeypatch.setattr(PostLane, "answer", watched)
    return seen


def post(path: str, body: bytes = b'{"content":"hello"}', **headers: str) -> bytes:
    return request("POST", path, body, TOKEN, **headers)


def bare(answer: Answer) -> tuple[int, dict[str, str], dict[str, Any]]:
    """An answer without what differs from one message to the next."""
    names = {name: value for name, value in answer.headers.items() if name != "date"}
    fields = answer.json()
    for each in ("id", "message_id", "sequence_id", "timestamp", "event_hash"):
        fields.pop(each, None)
    names.pop("content-length")
    return answer.status, names, fields


async def test_a_plain_post_is_answered_without_hypercorn(
    url: str, path: str, taken: list[bool]
) -> None:
    async with open_line(url) as line:
        await line.send(post(path))
        answer = await line.answer()
        assert answer.status == 201
        assert set(answer.headers) >= HEADERS
        assert taken == [True]
        assert left()["TCPServer"] == 0


@pytest.mark.parametrize(
    ("body", "headers", "fast"),
    [
        (b'{"content":"hello"}', {}, True),
        (b'{"content":"hello","client_message_id":"one"}', {}, True),
        (b'{"content":"hello","metadata":{"a":[1]},"reply_to":"x"}', {}, True),
        (b'{"content":"hello"}', {"Idempotency_Key": "two"}, True),
        (b'{"content":"hello","client_message_id":"a"}', {"Idempotency_Key": "b"}, False),
        (b'{"content":"hello"}', {"Idempotency_Key": ""}, False),
        (b'{"content":"hello"}', {"Idempotency_Key": "x" * 129}, False),
        (b'{"content":"hello","message_id":"three"}', {}, True),
        (
            b'{"content":"hello","message_id":"c","client_message_id":"c"}',
            {"Idempotency_Key": "c"},
            True,
        ),
        (b'{"content":"hello","message_id":"c","client_message_id":"d"}', {}, False),
        (b'{"content":"hello","message_id":"c"}', {"Idempotency_Key": "d"}, False),
        (b'{"content":"hello","message_id":""}', {}, False),
        (b'{"content":""}', {}, False),
        (b'{"content":" \\n"}', {}, False),
        (b'{"content":"\\u200b\\u0000","client_message_id":"k"}', {}, False),
        (b'{"content":" \\n.\\u200b"}', {}, True),
        (b'{"content":"%b"}' % (b"x" * 10_001), {}, True),
        (b'{"content":"hello","metadata":{"a":NaN}}', {}, False),
        (b"{", {}, False),
        (b"[]", {}, False),
        (b"[" * 40 + b"]" * 40, {}, False),
        (b'{"content":"\xff"}', {}, False),
        (b'{"content":"\\ud800"}', {}, False),
    ],
)
async def test_both_lanes_answer_the_same(
    url: str, path: str, taken: list[bool], body: bytes, headers: dict[str, str], fast: bool
) -> None:
    answers = []
    for unusual in LANES.values():
        async with open_line(url) as line:
            await line.send(post(path, body, **headers, **unusual))
            status, names, fields = bare(await line.answer())
            answers.append((200 if status == 201 else status, names, fields))
    assert answers[0] == answers[1]
    assert taken == [fast], "the second was never looked at"


@pytest.mark.parametrize(
    ("where", "token", "status"),
    [
        ("/chat/nowhere/messages", TOKEN, 404),
        ("{path}", "somebody", 401),
        ("{path}", None, 401),
        ("{path}/", TOKEN, 404),
        ("{path}?a=b", TOKEN, 201),
    ],
)
async def test_both_lanes_refuse_the_same(
    url: str, path: str, where: str, token: str | None, status: int
) -> None:
    answers = []
    for unusual in LANES.values():
        async with open_line(url) as line:
            wanted = where.format(path=path)
            await line.send(request("POST", wanted, b'{"content":"hello"}', token, **unusual))
            answers.append(bare(await line.answer()))
    assert answers[0] == answers[1]
    assert answers[0][0] == status


async def test_a_key_that_was_used_gets_the_same_receipt_on_either_lane(
    url: str, path: str
) -> None:
    receipts = []
    for unusual in (*LANES.values(), *LANES.values()):
        async with open_line(url) as line:
            await line.send(post(path, Idempotency_Key="once", **unusual))
            answer = await line.answer()
            receipts.append((answer.status, answer.body))
    assert [status for status, _ in receipts] == [201, 200, 200, 200]
    assert len({body for _, body in receipts}) == 1


async def test_answers_keep_the_order_of_what_was_asked_on_whichever_lane(
    url: str, path: str, taken: list[bool]
) -> None:
    async with open_line(url) as line:
        asked = [
            post(path, b'{"content":"first"}'),
            post(path, b'{"content":"second"}'),
            request("GET", f"{path}?after=0", token=TOKEN),
            post(path, b'{"content":"third"}'),
        ]
        await line.send(b"".join(asked))
        first, second = [(await line.answer()).json()["sequence_id"] for _ in range(2)]
        events = (await line.answer()).json()["events"]
        third = (await line.answer()).json()["sequence_id"]
        assert (first, second, third) == (2, 3, 4)
        assert [event["sequence_id"] for event in events] == [1, 2, 3]
        assert taken == [True, True], "what follows a request of Hypercorn's at once is its too"
        await line.send(post(path))
        assert (await line.answer()).json()["sequence_id"] == 5
        assert taken == [True, True, True], "and this one came by itself"


@pytest.mark.parametrize("size", [1, 7, 60, 150])
async def test_where_the_bytes_are_cut_makes_no_difference(
    url: str, path: str, size: int, taken: list[bool]
) -> None:
    data = post(path) + post(path)
    async with open_line(url) as line:
        for at in range(0, len(data), size):
            await line.send(data[at : at + size])
            await trio.testing.wait_all_tasks_blocked()
        assert [(await line.answer()).json()["sequence_id"] for _ in range(2)] == [2, 3]


async def test_a_body_that_comes_later_is_waited_for(
    url: str, path: str, taken: list[bool]
) -> None:
    data = post(path)
    head = data.index(b"\r\n\r\n") + 4
    async with open_line(url) as line:
        await line.send(data[:head])
        await until(lambda: left()["HttpStream"] > 0)
        await line.send(data[head:])
        assert (await line.answer()).status == 201
    assert taken == [True]


async def test_a_client_that_goes_before_its_body_has_come_leaves_nothing(
    url: str, path: str
) -> None:
    data = post(path)

    async def go() -> None:
        async with open_line(url) as line:
            await line.send(data[:-5])

    await each_in_turn(5, go)


async def test_a_client_that_does_not_take_its_answers_leaves_nothing(url: str, path: str) -> None:
    async def go() -> None:
        async with open_line(url) as line:
            await line.send(post(path) * 20)

    await each_in_turn(5, go)


async def test_a_connection_may_become_a_websocket_after_posts(url: str, path: str) -> None:
    async with open_line(url) as line:
        await line.send(post(path))
        assert (await line.answer()).status == 201
        await _upgrade(line, path)


async def _upgrade(line: Line, path: str) -> None:
    await line.send(upgrade(f"/chat/ws/{path.split('/')[2]}", TOKEN))
    assert (await line.answer()).status == 101
    await line.until("caught_up")


async def test_who_asks_for_the_end_of_the_connection_gets_it(url: str, path: str) -> None:
    async with open_line(url) as line:
        await line.send(post(path, Connection="close"))
        assert (await line.answer()).status == 201
        assert await line.end() == b""
