"""Traffic for the tests: people who speak as fast as they get receipts, and people who do nothing but listen."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import trio

from salon.web.client import Closed, Socket
from tests.person import EVENTS, Frame, Person
from tests.server import ServerProcess
from tests.trio_stream import TrioStream

RECEIVE_BUFFER = 4096  # bytes that the kernel takes for one who does not read: the rest has to wait at the server
WIDENED_AFTER = 4 * RECEIVE_BUFFER  # bytes read: more than a handshake and what comes with it


class Speaker:
    """Says `count` things, `window` of them at a time without a receipt; knows what was promised and what was heard.

    With `stays` it listens on once all is answered, until the connection ends.
    """

    def __init__(
        self, who: Person, count: int, *, window: int = 50, size: int = 0, stays: bool = False
    ) -> None:
        self.who = who
        self.stays = stays
        self.window = window
        self.messages = {self._key(n): self._content(n, size) for n in range(count)}
        self.receipts: dict[str, Frame] = {}
        self.refusals: list[Frame] = []
        self.sent_at: dict[str, float] = {}
        self.latencies: list[float] = []
        self.closed: Closed | None = None

    async def speak(self, conversation_id: str) -> None:
        """Say what has no receipt yet, until all has one or the connection ends."""
        missing = [key for key in self.messages if key not in self.receipts]
        async with self.who.client().socket(conversation_id) as connection:
            try:
                with suppress(Closed):  # by a write: what has come before is still to be read
                    await self._converse(connection, missing)
                while self.stays or len(self.receipts) + len(self.refusals) < len(self.messages):
                    self._note(await connection.receive_json())
            except Closed as closed:
                self.closed = closed

    async def _converse(self, connection: Socket, missing: list[str]) -> None:
        waiting: set[str | None] = set()
        position = 0
        while position < len(missing) or waiting:
            keys = missing[position : position + self.window - len(waiting)]
            position += len(keys)
            waiting.update(keys)
            if keys:
                now = trio.current_time()
                self.sent_at |= dict.fromkeys(keys, now)
                await connection.send_json(*map(self._frame, keys))
            while len(waiting) > self.window // 2 or (waiting and position == len(missing)):
                waiting.discard(self._note(await connection.receive_json()))

    def _note(self, frame: Frame) -> str | None:
        """The key that this frame answers, if it answers one."""
        if frame["type"] == "message_ack":
            key: str = frame["client_message_id"]
            self.latencies.append(trio.current_time() - self.sent_at[key])
            self.receipts[key] = frame
            return key
        if frame["type"] == "error":
            self.refusals.append(frame)
            return str(frame["client_message_id"])
        return None

    def _frame(self, key: str) -> Frame:
        return {"type": "message", "content": self.messages[key], "client_message_id": key}

    def _key(self, number: int) -> str:
        return f"{self.who.name} {number}"

    def _content(self, number: int, size: int) -> str:
        return self._key(number).ljust(size, ".")


class Listener:
    """Hears everything over one socket after the other, each resuming where the one before has ended."""

    def __init__(self, who: Person, last_sequence_id: int = 0) -> None:
        self.who = who
        self.events: list[Frame] = []
        self.signals: list[Frame] = []
        self.closed: Closed | None = None
        self._last = last_sequence_id
        self._heard = trio.lowlevel.ParkingLot()

    @property
    def last_sequence_id(self) -> int:
        return self.events[-1]["sequence_id"] if self.events else self._last

    async def listen(self, conversation_id: str, until: int) -> None:
        """Until that event has come, or the connection ends."""
        client = self.who.client()
        async with client.socket(conversation_id, self.last_sequence_id) as connection:
            try:
                await self.take(connection, until)
            except Closed as closed:
                self.closed = closed

    async def take(self, connection: Socket, until: int) -> None:
        """Note what comes on this connection until that event has."""
        while self.last_sequence_id < until:
            frame = await connection.receive_json()
            (self.events if frame["type"] in EVENTS else self.signals).append(frame)
            self._heard.unpark_all()

    async def wait_heard(self, sequence: int) -> None:
        """While it listens in another task: until that event has come."""
        while self.last_sequence_id < sequence:
            await self._heard.park()


@asynccontextmanager
async def deaf(who: Person, conversation_id: str) -> AsyncIterator[Socket]:
    """A socket that is never read by itself, and for which the kernel keeps as little as it can."""

    async def dial() -> TrioStream:
        return TrioStream(await narrow(who.server))

    client = who.client(dial=dial)
    async with client.socket(conversation_id, 0) as connection:
        yield connection


class NarrowStream(trio.abc.Stream):
    """For one who does not read yet the kernel keeps as little as it can; for one who reads, as much as for anybody.

    A window that is smaller than the loopback's segments is opened by a timer of the sender's, some kilobytes in 0.2 s: what
    waited would come for minutes.
    """

    def __init__(self, end: trio.socket.SocketType) -> None:
        self._stream, self._taken = trio.SocketStream(end), 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        before, self._taken = self._taken, self._taken + len(data)
        if before <= WIDENED_AFTER < self._taken:
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * RECEIVE_BUFFER)
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def narrow(server: ServerProcess) -> NarrowStream:
    """A connection for which the kernel keeps as little as it can, until much of it has been read."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    end = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        await end.connect((host, int(port)))
    except BaseException:
        end.close()
        raise
    return NarrowStream(end)


