"""When a client comes back and when it does not: the rules, and against a scripted server."""

from __future__ import annotations

import itertools
import math
import pickle

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.web.client import Client, Closed, Frame, Refused, Unreachable
from salon.web.client.rules import Backoff, judge
from tests.memory_stream import MemoryStream, stream_pair
from tests.scripted import (
    URL,
    Peer,
    Rejection,
    Script,
    caught_up,
    connected,
    event,
    numbers,
    quiet,
    serving,
    take,
)
from tests.virtual_time import in_virtual_time, under_both


@pytest.mark.parametrize(
    ("end", "come_back", "retry_after"),
    [
        (Closed(1000, "Left conversation"), False, None),
        (Closed(1000), True, None),
        (Closed(1006), True, None),
        (Closed(1009), False, None),
        (Closed(1012), True, None),
        (Closed(4000, '{"retry_after": 3.2}'), True, 3.2),
        (Closed(4000, '{"retry_after": "soon"}'), True, None),
        (Closed(4000, "[1]"), True, None),
        (Closed(4499), True, None),
        (Closed(4500), False, None),
        (Closed(4503, "removed"), False, None),
        (Closed(4999), False, None),
        (Refused({}, 401), False, None),
        (Refused({"temporary": True}, 403), False, None),
        (Refused({}, 404), False, None),
        (Refused({"retry_after": 7}, 429), True, 7.0),
        (Refused({"temporary": False, "code": "CAPACITY_EXCEEDED"}, 429), False, None),
        (Refused({"retry_after": "2"}, 503), True, 2.0),
        (Refused({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 503), True, None),
        (Refused({"retry_after": -1}, 503), True, None),
        (Refused({"retry_after": math.nan}, 503), True, None),
        (Unreachable("no route"), True, None),
    ],
)
def test_the_verdict_of_an_end(
    end: Refused | Closed | Unreachable, come_back: bool, retry_after: float | None
) -> None:
    assert judge(end).come_back is come_back
    assert judge(end).retry_after == retry_after


def test_the_backoff_doubles_to_its_cap_and_begins_again_after_success() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.delay() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.delay() == 1


@settings(deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 2000))
def test_the_jitter_is_full(drawn: float, attempt: int) -> None:
    backoff = Backoff(lambda: drawn, base=0.5, cap=20)
    for _ in range(attempt):
        backoff.delay()
    assert backoff.delay() == drawn * min(20, 0.5 * 2 ** min(attempt, 64))


def test_the_backoff_obeys_the_server() -> None:
    assert Backoff(lambda: 1.0).delay(3.25) == 3.25


def test_errors_survive_the_way_between_processes() -> None:
    refused = pickle.loads(pickle.dumps(Refused({"code": "QUEUE_FULL", "retry_after": 1}, 429)))
    assert (refused.code, refused.retry_after, refused.status) == ("QUEUE_FULL", 1.0, 429)
    closed = pickle.loads(pickle.dumps(Closed(4503, "removed")))
    assert (closed.code, str(closed)) == (4503, "closed with 4503: removed")


def closing(code: int, reason: str = "") -> Script:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0), event(1))
        await peer.close(code, reason)

    return script


@in_virtual_time
async def test_a_restarting_server_is_met_again_at_the_slot_it_gave() -> None:
    async with serving(closing(4000, '{"retry_after": 3.25}'), quiet) as (server, client):
        async with client.conversation("c1") as conversation:
            assert await take(conversation, 1) == [1]
            await anyio.sleep(10)
        assert server.connected_at[1] - server.connected_at[0] == pytest.approx(3.25)


@under_both
async def test_reconnects_back_off_until_one_succeeds() -> None:
    async def cut(peer: Peer) -> None:
        await peer.send(connected(0))
        await peer.drop()

    async with serving(*[cut] * 7, closing(1006), quiet) as (server, client):
        client.random = lambda: 1.0
        async with client.conversation("c1"):
            await anyio.sleep(120)
        waits = [after - before for before, after in itertools.pairwise(server.connected_at)]
        assert waits == pytest.approx([1, 2, 4, 8, 16, 30, 30, 1])


