"""Readers of server-sent events, who come back as browsers do: with the id of the last event that they have."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import anyio
import trio

from salon.web.api.handshake import Asked
from salon.web.client import Frame, Refused, Unreachable, is_event

from ..users import EventLines
from . import operator_routes as routes
from .link import Link

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..checker import Line, Recorder
    from .person import Person

AGAIN = 2.0  # seconds until a browser comes back, at first
LONGEST_PAUSE = 30.0


class Ended(Exception):
    """The stream has ended; what is missing is asked for on the next one."""


async def _events(link: Link) -> AsyncGenerator[tuple[str | None, Frame], None]:
    """The events of a stream with their ids, until its end."""
    lines = EventLines()
    while True:
        try:
            read = await link.receive()
        except anyio.EndOfStream:
            return
        for event in lines.take(read):
            yield event


class Reader:
    """Follows a stream over its ends, as a browser."""

    path = "events"

    def __init__(self, person: Person) -> None:
        self.person = person
        self.connected = False
        self.stopped = False

    async def run(self) -> None:
        """Follow until cancelled or `stopped`."""
        pause = AGAIN
        while not self.stopped:
            with suppress(Refused, Unreachable, Ended):
                await self._follow()
                pause = AGAIN
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _follow(self) -> None:
        raise NotImplementedError

    async def _open(self, conversation_id: str, last_event_id: str | None) -> Link:
        person, network = self.person, self.person.network
        link = Link(network.agenda, network.chance, capacity=network.capacity)
        query = {} if last_event_id is None else {"last_sequence_id": last_event_id}
        bearer = f"Bearer {person.token}"
        asked = Asked(conversation_id, "10.0.0.1", query, "salon", None, bearer, None)
        person.links.append(link)
        try:
            await person.ask_for(lambda process: process.listen(link, asked))
        except BaseException:
            self._close(link)
            raise
        return link

    def _close(self, link: Link) -> None:
        link.cut()
        self.person.links.remove(link)


class EventReader(Reader):
    """Follows the events of one conversation. `events` has all of them."""

    def __init__(self, person: Person, conversation_id: str, recorder: Recorder) -> None:
        super().__init__(person)
        self.conversation_id = conversation_id
        self.events: list[Frame] = []
        self._recorder = recorder
        self._last_event_id: str | None = None

    @property
    def last(self) -> int:
        """The last sequence received."""
        return int(self.events[-1]["sequence_id"]) if self.events else 0

    async def _follow(self) -> None:
        person = self.person
        after = self.last if self.events else None
        line = self._recorder.connect(self.conversation_id, person.person, after, person.token_name)
        code: int | None = None
        reason = ""
        try:
            link = await self._open(self.conversation_id, self._last_event_id)
            try:
                async with aclosing(_events(link)) as events:
                    async for id, frame in events:
                        if frame["type"] == "closed":
                            code, reason = frame["code"], frame["reason"]
                            break
                        self._last_event_id = id or self._last_event_id
                        await self._take(line, frame)
            finally:
                self.connected = False
                self._close(link)
        finally:
            line.closed(code, reason)

    async def _take(self, line: Line, frame: Frame) -> None:
        line.took(frame)
        if frame["type"] == "connected":
            self.connected = True
            await self._page(frame["first_sequence_id"])  # what the stream leaves out
        elif is_event(frame) and frame["sequence_id"] > self.last:
            self.events.append(frame)

    async def _page(self, first: int) -> None:
        while self.last < first - 1:
            page = await self.person.history(self.conversation_id, after=self.last)
            if not page["events"]:
                raise Ended
            self.events += [e for e in page["events"] if self.last < e["sequence_id"] < first]


class ListReader(Reader):
    """Follows the list of a person's conversations. `unread` has the number of unread messages of each."""

    def __init__(self, person: Person) -> None:
        super().__init__(person)
        self.unread: dict[str, int] = {}

    async def _follow(self) -> None:
        link = await self._open("", None)
        try:
            async with aclosing(_events(link)) as events:
                async for _, frame in events:
                    await self._take(frame)
        finally:
            self.connected = False
            self._close(link)

    async def _take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "connected":
                self.unread = await self.person.call(routes.conversations)
                self.connected = True
            case "conversation":
                line = frame["conversation"]
                self.unread[line["conversation_id"]] = line["unread_count"]
            case "conversation_gone":
                self.unread.pop(frame["conversation_id"], None)
            case "closed":
                raise Ended
