"""The bad network does to a connection what it says, and nothing to one that it leaves alone."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from salon.loadtests.crash.fault_proxy import CALM, FaultProxy, Faults, bad_network, drawn
from tests.patience import PATIENCE


class Echo:
    """A server that gives back what it gets; `ended` are its connections that are over."""

    def __init__(self) -> None:
        self.url = ""
        self.got = b""
        self.ended = trio.Event()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        task_status.started()
        await trio.serve_listeners(self._answer, listeners)

    async def _answer(self, stream: trio.SocketStream) -> None:
        try:
            async for data in stream:
                self.got += data
                await stream.send_all(data)
        except trio.BrokenResourceError:
            pass
        finally:
            self.ended.set()


@asynccontextmanager
async def through(faults: Faults) -> AsyncIterator[tuple[trio.SocketStream, Echo, FaultProxy]]:
    """A client's stream to an echo, over a network with these faults."""
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            echo = Echo()
            await nursery.start(echo.run)
            async with bad_network(echo.url, lambda: faults) as network:
                host, _, port = network.url.removeprefix("http://").rpartition(":")
                async with await trio.open_tcp_stream(host, int(port)) as stream:
                    yield stream, echo, network
            nursery.cancel_scope.cancel()


async def exactly(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await stream.receive_some()
        assert more, f"the stream ended after {len(data)} bytes"
        data += more
    return data


@pytest.mark.parametrize(
    "faults",
    [
        CALM,
        Faults(slice=7),
        Faults(latency=0.01, slice=100),
        Faults(bandwidth=500_000),
        Faults(reset_after=100_000),
        Faults(hole_after=100_000),
    ],
)
async def test_every_byte_comes_through_in_order_where_nothing_is_cut(faults: Faults) -> None:
    sent = random.Random(1).randbytes(40_000)
    async with through(faults) as (stream, _, network), trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, sent)
        assert await exactly(stream, len(sent)) == sent
        await stream.send_eof()
        assert await stream.receive_some() == b""
        assert network.cuts == 0
        assert list(network.befell) == faults.names


async def test_a_late_and_narrow_line_takes_its_time() -> None:
    async with through(Faults(latency=0.05, bandwidth=10_000)) as (stream, _, _):
        began = trio.current_time()
        await stream.send_all(b"x" * 1_000)
        await exactly(stream, 1_000)
        assert trio.current_time() - began >= 0.05 + 0.1 + 0.05 - 0.01


async def test_a_slicing_line_gives_a_reader_no_more_than_a_slice_at_once() -> None:
    async with through(Faults(slice=3, bandwidth=300)) as (stream, _, _):
        await stream.send_all(b"abcdefghi")
        assert len(await stream.receive_some()) <= 3


async def test_after_so_many_bytes_towards_the_client_both_ends_are_reset() -> None:
    async with through(Faults(reset_after=1_000)) as (stream, echo, network):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, b"x" * 900)
            await exactly(stream, 900)
        await stream.send_all(b"x" * 100)
        with pytest.raises(trio.BrokenResourceError):
            await exactly(stream, 1_000)
        await echo.ended.wait()
        assert network.cuts == 1
        assert len(echo.got) == 1_000


async def test_a_black_hole_tells_neither_end_and_lets_nothing_through() -> None:
    async with through(Faults(hole_after=500)) as (stream, echo, network):
        await stream.send_all(b"x" * 600)
        assert await exactly(stream, 500) == b"x" * 500
        await stream.send_all(b"y" * 100)
        with trio.move_on_after(0.2) as waited:
            await stream.receive_some()
        assert waited.cancelled_caught
        assert b"y" not in echo.got
        await stream.aclose()
        with trio.move_on_after(0.2) as waited:
            await echo.ended.wait()
        assert waited.cancelled_caught
        assert network.cuts == 0


async def test_cutting_resets_what_is_open_and_the_next_connection_is_sound() -> None:
    async with through(CALM) as (stream, _, network):
        await stream.send_all(b"x")
        await exactly(stream, 1)
        network.cut()
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        again = await trio.open_tcp_stream("127.0.0.1", int(network.url.rpartition(":")[2]))
        async with again:
            await again.send_all(b"y")
            assert await exactly(again, 1) == b"y"
        assert (network.lines, network.cuts) == (2, 1)


async def test_a_server_that_is_not_there_resets_its_clients() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
    await listeners[0].aclose()
    with trio.fail_after(PATIENCE):
        async with bad_network(url) as network:
            connect = partial(trio.open_tcp_stream, "127.0.0.1")
            stream = await connect(int(network.url.rpartition(":")[2]))
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()
            await stream.aclose()


def test_what_is_drawn_follows_from_the_seed_and_every_fault_is_among_it() -> None:
    first, second = random.Random(5), random.Random(5)
    lots = [drawn(first) for _ in range(200)]
    assert lots == [drawn(second) for _ in range(200)]
    assert CALM in lots
    assert {name for faults in lots for name in faults.names} == set(Faults.__slots__)
