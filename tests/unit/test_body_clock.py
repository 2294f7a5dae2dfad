"""By when a body has to be there: a grace, and its size at a least rate; in virtual time."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from salon.actors.refusals import Refusal
from salon.web.http.stream import ANSWER_TIMEOUT, BODY_RATE, BodyClock, HttpStream, Wanted

GRACE = 10.0


class NoLane:
    """Answers nothing itself, and notes what it is to refuse."""

    def __init__(self) -> None:
        self.refused: list[Refusal] = []

    def read(self, data: bytes) -> Wanted | None:
        return None

    async def answer(self, wanted: Wanted, data: bytes) -> bytes | None:
        return None

    def refuse(self, refusal: Refusal) -> bytes:
        self.refused.append(refusal)
        return b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"


@given(st.integers(0, 10**9), st.lists(st.integers(1, 10**6)))
def test_a_known_size_sets_the_time_and_no_piece_of_it_extends_it(
    size: int, pieces: list[int]
) -> None:
    clock = BodyClock(100.0, GRACE, size)
    for piece in pieces:
        clock.received(piece)
    assert clock.deadline == 100.0 + GRACE + size / BODY_RATE


@given(st.lists(st.integers(1, 10**6)))
def test_where_the_size_is_not_known_what_has_come_counts(pieces: list[int]) -> None:
    clock = BodyClock(100.0, GRACE, None)
    for piece in pieces:
        clock.received(piece)
    assert clock.deadline == pytest.approx(100.0 + GRACE + sum(pieces) / BODY_RATE)


@asynccontextmanager
async def begun(lane: NoLane) -> AsyncIterator[tuple[HttpStream, trio.SocketStream]]:
    here, there = map(trio.socket.from_stdlib_socket, socket.socketpair())
    with here, there:
        stream = HttpStream(trio.SocketStream(here), handshake_timeout=GRACE, posts=lane)
        yield stream, trio.SocketStream(there)


def head(length: int) -> bytes:
    return b"POST /x HTTP/1.1\r\nHost: salon\r\nContent-Length: %d\r\n\r\n" % length


@pytest.mark.parametrize("size", [100, 40_960])
async def test_a_body_that_stops_is_cut_when_its_time_is_over(
    autojump_clock: MockClock, size: int
) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(head(size) + b"x")
        began = trio.current_time()
        assert await stream.receive_some()
        assert await stream.receive_some() == b""
        assert trio.current_time() - began == pytest.approx(GRACE + size / BODY_RATE, abs=0.1)
        assert [each.code for each in lane.refused] == ["REQUEST_TIMEOUT"]
        assert b"408" in await peer.receive_some()


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
        received = 0
        while received < size + len(head(size)):
            data: Any = await stream.receive_some()
            assert data
            received += len(data)


async def test_once_it_is_there_the_answer_may_take_its_time(autojump_clock: MockClock) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(head(5) + b"hello")
        began = trio.current_time()
        assert await stream.receive_some()
        assert await stream.receive_some() == b""
        assert trio.current_time() - began == pytest.approx(ANSWER_TIMEOUT, abs=0.1)
        assert lane.refused == []


async def test_a_body_whose_request_has_been_answered_ends_without_a_word(
    autojump_clock: MockClock,
) -> None:
    lane = NoLane()
    async with begun(lane) as (stream, peer):
        await peer.send_all(head(100) + b"x")
        assert await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
        assert await stream.receive_some() == b""
        assert lane.refused == []
