"""The loop over all sockets, with real ones: what happens on one of them never happens to another."""

from __future__ import annotations

import gc
import json
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from salon.actors.messages import Attach
from salon.actors.refusals import Code, Refusal
from salon.web.socket import wire as wire_module
from salon.web.socket.coalescing import CoalescingWait
from salon.web.socket.codec import JsonCodec
from salon.web.socket.connection import CLOSE_TIMEOUT, OUTBOX_BYTES, Connection, Phase
from salon.web.socket.read_throttle import AT_ONCE
from salon.web.socket.websocket import text_header
from salon.web.socket.wire import (
    READ_BYTES,
    REFUSALS_A_ROUND,
    STALL_TIMEOUT,
    TEXT_MOMENT,
    Wire,
)
from tests.raw import CLOSE, PING, PONG, TEXT, Line, client_frame, close_payload
from tests.unit.engine import ADA, BEN, EPOCH, Engine

HEARTBEAT = 25.0


@pytest.fixture
async def wire(engine: Engine) -> AsyncIterator[Wire]:
    """A wire that runs."""
    async with trio.open_nursery() as nursery:
        wire = Wire(heartbeat=HEARTBEAT, chance=lambda: 0.0, now_ms=engine.sources.now)
        await nursery.start(wire.run)
        yield wire
        nursery.cancel_scope.cancel()


@pytest.fixture
async def talk(engine: Engine) -> str:
    """A conversation of Ada's and Ben's, on an engine that speaks JSON."""
    engine.directory.codec = JsonCodec(heartbeat=HEARTBEAT, max_message_size=10_000)
    return await engine.create(ADA, BEN)


class Sides:
    """Makes connections that the wire has, each with its peer and the socket on this side; closes what is left open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lines: list[Line] = []

    def __call__(
        self,
        wire: Wire,
        kind: type[Connection] = Connection,
        *,
        conversation_id: str = "c",
        expires_at: int | None = None,
        pair: tuple[socket.socket, socket.socket] | None = None,
    ) -> tuple[Connection, Line, socket.socket]:
        ours, theirs = pair or socket.socketpair()
        connection = kind(
            directory=self._engine.directory,
            connection_id=self._engine.sources.new_id(),
            conversation_id=conversation_id,
            participant=ADA,
            token_id=None,
            expires_at=expires_at,
            address="127.0.0.1",
            max_frame_size=131_072,
            frame_rate=0,
        )
        wire.adopt(connection, ours)
        theirs.setblocking(False)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
        line = Line(stream, patience=1000)
        self._lines.append(line)
        return connection, line, ours

    async def aclose(self) -> None:
        for line in self._lines:
            await trio.aclose_forcefully(line.stream)


@pytest.fixture
async def opened(engine: Engine) -> AsyncIterator[Sides]:
    sides = Sides(engine)
    yield sides
    await sides.aclose()


def frame(**fields: Any) -> bytes:
    return client_frame(TEXT, json.dumps(fields))


async def serves(opened: Sides, wire: Wire) -> bool:
    """Whether the wire still does its work."""
    connection, line, _ = opened(wire)
    await line.send(client_frame(PING, b"still there?"))
    pong = await line.frame()
    connection.lost()
    return pong == (PONG, b"still there?")


async def test_what_a_peer_sends_is_heard_and_answered(
    engine: Engine, wire: Wire, opened: Sides, talk: str
) -> None:
    connection, line, _ = opened(wire, conversation_id=talk)
    engine.directory.participant(ADA.id).tell(Attach(talk, connection), connection)
    await line.until("caught_up")
    await line.send(frame(type="message", content="hello", client_message_id="k"))
    assert (await line.until("message_ack"))["client_message_id"] == "k"
    assert (await line.until("message"))["message"]["content"] == "hello"


async def test_what_the_kernel_holds_is_on_its_way_until_the_peers_has_it(
    engine: Engine, wire: Wire, opened: Sides
) -> None:
    connection, line, _ = opened(wire, pair=tcp_pair())
    body = b'"' + b"x" * 1000 + b'"'
    frames = 0
    while not connection.outbox_bytes:
        connection.push(text_header(len(body)) + body)
        frames += 1
    assert connection.on_its_way
    while connection.outbox_bytes:
        await line.frame()
        frames -= 1
    while connection.on_its_way:
        await line.frame()
        frames -= 1
    assert frames > 0, "the peer's own kernel holds the rest: it needs this server no more"
    for _ in range(frames):
        assert await line.frame() == (TEXT, body)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of one connection over the network's own stack."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    return ours, theirs


async def test_a_peer_that_reads_little_by_little_gets_all_of_it(
    engine: Engine, wire: Wire, opened: Sides
) -> None:
    connection, line, ours = opened(wire)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    bodies = [b"%08d" % number * 500 for number in range(200)]
    for body in bodies:
        connection.push(text_header(len(body)) + b'"' + body[2:] + b'"')
    assert connection.outbox_bytes > OUTBOX_BYTES
    for body in bodies:
        opcode, payload = await line.frame()
        assert (opcode, payload) == (TEXT, b'"' + body[2:] + b'"')
    assert connection.outbox_bytes == 0


async def test_who_is_refused_is_read_again_in_time_where_refusing_is_too_much_work(
    engine: Engine, wire: Wire, opened: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything it sends meanwhile waits in the kernel, none of it is lost, and others are served."""
    monkeypatch.setattr(CoalescingWait, "overloaded", property(lambda _: True))
    connection, line, _ = opened(wire)
    refused = Refusal(Code.QUEUE_FULL, retry_after=0.2, scope="conversation", id="r")
    for _ in range(2 * AT_ONCE):
        connection.set(refused)
    connection.flush()
    assert connection.resting
    await line.send(client_frame(PING, b"later"))
    assert await serves(opened, wire)
    assert connection.resting
    while (frame := await line.frame())[0] == TEXT:
        pass
    assert frame == (PONG, b"later")
    assert not connection.resting


