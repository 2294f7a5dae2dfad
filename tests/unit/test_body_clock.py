"""By when a body has to be there: a grace, and its size at a least rate; in virtual time."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from salon.actors.refusals import Refusal
from salon.web.http.body_clock import BODY_RATE, BodyClock
from salon.web.http.lane import Wanted
from salon.web.http.stream import ANSWER_TIMEOUT, HttpStream

GRACE = 10.0


class NoLane:
    """Answers nothing itself, and notes what it is to refuse."""

    def __init__(self) -> None:
        self.refused: list[Refusal] = []

    def read(self, data: bytes) -> Wanted | None:
        return None

    async def answer(self, wanted: Wanted, data: bytes) -> bytes | None:
        return None

    async def deny(self, data: bytes) -> None:
        return None

    def refuse(self, refusal: Refusal) -> bytes:
        self.refused.append(refusal)
        return b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 10**6))))
def test_what_has_come_counts_and_no_pause_is_longer_than_the_grace(
    pieces: list[tuple[float, int]],
) -> None:
    now, come = 100.0, 0
    clock = BodyClock(now, GRACE)
    assert clock.deadline == now + GRACE
    for pause, piece in pieces:
        now, come = now + pause, come + piece
        clock.has(come, now)
        assert clock.deadline <= now + GRACE
        assert clock.deadline <= 100.0 + GRACE + come / BODY_RATE + 1e-6
        assert clock.deadline >= GRACE + min(now, 100.0 + come / BODY_RATE) - 1e-6


@asynccontextmanager
async def begun(lane: NoLane) -> AsyncIterator[tuple[HttpStream, trio.SocketStream]]:
    here, there = map(trio.socket.from_stdlib_socket, socket.socketpair())
    with here, there:
        stream = HttpStream(trio.SocketStream(here), handshake_timeout=GRACE, posts=lane)
        yield stream, trio.SocketStream(there)


async def received(stream: HttpStream) -> bytes:
    """What Hypercorn reads, which then begins to answer the request."""
    data = await stream.receive_some()
    stream.begins()
    return data


CHUNKED = b"POST /x HTTP/1.1\r\nHost: salon\r\nTransfer-Encoding: chunked\r\n\r\n"


def head(length: int) -> bytes:
    return b"POST /x HTTP/1.1\r\nHost: salon\r\nContent-Length: %d\r\n\r\n" % length


@pytest.mark.parametrize("framing", [head(100), head(262_144), CHUNKED + b"ff\r\n"])
@pytest.mark.parametrize("come", [0, 1, 99])
async def test_a_body_that_stops_is_cut_after_the_grace_whatever_it_announces(
    autojump_clock: MockClock, framing: bytes, come: int
) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(framing + b"x" * come)
        began = trio.current_time()
        assert await received(stream)
        assert await stream.receive_some() == b""
        assert trio.current_time() - began == pytest.approx(GRACE, abs=0.1)
        assert [each.code for each in lane.refused] == ["REQUEST_TIMEOUT"]
        answer = await peer.receive_some()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer


@pytest.mark.parametrize("framing", [head(262_144), CHUNKED + b"40000\r\n"])
async def test_a_body_that_stops_after_much_has_come_is_cut_after_the_grace(
    autojump_clock: MockClock, framing: bytes
) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(framing + b"x" * 200_000)
        began, size = trio.current_time(), len(await received(stream))
        while size < 200_000 + len(framing):
            size += len(await stream.receive_some())
        assert await stream.receive_some() == b""
        assert trio.current_time() - began == pytest.approx(GRACE, abs=0.1)
        assert [each.code for each in lane.refused] == ["REQUEST_TIMEOUT"]


@pytest.mark.parametrize("framing", [head(262_144), CHUNKED + b"40000\r\n"])
@pytest.mark.parametrize("rate", [1, BODY_RATE // 2])
async def test_a_body_that_comes_more_slowly_than_the_least_rate_is_cut(
    autojump_clock: MockClock, nursery: trio.Nursery, framing: bytes, rate: int
) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(framing)

        async def slowly() -> None:
            while True:
                await trio.sleep(1)
                await peer.send_all(b"x" * rate)

        nursery.start_soon(slowly)
        began, size = trio.current_time(), len(await received(stream)) - len(framing)
        while data := await stream.receive_some():
            size += len(data)
        assert trio.current_time() - began == pytest.approx(GRACE + size / BODY_RATE, abs=1)
        assert [each.code for each in lane.refused] == ["REQUEST_TIMEOUT"]
        nursery.cancel_scope.cancel()


async def test_a_body_that_comes_at_the_least_rate_is_taken_whole(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    async with begun(NoLane()) as (stream, peer):
        size = 20 * BODY_RATE
        await peer.send_all(head(size))

        async def slowly() -> None:
            for _ in range(20):
                await trio.sleep(1)
                await peer.send_all(b"x" * BODY_RATE)

        nursery.start_soon(slowly)
        come = 0
        while come < size + len(head(size)):
            data = await stream.receive_some()
            assert data
            come += len(data)


async def test_once_it_is_there_the_answer_may_take_its_time(autojump_clock: MockClock) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(head(5) + b"hello")
        began = trio.current_time()
        assert await received(stream)
        assert await stream.receive_some() == b""
        assert trio.current_time() - began == pytest.approx(ANSWER_TIMEOUT, abs=0.1)
        assert lane.refused == []


async def test_an_interim_answer_is_not_the_answer(autojump_clock: MockClock) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(head(100))
        assert await received(stream)
        await stream.send_all(b"HTTP/1.1 100 \r\n\r\n")
        assert await stream.receive_some() == b""
        assert [each.code for each in lane.refused] == ["REQUEST_TIMEOUT"]


async def test_a_refusal_does_not_go_before_the_answer_to_an_earlier_request(
    autojump_clock: MockClock,
) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(head(0) + head(100))
        assert await received(stream)
        stream.body_read()  # that of the first
        began = trio.current_time()
        assert await stream.receive_some() == b""
        assert trio.current_time() - began == pytest.approx(GRACE, abs=0.1)
        assert lane.refused == []


async def test_what_follows_a_body_that_is_whole_is_no_body(autojump_clock: MockClock) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(CHUNKED + b"0\r\n\r\n")
        assert await received(stream)
        stream.body_read()
        await peer.send_all(b"more")
        assert await stream.receive_some()
        began = trio.current_time()
        assert await stream.receive_some() == b""
        assert trio.current_time() - began == pytest.approx(ANSWER_TIMEOUT, abs=0.1)
        assert lane.refused == []


async def test_a_body_whose_request_has_been_answered_ends_without_a_word(
    autojump_clock: MockClock,
) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(head(100) + b"x")
        assert await received(stream)
        await stream.send_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
        assert await stream.receive_some() == b""
        assert lane.refused == []


async def test_the_time_in_which_the_server_is_busy_is_not_the_clients(
    autojump_clock: MockClock,
) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(head(262_144) + b"x" * 1000)
        assert await received(stream)
        for _ in range(3):
            await trio.sleep(5 * GRACE)  # the disk is slow
            await peer.send_all(b"x" * 1000)
            assert await stream.receive_some() == b"x" * 1000
        began = trio.current_time()
        assert await stream.receive_some() == b""
        assert trio.current_time() - began == pytest.approx(GRACE, abs=0.1)
        assert [each.code for each in lane.refused] == ["REQUEST_TIMEOUT"]