@contextmanager
def store_held(server: ServerProcess) -> Iterator[Callable[[], object]]:
    """Nobody can write into the store, until the yielded function is called or the block ends."""
    holder = sqlite3.connect(server.store.removeprefix("sqlite:///"), isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        yield holder.rollback
    finally:
        holder.close()


async def until(so: Callable[[], bool]) -> None:
    """Wait for what nobody announces."""
    while not so():  # noqa: ASYNC110
        await trio.sleep(0.02)


def numbers(frames: list[Frame]) -> list[int]:
    return [frame["sequence_id"] for frame in frames]


def keys(events: list[Frame]) -> list[Any]:
    """The messages' own keys, in the order in which they were heard."""
    return [e["message"]["client_message_id"] for e in events if e["type"] == "message"]


def check_promises(log: list[Frame], *speakers: Speaker) -> None:
    """The log has no gap, nothing twice, everybody's words in their order, and all that was promised in its place."""
    assert numbers(log) == list(range(1, len(log) + 1))
    said = keys(log)
    assert len(set(said)) == len(said)
    for speaker in speakers:
        own = [key for key in said if key in speaker.messages]
        assert own == sorted(own, key=list(speaker.messages).index)
        for key, receipt in speaker.receipts.items():
            message = log[receipt["sequence_id"] - 1]["message"]
            assert message["client_message_id"] == key
            assert message["message_id"] == receipt["message_id"]
            assert message["content"] == speaker.messages[key]


class Crowd:
    """Many sockets that hear the same: texts as they come, hardly looked at, since there are so many."""

    def __init__(self) -> None:
        self.heard: list[list[str]] = []
        self.came_at: list[list[float]] = []

    async def listen(
        self,
        who: Person,
        conversation_id: str,
        messages: int,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """One more socket, which has started once it is live and ends after that many messages."""
        texts: list[str] = []
        times: list[float] = []
        self.heard.append(texts)
        self.came_at.append(times)
        async with who.client().socket(conversation_id) as connection:
            while (await connection.receive_json())["type"] != "caught_up":
                pass
            task_status.started()
            while len(texts) < messages:
                text = await connection.receive_text()
                if text.startswith('{"type":"message",'):
                    texts.append(text)
                    times.append(trio.current_time())

    def check(self, log: list[Frame]) -> None:
        """All have heard the messages of the log, each once and in order."""
        messages = [event for event in log if event["type"] == "message"]
        assert [json.loads(text) for text in self.heard[0]] == messages
        for texts in self.heard[1:]:
            assert texts == self.heard[0]


def percentiles(seconds: list[float]) -> str:
    """For people."""
    ordered = sorted(seconds)
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return f"p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms"