async def test_where_there_is_time_nobody_rests(wire: Wire, opened: Sides) -> None:
    connection, *_ = opened(wire)
    for _ in range(2 * AT_ONCE):
        connection.set(Refusal(Code.QUEUE_FULL, retry_after=0.2, scope="conversation", id="r"))
    assert not connection.resting
    connection.lost()


async def test_nobody_rests_longer_than_they_were_told_because_others_do(
    wire: Wire, opened: Sides, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(CoalescingWait, "overloaded", property(lambda _: True))
    (flood, *_), (late, *_), (soon, *_) = opened(wire), opened(wire), opened(wire)
    for _ in range(2 * AT_ONCE):
        flood.set(Refusal(Code.QUEUE_FULL, retry_after=30.0, scope="conversation", id="r"))
    late.set(Refusal(Code.QUEUE_FULL, retry_after=30.0, scope="conversation", id="r"))
    await trio.sleep(0.1)
    soon.set(Refusal(Code.QUEUE_FULL, retry_after=0.2, scope="conversation", id="r"))
    assert late.resting
    assert soon.resting
    await trio.sleep(0.3)
    assert late.resting
    assert not soon.resting
    await trio.sleep(1)
    assert not late.resting


async def test_how_busy_it_is_shows_also_where_all_connections_are_under_tls(
    wire: Wire, opened: Sides, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """Those are read by tasks of their own, so that the wire has no rounds."""
    monkeypatch.setattr(wire_module.time, "thread_time", trio.current_time)
    connection, *_ = opened(wire)
    await trio.sleep(5)
    for _ in range(2 * AT_ONCE):
        connection.set(Refusal(Code.QUEUE_FULL, retry_after=0.2, scope="conversation", id="r"))
    assert connection.resting
    connection.lost()


async def test_a_connection_may_end_while_it_rests(
    wire: Wire, opened: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CoalescingWait, "overloaded", property(lambda _: True))
    gone, _, _ = opened(wire)
    for _ in range(2 * AT_ONCE):
        gone.set(Refusal(Code.QUEUE_FULL, retry_after=0.1, scope="conversation", id="r"))
    assert gone.resting
    gone.lost()
    other, line, _ = opened(wire)
    for _ in range(AT_ONCE):
        other.set(Refusal(Code.QUEUE_FULL, retry_after=0.1, scope="conversation", id="r"))
    other.flush()
    assert other.resting
    await line.send(client_frame(PING, b"still there?"))
    while (frame := await line.frame())[0] == TEXT:
        pass
    assert frame == (PONG, b"still there?")


DELTA = frame(type="delta", run_id="r", offset=0, text="token")  # of a run that does not exist


async def test_the_sockets_of_agents_in_a_run_are_served_like_others(
    engine: Engine, wire: Wire, opened: Sides, talk: str
) -> None:
    connection, line, _ = opened(wire, conversation_id=talk)
    other, _, _ = opened(wire, conversation_id=talk)
    for _ in range(3):
        await line.send(DELTA)
        assert (await line.until("error"))["code"] == "RUN_NOT_FOUND"
        await line.send(DELTA + frame(type="message", content="hello", client_message_id="k"))
        assert (await line.until("error"))["code"] == "RUN_NOT_FOUND"
        assert (await line.until("message_ack"))["client_message_id"] == "k"
    assert [c.in_text for c in (connection, other)] == [False, False]


async def test_everybody_else_is_answered_while_text_of_runs_waits_for_more(
    engine: Engine, wire: Wire, opened: Sides, talk: str, autojump_clock: MockClock
) -> None:
    _, line, ours = opened(wire, conversation_id=talk)
    await line.send(DELTA)
    await line.until("error")
    autojump_clock.autojump_threshold = float("inf")  # time stands still
    await line.send(DELTA)
    assert await serves(opened, wire)
    assert ours.recv(1, socket.MSG_PEEK), "the text is not read yet"
    autojump_clock.jump(TEXT_MOMENT)
    await line.until("error")

    await line.send(frame(type="ping"))
    await engine.settle()
    autojump_clock.jump(TEXT_MOMENT)
    await line.until("pong")
    await line.send(frame(type="ping"))
    await engine.settle()
    with pytest.raises(
        BlockingIOError
    ):  # it has said something else than text, and is read at once
        ours.recv(1, socket.MSG_PEEK)


async def test_sockets_that_close_in_a_run_leave_nothing_behind(
    engine: Engine, wire: Wire, opened: Sides, talk: str
) -> None:
    async def come_and_go(number: int) -> None:
        connection, line, _ = opened(wire, conversation_id=talk)
        await line.send(DELTA)
        await line.until("error")
        assert connection.in_text
        if number % 3 == 0:
            await line.send(client_frame(CLOSE, close_payload(1000)))
            assert await line.closed() == (1000, "")
        elif number % 3 == 1:
            connection.lost()
        await trio.aclose_forcefully(line.stream)

    for number in range(9):
        await come_and_go(number)
    await trio.sleep(0.01)
    assert await serves(opened, wire)
    assert len(wire) == 0
    gc.collect()
    left = [each for each in gc.get_objects() if isinstance(each, Connection)]
    assert len(left) <= 2, "the loops' own variables hold the last ones, and nobody any other"


async def test_an_agent_in_a_run_that_does_not_read_is_not_read_from_until_it_does(
    engine: Engine, wire: Wire, opened: Sides, talk: str
) -> None:
    connection, line, _ = opened(wire, conversation_id=talk)
    while connection.outbox_bytes <= OUTBOX_BYTES:
        await line.send(DELTA * 100)
        await trio.sleep(0.01)
    before = connection.outbox_bytes
    await line.send(DELTA)
    await trio.sleep(0.01)
    assert connection.outbox_bytes == before
    while connection.outbox_bytes:
        await line.frame()
    await line.send(frame(type="ping"))
    await line.until("pong")


async def test_less_is_read_at_once_while_much_of_it_is_refused(
    engine: Engine, wire: Wire, opened: Sides
) -> None:
    assert wire.bite == READ_BYTES
    refused = Refusal(Code.QUEUE_FULL, retry_after=0.2, scope="conversation", id="r")

    class Refusing(Connection):
        def received(self, data: bytes) -> None:
            for _ in range(len(data)):
                self.set(refused)
            self.flush()

    _, refusing, _ = opened(wire, Refusing)
    await refusing.send(b"x" * 2 * REFUSALS_A_ROUND)
    await refusing.frame()
    await engine.settle()
    assert wire.bite == READ_BYTES // 2
    while wire.bite < READ_BYTES:
        assert await serves(opened, wire)


async def test_who_does_not_read_answers_is_not_read_from_until_it_does(
    engine: Engine, wire: Wire, opened: Sides
) -> None:
    connection, line, _ = opened(wire)
    pings = 0
    while connection.outbox_bytes <= OUTBOX_BYTES:
        await line.send(frame(type="ping") * 1000)
        pings += 1000
        await engine.settle()
    await line.send(frame(type="ping"))
    before = connection.outbox_bytes
    await engine.settle()
    assert connection.outbox_bytes == before
    for _ in range(pings + 1):
        await line.until("pong")


@pytest.mark.parametrize("rudely", [False, True])
async def test_a_peer_that_goes_is_forgotten(
    engine: Engine, wire: Wire, opened: Sides, rudely: bool
) -> None:
    connection, line, ours = opened(wire)
    if rudely:
        await line.send(b"unread" * 1000)  # a socket that is closed with bytes unread resets
        connection.push(b"\x81\x00" * 100)
    await line.stream.aclose()
    await engine.settle()
    assert connection.phase is Phase.CLOSED
    assert ours.fileno() == -1
    assert len(wire) == 0
    assert await serves(opened, wire)


class Closer(Connection):
    """Loses another connection as soon as it hears anything."""

    __slots__ = ("heard", "other")
    other: Connection
    heard: int

    def received(self, data: bytes) -> None:
        self.heard += 1
        self.other.lost()


async def test_a_socket_that_another_one_closes_may_be_in_the_same_round(
    engine: Engine, wire: Wire, opened: Sides
) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    first, second = (opened(wire, Closer, pair=pair)[0] for pair in pairs)
    assert isinstance(first, Closer)
    assert isinstance(second, Closer)
    first.other, second.other = second, first
    first.heard = second.heard = 0
    for _, theirs in pairs:
        theirs.send(b"x")
    await engine.settle()
    assert first.heard + second.heard == 1
    assert {first.phase, second.phase} == {Phase.OPEN, Phase.CLOSED}
    assert await serves(opened, wire)


class Successor(Connection):
    """Loses another connection and opens a new one, which gets the number of the closed socket."""

    __slots__ = ("made", "opened", "other", "wire")
    opened: Sides
    wire: Wire
    other: Connection
    made: tuple[Connection, Line, socket.socket] | None

    def received(self, data: bytes) -> None:
        if self.made is None:
            self.other.lost()
            self.made = self.opened(self.wire)


async def test_a_number_that_is_used_again_is_not_mistaken(
    engine: Engine, wire: Wire, opened: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_module, "SOCKETS_A_ROUND", 1)
    pairs = [socket.socketpair() for _ in range(2)]
    sides = [opened(wire, Successor, pair=pair) for pair in pairs]
    numbers = {ours.fileno() for _, _, ours in sides}
    for (connection, _, _), (other, _, _) in zip(sides, reversed(sides), strict=True):
        assert isinstance(connection, Successor)
        connection.opened, connection.wire = opened, wire
        connection.other, connection.made = other, None
    for _, theirs in pairs:
        theirs.send(b"x")
    await engine.settle()
    (made,) = [
        connection.made
        for connection, _, _ in sides
        if isinstance(connection, Successor) and connection.made
    ]
    connection, line, ours = made
    assert ours.fileno() in numbers
    assert connection.phase is Phase.OPEN
    await line.send(client_frame(PING, b"mine"))
    assert await line.frame() == (PONG, b"mine")


class Faulty(Connection):
    """Fails at whatever it is asked to do."""

    __slots__ = ()

    def received(self, data: bytes) -> None:
        raise RuntimeError("a fault of ours")

    def beat(self, now: float) -> None:
        raise RuntimeError("another")


async def test_what_one_connection_raises_is_its_own_end_alone(
    engine: Engine, wire: Wire, opened: Sides, caplog: pytest.LogCaptureFixture
) -> None:
    faulty, line, ours = opened(wire, Faulty)
    neighbour, other, _ = opened(wire)
    await line.send(b"x")
    assert await line.end() == b""
    assert ours.fileno() == -1
    assert caplog.messages == [f"connection {faulty.connection_id} failed"]
    await other.send(client_frame(PING))
    assert await other.frame() == (PONG, b"")
    assert neighbour.phase is Phase.OPEN


async def test_what_a_heartbeat_raises_too(
    engine: Engine,
    wire: Wire,
    opened: Sides,
    caplog: pytest.LogCaptureFixture,
    autojump_clock: MockClock,
) -> None:
    opened(wire, Faulty)
    connection, line, _ = opened(wire)
    await trio.sleep(HEARTBEAT + 1)
    assert len(caplog.messages) == 1
    assert len(wire) == 1
    assert await line.frame() == (PING, b"")
    assert connection.phase is Phase.OPEN


async def test_a_peer_that_answers_no_ping_is_closed_and_then_cut(
    engine: Engine, wire: Wire, opened: Sides, autojump_clock: MockClock
) -> None:
    connection, line, _ = opened(wire)
    assert [await line.frame() for _ in range(2)] == [(PING, b"")] * 2
    assert await line.closed() == (4001, "no answer to pings")
    assert trio.current_time() == pytest.approx(2 * HEARTBEAT + 1, abs=1)
    closing = trio.current_time()
    assert await line.end() == b""
    assert trio.current_time() - closing == pytest.approx(CLOSE_TIMEOUT, abs=1.1)
    assert connection.phase is Phase.CLOSED
    assert len(wire) == 0


async def test_a_peer_that_answers_stays_for_an_hour(
    engine: Engine, wire: Wire, opened: Sides, autojump_clock: MockClock
) -> None:
    connection, line, _ = opened(wire)
    while trio.current_time() < 3600:
        assert await line.frame() == (PING, b"")
        await line.send(client_frame(PONG))
    assert connection.phase is Phase.OPEN


async def test_beats_are_spread_over_the_heartbeat(
    engine: Engine, opened: Sides, autojump_clock: MockClock
) -> None:
    wire = Wire(heartbeat=HEARTBEAT, chance=engine.sources.chance, now_ms=engine.sources.now)
    async with trio.open_nursery() as nursery:
        await nursery.start(wire.run)
        lines = [opened(wire)[1] for _ in range(100)]
        seconds = set[float]()

        async def note(line: Line) -> None:
            await line.frame()
            seconds.add(round(trio.current_time()))

        async with trio.open_nursery() as listening:
            for line in lines:
                listening.start_soon(note, line)
        assert len(seconds) > 15
        assert max(seconds) <= HEARTBEAT
        nursery.cancel_scope.cancel()


async def test_an_identity_that_expires_takes_its_connections_along(
    engine: Engine, wire: Wire, opened: Sides, autojump_clock: MockClock
) -> None:
    _, line, _ = opened(wire, expires_at=EPOCH + 200_000)
    warned = []
    with trio.move_on_after(199):
        while True:
            opcode, payload = await line.frame()
            if opcode == PING:
                await line.send(client_frame(PONG))
            else:
                warned.append((json.loads(payload)["type"], trio.current_time()))
    ((kind, at),) = warned
    assert kind == "auth_expiring"
    assert 140 <= at <= 141
    assert await line.closed() == (4500, "identity expired")
    assert 200 <= trio.current_time() <= 201


async def test_an_identity_that_is_renewed_goes_on_until_the_new_end_and_is_warned_of_that(
    engine: Engine, wire: Wire, opened: Sides, autojump_clock: MockClock
) -> None:
    connection, line, _ = opened(wire, expires_at=EPOCH + 30_000)
    assert await line.frame() == (PING, b"")
    assert json.loads((await line.frame())[1])["type"] == "auth_expiring"
    connection.renewed("another", EPOCH + 80_000)
    wire.endings.look(connection)
    with trio.move_on_after(79 - trio.current_time()):
        said = []
        while True:
            opcode, payload = await line.frame()
            if opcode == PING:
                await line.send(client_frame(PONG))
            else:
                said.append(json.loads(payload)["type"])
    assert said == ["auth_ack", "auth_expiring"]
    assert await line.closed() == (4500, "identity expired")
    assert 80 <= trio.current_time() <= 81


async def test_a_peer_that_takes_nothing_for_minutes_is_closed_without_a_heartbeat_too(
    engine: Engine, opened: Sides, autojump_clock: MockClock
) -> None:
    wire = Wire(heartbeat=0, chance=lambda: 0.0, now_ms=engine.sources.now)
    async with trio.open_nursery() as nursery:
        await nursery.start(wire.run)
        connection, line, _ = opened(wire)
        connection.push(b"\x82\x7f" + (1 << 24).to_bytes(8, "big") + bytes(1 << 24))
        await trio.sleep(STALL_TIMEOUT + CLOSE_TIMEOUT + 3)
        assert connection.phase is Phase.CLOSED
        assert len(await line.end()) < 1 << 24
        nursery.cancel_scope.cancel()


async def test_a_peer_that_does_not_answer_a_close_is_cut_in_time(
    engine: Engine, wire: Wire, opened: Sides, autojump_clock: MockClock
) -> None:
    connection, line, ours = opened(wire)
    connection.close(4000, "restart")
    assert await line.frame() == (CLOSE, close_payload(4000, "restart"))
    await line.send(client_frame(PING) * 10)
    assert await line.end() == b""
    assert trio.current_time() == pytest.approx(CLOSE_TIMEOUT, abs=1.1)
    assert ours.fileno() == -1


async def test_a_peer_that_answers_a_close_is_let_go_at_once(
    engine: Engine, wire: Wire, opened: Sides
) -> None:
    connection, line, ours = opened(wire)
    connection.close(4000)
    assert await line.closed() == (4000, "")
    await line.send(client_frame(CLOSE, close_payload(4000)))
    assert await line.end() == b""
    assert trio.current_time() < 1
    assert ours.fileno() == -1


async def test_connections_are_counted_by_address(
    engine: Engine, wire: Wire, opened: Sides
) -> None:
    lines = [opened(wire)[1] for _ in range(3)]
    assert wire.addresses == {"127.0.0.1": 3}
    await lines.pop().stream.aclose()
    await engine.settle()
    assert wire.addresses == {"127.0.0.1": 2}
    for connection in list(wire):
        connection.lost()
    assert wire.addresses == {}


async def test_when_the_wire_ends_every_socket_is_closed(engine: Engine, opened: Sides) -> None:
    async with trio.open_nursery() as nursery:
        wire = Wire(heartbeat=0, chance=lambda: 0.0, now_ms=engine.sources.now)
        await nursery.start(wire.run)
        sides = [opened(wire) for _ in range(5)]
        nursery.cancel_scope.cancel()
    for connection, line, ours in sides:
        assert connection.phase is Phase.CLOSED
        assert ours.fileno() == -1
        assert await line.end() == b""


async def test_nothing_is_left_of_connections_that_came_and_went(
    engine: Engine, wire: Wire, opened: Sides
) -> None:
    async def come_and_go(number: int) -> None:
        connection, line, _ = opened(wire)
        if number % 3 == 0:
            await line.send(client_frame(CLOSE))
            await line.end()
        elif number % 3 == 1:
            connection.lost()
        await trio.aclose_forcefully(line.stream)

    for number in range(300):
        await come_and_go(number)
    assert await serves(opened, wire)
    await engine.settle()
    assert len(wire) == 0
    gc.collect()
    left = [each for each in gc.get_objects() if isinstance(each, Connection)]
    assert len(left) <= 1, "the loop's own variables hold the last one, and nobody any other"


async def test_a_reset_in_the_middle_of_everything_is_only_an_end(
    engine: Engine, wire: Wire, opened: Sides
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(20):
            theirs = socket.create_connection(listener.getsockname())
            connection, line, ours = opened(wire, pair=(listener.accept()[0], theirs))
            connection.push(b"\x81\x00" * 1000)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await trio.aclose_forcefully(line.stream)
            connection.push(b"\x81\x00" * 1000)
            await engine.settle()
            assert connection.phase is Phase.CLOSED
            assert ours.fileno() == -1
    assert len(wire) == 0
    assert await serves(opened, wire)