@in_virtual_time
async def test_refused_for_load_at_the_handshake_it_comes_back_when_told() -> None:
    full: Frame = {"code": "TOO_MANY_CONNECTIONS", "temporary": True, "retry_after": 4.5}
    draining = Rejection(503, headers=(("Retry-After", "9"),))
    async with serving(Rejection(429, full), draining, quiet) as (server, client):
        async with client.conversation("c1") as conversation:
            await conversation.wait_caught_up()
        waits = [after - before for before, after in itertools.pairwise(server.connected_at)]
        assert waits == pytest.approx([4.5, 9])


@pytest.mark.parametrize("status", [401, 403, 404])
@under_both
async def test_refused_for_good_at_the_handshake_it_tells_everyone_who_waits(status: int) -> None:
    body: Frame = {"code": "FORBIDDEN", "error": "not a member", "temporary": False, "id": "r7"}
    async with (
        serving(Rejection(status, body)) as (_, client),
        client.conversation("c1") as conversation,
    ):
        for waits in (conversation.send("x"), anext(conversation), conversation.ping()):
            with pytest.raises(Refused) as refused:
                await waits
            assert (refused.value.status, refused.value.code) == (status, "FORBIDDEN")
        with pytest.raises(Refused):
            await conversation.wait_caught_up()


@under_both
async def test_removed_it_gives_what_came_before_and_raises_with_code_and_reason() -> None:
    async with (
        serving(closing(4503, "removed")) as (_, client),
        client.conversation("c1") as conversation,
    ):
        for waits in (conversation.send("never answered"), conversation.ping()):
            with pytest.raises(Closed, match="4503"):
                await waits
        assert await take(conversation, 1) == [1]
        with pytest.raises(Closed) as closed:
            await anext(conversation)
        assert (closed.value.code, closed.value.reason) == (4503, "removed")


@in_virtual_time
async def test_who_waits_for_a_pong_is_told_of_the_end() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        assert await peer.receive() == {"type": "ping"}
        await peer.close(4500)

    async with serving(script) as (_, client), client.conversation("c1") as conversation:
        with pytest.raises(Closed, match="4500"):
            await conversation.ping()


@in_virtual_time
async def test_after_leaving_the_iteration_ends() -> None:
    async with (
        serving(closing(1000, "Left conversation")) as (_, client),
        client.conversation("c1") as conversation,
    ):
        assert numbers([frame async for frame in conversation]) == [1]
        with pytest.raises(Closed):
            await conversation.send("too late")


@under_both
async def test_a_connection_on_which_nothing_arrives_is_given_up_after_three_heartbeats() -> None:
    async with serving(quiet, quiet) as (server, client):
        async with client.conversation("c1"):
            await anyio.sleep(80)
        first, second = server.connected_at
        assert 75 <= second - first <= 76


@under_both
async def test_a_server_that_never_finishes_the_handshake_is_tried_again() -> None:
    async def mute() -> MemoryStream:
        mute.calls.append(anyio.current_time())  # type: ignore[attr-defined]
        return stream_pair()[0]

    mute.calls = []  # type: ignore[attr-defined]
    client = Client(URL, dial=mute, answer_timeout=5)
    async with client.conversation("c1") as conversation:
        with anyio.move_on_after(30):
            await conversation.wait_caught_up()
        assert conversation.statistics().reconnects == 0
    assert len(mute.calls) >= 3  # type: ignore[attr-defined]


@under_both
async def test_the_callers_own_errors_come_out_as_they_are() -> None:
    async with serving(quiet) as (_, client):
        with pytest.raises(KeyError, match="mine"):
            async with client.conversation("c1"):
                raise KeyError("mine")
