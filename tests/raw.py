"""The wire by hand, for what no library would send: requests and frames as bytes, and a line to send them over."""

from __future__ import annotations

import json
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import trio

from tests.patience import PATIENCE

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK = b"\x37\xfa\x21\x3d"

Form = Literal["shortest", 7, 16, 64]


def client_frame(
    opcode: int,
    payload: bytes | str = b"",
    *,
    fin: bool = True,
    mask: bytes | None = MASK,
    reserved: int = 0,
    form: Form = "shortest",
) -> bytes:
    """A frame as a client sends it; and, if asked, as no client may: unmasked, with reserved bits, with a longer length."""
    if isinstance(payload, str):
        payload = payload.encode()
    size = len(payload)
    if form == "shortest":
        form = 7 if size < 126 else 16 if size < 1 << 16 else 64
    masked = 0x80 if mask is not None else 0
    head = bytes(((0x80 if fin else 0) | reserved << 4 | opcode,))
    if form == 7:
        head += bytes((masked | size,))
    elif form == 16:
        head += bytes((masked | 126,)) + size.to_bytes(2, "big")
    else:
        head += bytes((masked | 127,)) + size.to_bytes(8, "big")
    return head + masked_payload(payload, mask)


def masked_payload(payload: bytes, mask: bytes | None) -> bytes:
    """The mask, and the payload under it."""
    if mask is None:
        return payload
    key = int.from_bytes(mask * (len(payload) // 4 + 1), "little")
    key &= (1 << 8 * len(payload)) - 1
    return mask + (int.from_bytes(payload, "little") ^ key).to_bytes(len(payload), "little")


def close_payload(code: int, reason: str = "") -> bytes:
    """What a close frame holds."""
    return code.to_bytes(2, "big") + reason.encode()


def frames_in(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The whole frames of a server, as (opcode, payload), and the beginning of one that is not whole."""
    frames = []
    at = 0
    while len(data) >= at + 2:
        length, start = data[at + 1], at + 2
        if length >= 126:
            start = at + (4 if length == 126 else 10)
            length = int.from_bytes(data[at + 2 : start], "big")
        if len(data) < start + length:
            break
        frames.append((data[at] & 0x0F, data[start : start + length]))
        at = start + length
    return frames, data[at:]


def request(
    method: str, path: str, body: bytes = b"", token: str | None = None, **headers: str
) -> bytes:
    """A request; `Content_Type="text/plain"` is a header."""
    lines = [f"{method} {path} HTTP/1.1", "Host: salon"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def upgrade(path: str, token: str | None = None, **headers: str) -> bytes:
    """A request for a WebSocket."""
    asked = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    return request("GET", path, b"", token, **(asked | headers))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Line:
    """One connection. Every wait is bounded, by `patience` in seconds."""

    def __init__(self, stream: trio.abc.Stream, patience: float = PATIENCE) -> None:
        self.stream = stream
        self._patience = patience
        self.seen: list[dict[str, Any]] = []  # text frames, parsed
        self._buffer = b""
        self._frames: deque[tuple[int, bytes]] = deque()

    async def send(self, data: bytes) -> None:
        with trio.fail_after(self._patience):
            await self.stream.send_all(data)

    async def send_json(self, **fields: Any) -> None:
        await self.send(client_frame(TEXT, json.dumps(fields)))

    async def answer(self) -> Answer:
        """The next answer."""
        while b"\r\n\r\n" not in self._buffer:
            await self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        length = int(headers.get("content-length", 0))
        while len(self._buffer) < length:
            await self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(int(first.split()[1]), headers, body)

    async def head(self) -> bytes:
        """The head of an answer that does not end; what follows it is kept."""
        while b"\r\n\r\n" not in self._buffer:
            await self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    async def frame(self) -> tuple[int, bytes]:
        """The next frame of the server."""
        while not self._frames:
            whole, self._buffer = frames_in(self._buffer)
            self._frames.extend(whole)
            if not whole:
                await self._more()
        opcode, payload = self._frames.popleft()
        if opcode == TEXT:
            self.seen.append(json.loads(payload))
        return opcode, payload

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next text frame of this type, with these fields."""
        while True:
            opcode, _ = await self.frame()
            if opcode == TEXT:
                seen = self.seen[-1]
                if seen["type"] == kind and seen | fields == seen:
                    return seen
            assert opcode != CLOSE, f"closed before any {kind} came: {self.seen[-3:]}"

    async def pong(self) -> bytes:
        """What the next pong carries."""
        while True:
            opcode, payload = await self.frame()
            if opcode == PONG:
                return payload

    async def closed(self) -> tuple[int, str]:
        """Code and reason of the server's close frame; what comes before it is only noted."""
        while True:
            opcode, payload = await self.frame()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def end(self) -> bytes:
        """Everything until the server ends the connection, be it rudely."""
        rest = bytearray(self._buffer)
        self._buffer = b""
        with trio.fail_after(self._patience):
            while True:
                try:
                    data = await self.stream.receive_some()
                except trio.BrokenResourceError:
                    break
                if not data:
                    break
                rest += data
        return bytes(rest)

    async def _more(self) -> None:
        with trio.fail_after(self._patience):
            data = await self.stream.receive_some()
        assert data, f"the server has ended the connection; the last it said was {self._buffer!r}"
        self._buffer += data


@asynccontextmanager
async def open_line(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Line]:
    """A connection to the server at this URL."""
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 0
    with trio.fail_after(PATIENCE):
        stream: trio.abc.Stream = await trio.open_tcp_stream(host, port)
        if tls is not None:
            assert isinstance(stream, trio.SocketStream)
            stream = trio.SSLStream(stream, tls, server_hostname=host, https_compatible=True)
    try:
        yield Line(stream)
    finally:
        await trio.aclose_forcefully(stream)


@asynccontextmanager
async def open_socket(
    url: str,
    conversation_id: str,
    token: str,
    early: bytes = b"",
    tls: ssl.SSLContext | None = None,
    **headers: str,
) -> AsyncIterator[Line]:
    """A WebSocket; `early` is sent together with the request."""
    async with open_line(url, tls) as line:
        await line.send(upgrade(f"/chat/ws/{conversation_id}", token, **headers) + early)
        answer = await line.answer()
        assert answer.status == 101, answer
        yield line
