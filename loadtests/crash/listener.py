"""A reader of server-sent events over HTTP, who comes back after each drop with the id of the last event that it has."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import trio

from salon.web.client import is_event

from ..users import EventLines

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..checker import Line, RecordedClient, Recorder

AGAIN = 0.2  # seconds until it comes back
SILENCE = (
    5.0  # seconds without a byte after which the line is dead: the server's heart beats each second
)


class StreamListener:
    """One of them, who follows a conversation from its beginning. `streams` counts those that were opened."""

    def __init__(self, client: RecordedClient, conversation: str, recorder: Recorder) -> None:
        self.conversation = conversation
        self.streams = self.last = 0
        self._client = client
        self._recorder = recorder
        self._last_event_id = "0"
        self._news = trio.lowlevel.ParkingLot()

    async def wait_heard(self, sequence: int) -> None:
        """Wait until the event has come."""
        while self.last < sequence:
            await self._news.park()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            client = self._client
            line = self._recorder.connect(self.conversation, client.person, self.last)
            try:
                with suppress(OSError, trio.BrokenResourceError, trio.TooSlowError, _Refused):
                    await self._follow(line)
            finally:
                line.closed()
            await trio.sleep(AGAIN)

    async def _follow(self, line: Line) -> None:
        async with aclosing(self._events()) as events:
            async for id, frame in events:
                if frame["type"] == "closed":
                    return
                line.took(frame)
                self._last_event_id = id or self._last_event_id
                if is_event(frame):
                    self.last = max(self.last, int(frame["sequence_id"]))
                    self._news.unpark_all()

    async def _events(self) -> AsyncGenerator[tuple[str | None, dict[str, Any]], None]:
        url = urlsplit(self._client.url)
        assert url.hostname is not None
        assert url.port is not None
        stream = await trio.open_tcp_stream(url.hostname, url.port)
        async with stream:
            await stream.send_all(self._head(url.netloc))
            read = await self._head_end(stream)
            self.streams += 1
            lines = EventLines()
            while True:
                for event in lines.take(read):
                    yield event
                read = await _some(stream)

    def _head(self, host: str) -> bytes:
        lines = [
            f"GET /chat/{self.conversation}/events HTTP/1.1",
            f"Host: {host}",
            f"Authorization: Bearer {self._client.token}",
            f"Last-Event-ID: {self._last_event_id}",
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    async def _head_end(self, stream: trio.SocketStream) -> bytes:
        """What comes after the head of a good answer."""
        read = b""
        while b"\r\n\r\n" not in read:
            read += await _some(stream)
        head, _, rest = read.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise _Refused
        return rest


class _Refused(Exception):
    """There is no stream now: the server starts or drains."""


async def _some(stream: trio.SocketStream) -> bytes:
    """Bytes. Raises `OSError` at the end."""
    with trio.fail_after(SILENCE):
        data = bytes(await stream.receive_some())
    if not data:
        raise ConnectionResetError("the stream has ended")
    return data
