"""Simulated people who go on whatever happens to the server and to their lines."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import trio

from salon.web.client import Closed, Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from salon.web.client import Conversation

    from ..checker import RecordedClient

BACKOFF = (0.05, 0.3)  # seconds: they are back as soon as the server is
PAUSE = 0.1  # seconds between two messages of one hand, at most
HANDS = 3  # how much one person says at a time
BURST = 20  # messages said at once, now and then
AGAIN = 0.2  # seconds before a request that failed is made again
VISIT = 2.0  # seconds that one who comes and goes stays, at most
DONE = {"ALREADY_PARTICIPANT", "NOT_PARTICIPANT", "NOT_FOUND"}  # an earlier try has done it


class Fingerprint:
    """Events, one after the other, as one short text: equal for equal histories."""

    def __init__(self) -> None:
        self.head = 0
        self._hash = hashlib.sha256()

    def add(self, event: dict[str, Any]) -> None:
        """Take in the next one."""
        self.head = event.get("sequence_id", self.head)
        self._hash.update(json.dumps(event, sort_keys=True).encode())

    @property
    def digest(self) -> str:
        """The text."""
        return self._hash.hexdigest()


class CrashUser:
    """One person in one conversation, heard and seen by the recorder of their client.

    `state` is what their client has given out; `acknowledged` how many receipts they have, of each of which `served` is told.
    """

    def __init__(
        self, client: RecordedClient, conversation: str, random: Random, served: Callable[[], None]
    ) -> None:
        self.client = client
        self.conversation = conversation
        self.acknowledged = self.said = 0
        self.state = Fingerprint()
        self.spoken = trio.Event()
        """All that was to be said has its receipt."""
        self.reconnects = 0
        self._random = random
        self._served = served
        self._leaving = False
        self._news = trio.lowlevel.ParkingLot()

    async def wait_heard(self, sequence: int) -> None:
        """Until their client has given out that event."""
        while self.state.head < sequence:
            await self._news.park()

    async def live(self, end: trio.Event) -> None:
        """Hear and speak over a socket; after `end` only hear, until cancelled."""
        async with self._talk() as conversation, trio.open_nursery() as nursery:
            nursery.start_soon(self._hear, conversation)
            try:
                async with trio.open_nursery() as hands:
                    for _ in range(HANDS):
                        hands.start_soon(self._speak, conversation, end)
                self.spoken.set()
                await trio.sleep_forever()
            finally:
                self.reconnects = conversation.statistics().reconnects

    async def post(self, end: trio.Event) -> None:
        """Speak over HTTP until `end`."""
        while not end.is_set():
            await self.say_by_http()
            await trio.sleep(self._random.uniform(0, PAUSE))
        self.spoken.set()

    async def come_and_go(self, end: trio.Event) -> None:
        """Join, listen and speak for a while, and leave; over and over, until `end`."""
        while not end.is_set():
            self._leaving = False
            await self._insist(lambda: self.client.join(self.conversation))
            async with self._talk() as conversation, trio.open_nursery() as nursery:
                nursery.start_soon(self._hear, conversation)
                await self._say(conversation)
                await trio.sleep(self._random.uniform(0, VISIT))
                self._leaving = True
                await self._insist(lambda: self.client.leave(self.conversation))
                self.reconnects += conversation.statistics().reconnects
                nursery.cancel_scope.cancel()
        self.spoken.set()

    async def say_by_http(self) -> None:
        """One message, until it has its receipt."""
        text = self._text()
        await self._insist(lambda: self.client.post(self.conversation, text, text))
        self._confirmed()

    def _talk(self) -> Any:
        return self.client.conversation(self.conversation, self.state.head, backoff=BACKOFF)

    async def _hear(self, conversation: Conversation) -> None:
        try:
            async for event in conversation:
                self.state.add(event)
                self._news.unpark_all()
        except (Closed, Refused):
            if not self._leaving:  # who comes back having left is sent away
                raise

    async def _speak(self, conversation: Conversation, end: trio.Event) -> None:
        while not end.is_set():
            async with trio.open_nursery() as nursery:
                for _ in range(BURST if self._random.random() < 0.04 else 1):
                    nursery.start_soon(self._say, conversation)
            await trio.sleep(self._random.uniform(0, PAUSE))

    async def _say(self, conversation: Conversation) -> None:
        text = self._text()
        await conversation.send(text, text)
        self._confirmed()

    async def _insist(self, request: Callable[[], Awaitable[object]]) -> None:
        """Make a request until it is done."""
        while True:
            try:
                await request()
                return
            except Unreachable:
                pass
            except Refused as refused:
                if refused.code in DONE:
                    return
                if not refused.temporary:
                    raise
            await trio.sleep(AGAIN)

    def _text(self) -> str:
        self.said += 1
        return f"{self.client.person} {self.said}"

    def _confirmed(self) -> None:
        self.acknowledged += 1
        self._served()
