"""This process's connection to NATS, made anew when it is lost, and the transport of each id that the process has had."""

from __future__ import annotations

import logging
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

import trio

from .nats_address import NatsError
from .nats_handshake import READ, open_connection
from .nats_protocol import (
    PING,
    PONG,
    Delivered,
    Info,
    Pinged,
    ProtocolError,
    Refused,
    publish,
    subscribe,
    unsubscribe,
)
from .outgoing import NODES, LinkFigures, Outgoing
from .parcels import Unpacker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .nats_address import NatsAddress, Place
    from .nats_protocol import Parser

PATIENCE = 5.0  # seconds for a connection to be made, and without a word of the server until it is given up
BEAT = 1.0  # seconds between two signs of life
FIRST_RETRY, LAST_RETRY = 0.05, 0.5  # seconds between two tries to connect: nodes are few

FORBIDDEN = "Permissions Violation"  # so the server begins to say that an account lacks a right

# What ends a connection: another one is made.
LOSSES = (
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    ProtocolError,
)

logger = logging.getLogger(__name__)


class NatsTransport:
    """Implements `Transport` for one node id of this process. Closed by the next."""

    def __init__(self, link: NatsLink, node_id: str) -> None:
        self.node_id = node_id
        self._link = link
        self.take: Callable[[str, Sequence[bytes]], None] | None = None

    def send(self, node_id: str, parts: Sequence[bytes]) -> None:
        """Send the parts to a node, in their order. Never waits; where NATS is away they are lost."""
        if self._link.transport is self:
            self._link.send(node_id, parts)

    def receive(self, take: Callable[[str, Sequence[bytes]], None]) -> None:
        """Set who takes what comes: the sender's node id and the parts. It is called in the event loop."""
        self.take = take


