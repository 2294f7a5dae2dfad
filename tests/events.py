"""Streams of server-sent events for the tests, read through an HTTP parser that is not ours."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from urllib.parse import urlsplit

import h11
import trio

from salon.web.api.asyncapi import asyncapi
from tests.contract import FrameContract
from tests.patience import PATIENCE
from tests.person import EVENTS, Frame, Person
from tests.traffic import narrow

READ = 65_536


@cache
def contract() -> FrameContract:
    """What the AsyncAPI document promises."""
    return FrameContract(asyncapi())


class Stream:
    """One open stream: its head, its frames, its comments, and the id of the last event, as a browser keeps it."""

    def __init__(self, stream: trio.abc.Stream, peer: h11.Connection, path: str) -> None:
        self._path = path
        self.headers: dict[str, str] = {}
        self.frames: list[Frame] = []
        self.comments = 0
        self.last_event_id: str | None = None
        self.retry: int | None = None
        self.stream = stream
        self._peer = peer
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._id: str | None = None

    @property
    def events(self) -> list[Frame]:
        """Those frames that are events of the log."""
        return [frame for frame in self.frames if frame["type"] in EVENTS]

    async def begin(self) -> None:
        """Read the head."""
        head = await self._event()
        assert isinstance(head, h11.Response)
        assert head.status_code == 200, await self._event()
        self.headers = {name.decode().lower(): value.decode() for name, value in head.headers}

    async def next(self) -> Frame | None:
        """The next frame; None at the end."""
        with trio.fail_after(4 * PATIENCE):
            while (line := await self._line()) is not None:
                name, _, value = line.decode().partition(": ")
                if line.startswith(b":"):
                    self.comments += 1
                elif name == "id":
                    self._id = value  # counts once the event is whole
                elif name == "retry":
                    self.retry = int(value)
                elif name == "data":
                    self.last_event_id = self._id
                    self.frames.append(json.loads(value))
                    self._check(self.frames[-1])
                    return self.frames[-1]
        return None

    def _check(self, frame: Frame) -> None:
        """Each frame is one of its channel in the AsyncAPI document."""
        channel = "personal_events" if self._path.startswith("/me/") else "conversation_events"
        names = [f"{side}_{frame['type']}" for side in ("stream", "server")]
        (name,) = (each for each in names if each in asyncapi()["channels"][channel]["messages"])
        contract().check(name, frame)

    async def until(self, kind: str) -> Frame:
        """The next frame of that type."""
        while (frame := await self.next()) is None or frame["type"] != kind:
            assert frame is not None, f"the stream ended without {kind}"
        return frame

    async def until_sequence(self, sequence: int) -> None:
        """Read until that event of the log has come."""
        while not (self.events and self.events[-1]["sequence_id"] >= sequence):
            assert await self.next() is not None, "the stream ended"

    async def _line(self) -> bytes | None:
        while not self._lines:
            event = await self._event()
            if not isinstance(event, h11.Data):
                return None
            *whole, self._rest = (self._rest + bytes(event.data)).split(b"\n")
            self._lines += whole
        return self._lines.popleft()

    async def _event(self) -> object:
        while (event := self._peer.next_event()) is h11.NEED_DATA:
            try:
                self._peer.receive_data(await self.stream.receive_some(READ))
            except trio.BrokenResourceError:
                return None
        return event


@asynccontextmanager
async def following(
    who: Person, path: str, last_event_id: str | None = None, *, deaf: bool = False
) -> AsyncIterator[Stream]:
    """A stream of this person's, from its first event on. With `deaf` the kernel keeps little of what is not read."""
    to = urlsplit(who.server.url)
    assert to.hostname is not None
    assert to.port is not None
    line: trio.abc.Stream
    if deaf:
        line = await narrow(who.server)
    else:
        line = await trio.open_tcp_stream(to.hostname, to.port)
    async with line:
        yield await follow(line, path, who.token, last_event_id)


async def follow(
    line: trio.abc.Stream, path: str, token: str, last_event_id: str | None = None
) -> Stream:
    """The stream of events that is asked for over this connection."""
    headers = [("Host", "salon"), ("Authorization", f"Bearer {token}")]
    if last_event_id is not None:
        headers.append(("Last-Event-ID", last_event_id))
    peer = h11.Connection(h11.CLIENT)
    request = h11.Request(method="GET", target=path, headers=headers)
    await line.send_all((peer.send(request) or b"") + (peer.send(h11.EndOfMessage()) or b""))
    opened = Stream(line, peer, path)
    await opened.begin()
    return opened
