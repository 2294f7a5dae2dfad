"""People at all nodes of a cluster who talk while something happens to it; what each was told is compared with what is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from salon.web.client import Conversation
from tests.nodes import Nodes, at
from tests.person import Person, guests

ROOMS = 3
PAUSE = 0.05  # seconds between two messages of one person in a room
NAMES = ("Ada", "Ben", "Cleo")
BACKOFF = 0.2, 1.0  # seconds: whoever waits for longer waits for a server
Fault: TypeAlias = Callable[[], Awaitable[None]]


class Talk:
    """People at all nodes who talk in several rooms through the client, which sends again whatever was not answered."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.people: list[Person] = []
        self.rooms: list[str] = []
        self.acknowledged: dict[str, dict[str, int]] = {}
        self.seen: dict[str, list[list[tuple[int, str]]]] = {}  # of each reader, in its order
        self.said = 0
        self.longest = 0.0  # seconds that somebody waited for a receipt
        self.waiting = 0
        self.stop = trio.Event()
        self._grown = trio.Event()

    async def begin(self) -> None:
        found = await guests(next(iter(self.nodes)), *NAMES)
        self.people = [at(node, who) for node, who in zip(self.nodes, found, strict=True)]
        for n in range(ROOMS):
            room = await self.people[n % 3].create(
                *(each for each in self.people if each is not self.people[n % 3]), title=f"{n}"
            )
            self.rooms.append(room)
            self.acknowledged[room] = {}
            self.seen[room] = []

    async def talk(self, person: Person, room: str) -> None:
        seen: list[tuple[int, str]] = []
        self.seen[room].append(seen)
        async with (
            person.client() as client,
            client.conversation(room, 0, backoff=BACKOFF) as chat,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._read, chat, seen)
            turn = 0
            while not self.stop.is_set():
                turn += 1
                text = f"{person.name} {turn}"
                began = trio.current_time()
                self.acknowledged[room][text] = (await chat.send(text)).sequence_id
                self._waited(person, room, began)
                self.said += 1
                self._grown.set()
                await trio.sleep(PAUSE)
            self.waiting -= 1
            while self.waiting:  # noqa: ASYNC110 - for the last word of the others
                await trio.sleep(0.05)
            head = max(self.acknowledged[room].values())
            while not seen or seen[-1][0] < head:  # noqa: ASYNC110 - it is read beside
                await trio.sleep(0.05)
            nursery.cancel_scope.cancel()

    def _waited(self, person: Person, room: str, began: float) -> None:
        self.longest = max(self.longest, trio.current_time() - began)

    async def _read(self, chat: Conversation, seen: list[tuple[int, str]]) -> None:
        async for event in chat:
            text = event["message"]["content"] if event["type"] == "message" else event["type"]
            seen.append((event["sequence_id"], text))

    async def until(self, more: int) -> None:
        """Wait until so much more was said."""
        goal = self.said + more
        while self.said < goal:
            self._grown = trio.Event()
            await self._grown.wait()

    async def through(self, *faults: Fault, patience: float = 120) -> None:
        """Talk before, during and after each fault; then compare what all have been told with what is stored."""
        await self.begin()
        self.waiting = len(self.rooms) * len(self.people)
        with trio.fail_after(patience):
            async with trio.open_nursery() as nursery:
                for room in self.rooms:
                    for person in self.people:
                        nursery.start_soon(self.talk, person, room)
                await self.until(60)
                for fault in faults:
                    await fault()
                    await self.until(60)
                self.stop.set()
        for room in self.rooms:
            await self.check(room)

    async def check(self, room: str) -> None:
        logs = [await each.history(room) for each in self.people]
        assert logs[0] == logs[1] == logs[2]
        sequences = [event["sequence_id"] for event in logs[0]]
        assert sequences == list(range(1, len(sequences) + 1))
        stored = {
            event["message"]["content"]: event["sequence_id"]
            for event in logs[0]
            if event["type"] == "message"
        }
        messages = [event for event in logs[0] if event["type"] == "message"]
        assert len(stored) == len(messages)
        assert self.acknowledged[room].items() <= stored.items()