class NatsLink:
    """One connection. `prefix` keeps clusters that share a NATS apart: a node's subject is PREFIX.ID.

    `connect` gives the transport of a node id, and ends that of the id before. `run` has to run.
    """

    def __init__(
        self, address: NatsAddress, prefix: str, name: str, chance: Callable[[], float]
    ) -> None:
        self.figures = LinkFigures()
        self.is_connected = False
        self.forbidden: set[str] = (
            set()
        )  # what the server has not let this connection do, in its words
        self.transport: NatsTransport | None = None
        self._address = address
        self._prefix = prefix
        self._name = name
        self._chance = chance
        self._outgoing = Outgoing(self.figures)
        self._orders: list[bytes] = []
        self._wake = trio.Event()
        self._senders: dict[str, Unpacker] = {}
        self._subscription = 0
        self._limit = 0
        self._told: str | None = None  # why there is no connection, as it was logged

    def connect(self, node_id: str) -> NatsTransport:
        """The transport of a node id of this process from now on."""
        self.transport = NatsTransport(self, node_id)
        self._outgoing = Outgoing(self.figures)
        if self.is_connected:
            if self._subscription:
                self._order(unsubscribe(self._subscription))
            self._order(self._subscribe())
        return self.transport

    def send(self, node_id: str, parts: Sequence[bytes]) -> None:
        """Send parts; what is sent before the writer has its turn goes out as one message."""
        if not self.is_connected:
            self.figures.dropped += len(parts)
        elif self._outgoing.add(node_id, parts):
            self._wake.set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a connection until cancelled. Started once the first is made, or has been tried for long enough.

        Raises `NatsError` where a server refuses the first one: what the settings say is wrong then. Later it is tried again.
        """
        delay = FIRST_RETRY
        deadline = trio.current_time() + PATIENCE
        started = False

        def begin() -> None:
            nonlocal started, delay
            delay = FIRST_RETRY
            if not started:
                started = True
                task_status.started()

        for place in cycle(self._address.places):
            try:
                await self._serve(place, begin)
            except NatsError as error:
                if not started:
                    raise
                self._lost(str(error))
            except LOSSES as error:
                self._lost(f"{place}: {_said(error)}")
            if not started and trio.current_time() > deadline:
                begin()
            await trio.sleep(delay * (0.5 + self._chance()))
            delay = min(2 * delay, LAST_RETRY)

    async def _serve(self, place: Place, begin: Callable[[], None]) -> None:
        """Use a connection to a server until it is lost."""
        with trio.fail_after(PATIENCE):
            stream, parser, self._limit = await open_connection(self._address, place, self._name)
        why: list[Exception] = []
        try:
            begin()
            self._connected(place)
            async with trio.open_nursery() as nursery:

                async def until_lost(work: Callable[[], Awaitable[None]]) -> None:
                    try:
                        await work()
                    except LOSSES as error:
                        why.append(error)
                        nursery.cancel_scope.cancel()

                nursery.start_soon(until_lost, partial(self._write, stream))
                nursery.start_soon(self._give_signs)
                nursery.start_soon(until_lost, partial(self._read, place, stream, parser))
        finally:
            self.is_connected = False
            self._outgoing.drop()
            self._subscription = 0
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)
        if why:
            raise why[0]

    # --- the connection ---------------------------------------------------------------------------------------------------

    async def _write(self, stream: trio.abc.Stream) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            pieces, self._orders = self._orders, []
            reply = "" if self.transport is None else f"{self._prefix}.{self.transport.node_id}"
            for node_id, payload in self._outgoing.take(self._limit):
                pieces += publish(f"{self._prefix}.{node_id}", reply, payload)
            await stream.send_all(b"".join(pieces))

    async def _read(self, place: Place, stream: trio.abc.Stream, parser: Parser) -> None:
        while True:
            with trio.fail_after(PATIENCE):
                data = await stream.receive_some(READ)
            if not data:
                raise trio.BrokenResourceError("the server has closed the connection")
            for each in parser.feed(data):
                match each:
                    case Delivered():
                        self._deliver(each)
                    case Pinged():
                        self._order(PONG)
                    case Refused(text):
                        self._refused(place, text)
                    case Info(lame_duck=True):
                        raise trio.BrokenResourceError("the server is about to stop")

    async def _give_signs(self) -> None:
        while True:
            await trio.sleep(BEAT)
            self._order(PING)

    def _deliver(self, message: Delivered) -> None:
        transport = self.transport
        prefix, _, sender = message.reply.rpartition(".")
        if (
            transport is None
            or transport.take is None
            or prefix != self._prefix
            or message.subject != f"{prefix}.{transport.node_id}"
        ):
            return
        unpacker = self._senders.get(sender)
        if unpacker is None:
            if len(self._senders) >= NODES:
                del self._senders[next(iter(self._senders))]
            unpacker = self._senders[sender] = Unpacker()
        self.figures.received += 1
        self.figures.received_bytes += len(message.payload)
        before = unpacker.lost
        try:
            parts = unpacker.unpack(message.payload)
        except ValueError as error:
            logger.warning("NATS: %s", error)
            self.figures.lost += 1
            return
        self.figures.lost += unpacker.lost - before
        if parts:
            transport.take(sender, parts)

    @property
    def works(self) -> bool:
        """Whether there is a connection that may do what a node needs."""
        return self.is_connected and not self.forbidden

    def _refused(self, place: Place, text: str) -> None:
        if not text.startswith(FORBIDDEN):
            logger.warning("NATS at %s: %s", place, text)
            return
        what = text.partition(" to ")[0]  # the subject is another with each node
        if what not in self.forbidden:
            self.forbidden.add(what)
            logger.error(
                "NATS at %s: %s: the account of the nodes has to publish and subscribe %s.*",
                place,
                text,
                self._prefix,
            )

    def _connected(self, place: Place) -> None:
        self.is_connected = True
        self.forbidden.clear()
        self.figures.connections += 1
        self._orders = [self._subscribe()] if self.transport is not None else []
        self._wake.set()
        self._told = None
        logger.info("connected to NATS at %s", place)

    def _lost(self, why: str) -> None:
        """Say it once, however often it is tried again."""
        if why != self._told:
            self._told = why
            logger.warning(
                "no connection to NATS: %s; the nodes do not hear each other, and it is tried again",
                why,
            )

    def _subscribe(self) -> bytes:
        assert self.transport is not None
        self._subscription += 1
        return subscribe(f"{self._prefix}.{self.transport.node_id}", self._subscription)

    def _order(self, line: bytes) -> None:
        self._orders.append(line)
        self._wake.set()


def _said(error: Exception) -> str:
    if isinstance(error, trio.TooSlowError):
        return f"no answer for {PATIENCE:.0f} s"
    return str(error) or str(error.__cause__) or type(error).__name__
