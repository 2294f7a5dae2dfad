"""People on good lines who write at a steady rate at every node: how long receipts take, and how long nothing is delivered."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from .cluster import NAMES
from .outage import Window, Write
from .user import BACKOFF

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from salon.web.client import Conversation

    from ..checker import Record, RecordedClient
    from .crowd import Crowd

ROOMS = 6  # conversations: each node owns some
PERIOD = (
    0.3  # seconds between two messages of one person, whether or not the one before is answered
)
BEFORE = 2.0  # seconds that are measured before the fault
AGAIN = 0.05  # seconds between two looks whether all have heard everything
# Refusals that say nothing about a server: somebody else was faster, an attempt before took effect, a run goes on elsewhere.
EXPECTED = {
    *("ALREADY_PARTICIPANT", "MESSAGE_DELETED", "NOT_FOUND", "NOT_PARTICIPANT"),
    *("OFFSET_MISMATCH", "REVISION_CONFLICT", "RUN_ENDED", "UNAUTHENTICATED"),
}


class MeterUser:
    """One person at one node in one conversation."""

    def __init__(self, meter: Meter, client: RecordedClient, home: str, room: str) -> None:
        self.client = client
        self.home = home
        self.room = room
        self.head = 0
        self.is_gone = False
        self._meter = meter
        self._said = 0
        self._life = trio.CancelScope()

    async def live(self) -> None:
        """Read always, and write while something is measured, until cancelled or `leave`."""
        self.is_gone, self._life = False, trio.CancelScope()
        with self._life:
            async with (
                self.client.conversation(self.room, self.head, backoff=BACKOFF) as conversation,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(self._write, conversation)
                async for event in conversation:
                    self.head = event["sequence_id"]
                    if (window := self._meter.window) is not None:
                        window.arrived(self.home, self.room, trio.current_time())

    def leave(self) -> None:
        """End at once, as a program that is killed."""
        self.is_gone = True
        self._life.cancel()

    async def _write(self, conversation: Conversation) -> None:
        due = trio.current_time() + PERIOD * NAMES.index(self.home) / len(NAMES)  # not all at once
        async with trio.open_nursery() as nursery:
            while True:
                due += PERIOD
                await trio.sleep_until(due)
                if (window := self._meter.window) is not None:
                    nursery.start_soon(self._send, conversation, window)

    async def _send(self, conversation: Conversation, window: Window) -> None:
        self._said += 1
        text = f"{self.client.person} {self._said}"
        write = Write(self.home, self.room, trio.current_time())
        window.writes.append(write)
        await conversation.send(text, text)
        write.ended = trio.current_time()


class Meter:
    """All of them, one at each node in each conversation. They write while there is a `window`."""

    def __init__(self) -> None:
        self.window: Window | None = None
        self.users: list[MeterUser] = []
        self.owners: list[RecordedClient] = []  # one for each conversation, in order
        self.rooms: list[str] = []
        self._nursery: trio.Nursery

    async def gather(self, crowd: Crowd, urls: Sequence[str]) -> None:
        """Make them; `urls` lead to the nodes, in the order of `NAMES`."""
        for number in range(ROOMS):
            people = [await crowd.guest(f"Meter {number}-{name}", good=True) for name in NAMES]
            for person, url in zip(people, urls, strict=True):
                person.url = url
            room = (await people[0].create(f"Meter {number}"))["conversation_id"]
            for each in people[1:]:
                await people[0].join(room, {"user_id": each.person, "name": "Meter"})
            self.rooms.append(room)
            self.owners.append(people[0])
            for home, person in zip(NAMES, people, strict=True):
                self.users.append(MeterUser(self, person, home, room))

    def begin(self, nursery: trio.Nursery) -> None:
        """Have them live in the nursery."""
        self._nursery = nursery
        for each in self.users:
            nursery.start_soon(each.live)

    def leave(self, home: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """End those at a node; the people who are there, and who are gone, by conversation."""
        there: dict[str, list[str]] = {}
        gone: dict[str, list[str]] = {}
        for each in self.users:
            if each.home == home:
                each.leave()
            (gone if each.is_gone else there).setdefault(each.room, []).append(each.client.person)
        return there, gone

    def come_back(self) -> None:
        """Have those come back who are gone."""
        for each in self.users:
            if each.is_gone:
                self._nursery.start_soon(each.live)

    def take(self, record: Record) -> None:
        """Take what is recorded of anybody: refusals while something is measured."""
        if self.window is not None and record.record == "received":
            code = record.frame.get("code")
            if record.frame["type"] == "error" and code not in EXPECTED:
                self.window.refused[f"{code}"] += 1

    @asynccontextmanager
    async def measuring(self) -> AsyncIterator[Window]:
        """Write, for a moment before the block and until its end; set `struck` at the moment of the fault."""
        self.window = Window(trio.current_time())
        try:
            await trio.sleep(BEFORE)
            yield self.window
        finally:
            self.window = None

    async def settle(self, crowd: Crowd) -> None:
        """Wait until everybody who is there has heard everything."""
        for room, owner in zip(self.rooms, self.owners, strict=True):
            head = (await owner.history(room, after=0, limit=1))["head_sequence_id"]
            for each in self.users:
                while each.room == room and not each.is_gone and each.head < head:  # noqa: ASYNC110
                    await trio.sleep(AGAIN)
            await crowd.backend.wait_taken(room, head)
