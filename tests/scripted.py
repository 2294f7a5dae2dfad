"""A scripted server for the Python client, under either loop: a script has each socket in its hand, and HTTP has set answers."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
from anyio.abc import TaskGroup
from wsproto import WSConnection
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)

from salon.web.client import Client, Conversation, Frame
from salon.web.client.wire import LOST, Stream, close_at_once
from tests.memory_stream import stream_pair

URL = "http://salon.test"
TOKEN = "secret-token-of-ada"


# --- frames of the contract -------------------------------------------------------------------


def connected(head: int, first: int | None = None, **more: Any) -> Frame:
    frame = {"type": "connected", "resume": "fresh", "epoch": "e1", "heartbeat": 25}
    return {**frame, "head_sequence_id": head, "first_sequence_id": first, **more}


def event(number: int, **more: Any) -> Frame:
    message = {"sequence_id": number, "content": f"text {number}"}
    return {"type": "message", "sequence_id": number, "message": message, **more}


def events(first: int, last: int) -> list[Frame]:
    return [event(number) for number in range(first, last + 1)]


def caught_up(number: int) -> Frame:
    return {"type": "caught_up", "sequence_id": number}


def receipt(number: int, key: str) -> Frame:
    names = {"conversation_id": "c1", "message_id": f"m{number}", "event_hash": "h"}
    place = {"sequence_id": number, "timestamp": "2026-01-01T00:00:00Z"}
    return {**names, **place, "client_message_id": key, "durability": "committed"}


def ack(number: int, key: str) -> Frame:
    return {"type": "message_ack", **receipt(number, key)}


def error(code: str, key: str | None = None, **more: Any) -> Frame:
    frame = {"type": "error", "code": code, "error": "no", "temporary": False, "id": "r1", **more}
    return frame if key is None else {**frame, "client_message_id": key}


def numbers(frames: Sequence[Frame]) -> list[int]:
    return [frame["sequence_id"] for frame in frames]


# --- the server -------------------------------------------------------------------------------


class Gone(Exception):
    """The client has left, or the connection is cut."""


class Peer:
    """The server's end of one socket, in the hand of a script. It reads only where the script does."""

    def __init__(self, stream: Stream, data: bytes, path: str, headers: dict[str, str]) -> None:
        self.stream = stream
        self.query = parse_qs(urlsplit(path).query)
        self.headers = headers
        self.left_with: int | None = None  # the code with which the client closed
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._protocol.receive_data(data)
        self._texts: deque[str] = deque()
        self._pongs: list[bytes] = []
        self._parts = ""

    @property
    def last_sequence_id(self) -> int | None:
        return int(self.query["last_sequence_id"][0]) if "last_sequence_id" in self.query else None

    async def accept(self) -> None:
        assert isinstance(next(self._protocol.events()), Request)
        await self._write(AcceptConnection())

    async def send(self, *frames: Frame) -> None:
        for frame in frames:
            await self.send_text(json.dumps(frame))

    async def send_text(self, text: str) -> None:
        await self._write(TextMessage(data=text))

    async def receive(self) -> Frame:
        frame = json.loads(await self.receive_text())
        assert isinstance(frame, dict)
        return frame

    async def receive_text(self) -> str:
        while not self._texts:
            await self._read()
        return self._texts.popleft()

    async def ping(self, payload: bytes = b"") -> None:
        await self._write(Ping(payload=payload))

    async def pong(self, payload: bytes) -> None:
        """Until the client has answered a ping with this payload."""
        while payload not in self._pongs:
            await self._read()

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye, until the client has answered."""
        await self._write(CloseConnection(code=code, reason=reason))
        while True:
            await self._read()

    async def drop(self) -> None:
        await close_at_once(self.stream)

    async def stay(self) -> None:
        """Until the client leaves."""
        with suppress(Gone):
            while True:
                await self._read()

    async def _read(self) -> None:
        try:
            data = await self.stream.receive()
        except LOST:
            raise Gone from None
        self._protocol.receive_data(data)
        for each in self._protocol.events():
            await self._take(each)

    async def _take(self, event: Event) -> None:
        match event:
            case TextMessage():
                self._parts += event.data
                if event.message_finished:
                    self._texts.append(self._parts)
                    self._parts = ""
            case Ping():
                await self._write(event.response())
            case Pong():
                self._pongs.append(bytes(event.payload))
            case CloseConnection():
                self.left_with = event.code
                if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                    await self._write(event.response())
                raise Gone

    async def _write(self, event: Event) -> None:
        try:
            await self.stream.send(self._protocol.send(event))
        except LOST:
            raise Gone from None


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Rejection:
    """A handshake refused, in the place of a script."""

    status: int
    body: Frame = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Server:
    """Answers HTTP from `log` or `answers`, and each socket with the next of its scripts."""

    tasks: TaskGroup
    scripts: list[Script | Rejection]
    log: list[Frame] = field(default_factory=list)
    answers: dict[str, list[tuple[int, Frame | bytes]]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    connected_at: list[float] = field(default_factory=list)
    pause: anyio.Event | None = None
    streams: Callable[[], tuple[Stream, Stream]] = stream_pair

    async def dial(self) -> Stream:
        client, server = self.streams()
        self.tasks.start_soon(self.serve, server)
        return client

    async def serve(self, stream: Stream) -> None:
        with suppress(*LOST):  # a client may leave at any moment
            await self._serve(stream)

    async def _serve(self, stream: Stream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive()
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, value in (it.split(": ", 1) for it in lines)}
        if "upgrade" in headers:
            await self._socket(stream, data, path, headers)
            return
        while len(body) < int(headers.get("content-length", 0)):
            body += await stream.receive()
        self.requests.append((method, path, headers, body))
        if self.pause is not None:
            await self.pause.wait()
        status, answer = self._answer(method, path)
        await stream.send(http(status, answer))
        await stream.aclose()

    def _answer(self, method: str, path: str) -> tuple[int, Frame | bytes]:
        url = urlsplit(path)
        if scripted := self.answers.get(f"{method} {url.path}"):
            return scripted.pop(0)
        after = int(parse_qs(url.query)["after"][0])
        page = [frame for frame in self.log if frame["sequence_id"] > after][:100]
        return 200, {"events": page, "head_sequence_id": len(self.log), "has_more": False}

    async def _socket(
        self, stream: Stream, data: bytes, path: str, headers: dict[str, str]
    ) -> None:
        self.connected_at.append(anyio.current_time())
        script = self.scripts.pop(0)
        if isinstance(script, Rejection):
            await stream.send(http(script.status, script.body, script.headers))
            await stream.aclose()
            return
        peer = Peer(stream, data, path, headers)
        with suppress(Gone):
            await peer.accept()
            await script(peer)
        await close_at_once(stream)


def http(status: int, answer: Frame | bytes, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def serving(
    *scripts: Script | Rejection, log: int = 0, **options: Any
) -> AsyncIterator[tuple[Server, Client]]:
    """A server with these scripts and a log of so many events, and Ada's client to it."""
    with anyio.fail_after(3600):  # of the virtual clock
        async with anyio.create_task_group() as tasks:
            server = Server(tasks, list(scripts), events(1, log))
            given = {"token": TOKEN, "random": random.Random(1).random, **options}
            yield server, Client(URL, dial=server.dial, **given)
            tasks.cancel_scope.cancel()


async def quiet(peer: Peer) -> None:
    head = peer.last_sequence_id or 0
    await peer.send(connected(head, resume="complete"), caught_up(head))
    await peer.stay()


async def take(conversation: Conversation, count: int) -> list[int]:
    return [(await anext(conversation))["sequence_id"] for _ in range(count)]
