"""Who goes and comes back, for the tests: what they had, what their client gave out since, and what happened meanwhile."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import trio

from salon.actors.events import Event, Posted
from salon.actors.model import Participant
from salon.actors.store import Appended, Changes, Record
from salon.persistence.sql import SqlStore
from salon.web.client import Client, Conversation
from salon.web.socket.codec import JsonCodec
from tests.person import EVENTS, PATIENCE, Frame, Person, static
from tests.server import NO_TLS, ServerProcess
from tests.unit.history import History, sources

QUICK = (0.05, 0.5)  # seconds of backoff
NEW = "topic_changed"  # a kind of event that neither this server nor this client knows
CODEC = JsonCodec(heartbeat=25, max_message_size=10_000)
ADA, BOB, CLEO, DAN = (
    Participant(f"test_user_{n}", name) for n, name in enumerate(("Ada", "Bob", "Cleo", "Dan"), 1)
)

# How the server goes down while they are away, if it does.


class Written(History):
    """A conversation with bodies as a server writes them, and now and then an event of a new kind."""

    def _record(self, event: Event) -> Record:
        sender, key = (event.sender.id, event.key) if isinstance(event, Posted) else (None, None)
        body, salt = CODEC.encode(event), secrets.token_bytes(16)
        return Record(event.sequence, event.at, body, salt, self.state.messages, sender, key)

    def news(self) -> Changes:
        """A turn with an event of a kind that came into the protocol later."""
        sequence, at = self.state.head + 1, self.state.updated_at
        self.state.head = sequence
        fields = f'"sequence_id":{sequence},"conversation_id":"{self.id}","topic":"é {sequence}"'
        body = f'{{"type":"{NEW}",{fields}}}'.encode()
        record = Record(sequence, at, body, secrets.token_bytes(16), self.state.messages)
        self.records.append(record)
        return Changes(self.id, self.state.number, (record,))

    @property
    def frames(self) -> list[Frame]:
        """What everybody is to see."""
        return [json.loads(record.body) for record in self.records]


async def write(path: Path, history: Written, *changes: Changes) -> None:
    """Put this into the store at the path, which no server has open."""
    store = SqlStore.open(f"sqlite:///{path}", sources())
    try:
        for each in changes:
            outcome = await store.append(replace(each, number=history.state.number)).wait()
            assert isinstance(outcome, Appended)
            history.state.number = outcome.number
    finally:
        store.close()


def built(path: Path, events: int) -> Written:
    """A store with one more conversation of Ada's: messages, some coming and going, and what is new; so many events."""
    history = Written(BOB, CLEO, owner=ADA)
    changes = [history.begin(), history.say("first", sender=BOB), history.news()]
    while history.state.head < events - 2:
        turn = len(changes)
        said = (f"{turn} {n}" for n in range(min(400, events - 2 - history.state.head)))
        changes += [
            history.say(*said, sender=(ADA, BOB)[turn % 2]),
            history.news(),
            history.join(DAN) if turn % 4 < 2 else history.leave(DAN),
        ]
    changes += [history.news() for _ in range(events - history.state.head)]
    trio.run(write, path, history, *changes)
    assert history.state.head == events
    return history


class Reader:
    """What one person's client has given out; `last` and `epoch` are what it keeps when it goes."""

    def __init__(self, who: Person, last: int = 0, url: str = "") -> None:
        self.who = who
        self.url = url or who.server.url
        self.events: list[Frame] = []
        self.last = last
        self.epoch: str | None = None
        self.resets = self.reconnects = 0
        self._news = trio.lowlevel.ParkingLot()

    @asynccontextmanager
    async def there(self, conversation_id: str) -> AsyncIterator[None]:
        """Here for the length of the block, from where it was."""
        client = Client(self.url, token=self.who.token)
        options = {"epoch": self.epoch, "backoff": QUICK}
        async with (
            client.conversation(conversation_id, self.last, **options) as conversation,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._read, conversation)
            yield
            nursery.cancel_scope.cancel()

    async def wait(self, sequence: int) -> None:
        """Until it has that event."""
        with trio.fail_after(8 * PATIENCE):
            while self.last < sequence:
                await self._news.park()

    async def _read(self, conversation: Conversation) -> None:
        async for event in conversation:
            self.events.append(event)
            self.last, self.epoch = conversation.last_sequence_id or 0, conversation.epoch
            statistics = conversation.statistics()
            self.resets, self.reconnects = statistics.resets, statistics.reconnects
            self._news.unpark_all()


async def by_hand(who: Person, conversation_id: str, last: int, until: int) -> list[Frame]:
    """What a plain socket gives from there on, with pages over HTTP where it begins later."""
    paged: list[Frame] = []
    async with (
        who.raw_tab(conversation_id, last) as tab,
        httpx2.AsyncClient(base_url=who.server.url, trust_env=False, verify=NO_TLS) as http,
    ):
        connected = await tab.until("connected")
        missing = connected["first_sequence_id"] - 1
        assert (connected["resume"] == "reset") == (missing > last)
        while last < missing:
            path = f"/chat/{conversation_id}/messages?after={last}&limit={min(100, missing - last)}"
            answer = await http.get(path, headers={"Authorization": f"Bearer {who.token}"})
            paged += answer.json()["events"]
            last = paged[-1]["sequence_id"]
        while not tab.frames or last < until:
            frame = await tab.next()
            last = frame["sequence_id"] if frame["type"] in {*EVENTS, NEW} else last
    return paged + [frame for frame in tab.frames if frame["type"] in {*EVENTS, NEW}]


def members(events: Sequence[Frame]) -> list[str]:
    """Who is in after these."""
    found: list[str] = []
    for event in events:
        match event:
            case {"type": "conversation_created", "participants": those}:
                found += [each["id"] for each in those]
            case {"type": "participant_joined", "participant": {"id": who}}:
                found.append(who)
            case {"type": "participant_left", "participant": {"id": who}}:
                found.remove(who)
    return found


def people(server: ServerProcess) -> tuple[Person, ...]:
    """Ada, Bob, Cleo and Dan, as the tests' configuration has them."""
    return tuple(
        static(server, f"test_token_{n}", who.id, who.name or "")
        for n, who in enumerate((ADA, BOB, CLEO, DAN), 1)
    )


async def seen(who: Person, conversation_id: str) -> list[str]:
    """Who is in, as the server says."""
    return [each["participantId"] for each in (await who.see(conversation_id))["participants"]]
