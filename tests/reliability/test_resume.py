"""Whoever comes back is as if they had never been away, however much they missed and whatever became of the server."""

from __future__ import annotations

import json
import random
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest
import trio

from salon.actors.messages import Event, Participant, Posted
from salon.actors.store import Appended, Changes, Record
from salon.loadtests.fault_proxy import Faults, bad_network
from salon.persistence.sql import SqlStore
from salon.web.client import Client, Conversation
from salon.web.codec import JsonCodec
from tests.person import EVENTS, PATIENCE, Frame, Person, admin, guests, static
from tests.server import NO_TLS, ServerProcess
from tests.traffic import numbers
from tests.unit.history import History, sources

MANY = 100_000
QUICK = (0.05, 0.5)  # seconds of backoff
NEW = "topic_changed"  # a kind of event that neither this server nor this client knows
LEFT_AT = 5  # how far they were when they went

CODEC = JsonCodec(heartbeat=25, max_message_size=10_000)
ADA, BOB, CLEO, DAN = (
    Participant(f"test_user_{n}", name) for n, name in enumerate(("Ada", "Bob", "Cleo", "Dan"), 1)
)

# How the server goes down while they are away, if it does.
FATES: dict[str, Callable[[ServerProcess], object] | None] = {
    "the same server": None,
    "a restarted server": ServerProcess.stop,
    "a killed server": ServerProcess.kill,
}


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


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    path = tmp_path_factory.mktemp("large") / "salon.db"
    return path, built(path, LEFT_AT + MANY)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Path], ServerProcess]]:
    """Starts the server of one test on a copy of a store."""
    started: list[ServerProcess] = []

    def start(store: Path) -> ServerProcess:
        shutil.copy(store, tmp_path / "salon.db")
        started.append(ServerProcess(tmp_path))
        return started[-1]

    yield start
    for each in started:
        each.stop()


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


@dataclass(frozen=True)
class Absence:
    """One who goes and comes back, another who stays, and what happens meanwhile in their conversation."""

    history: Written
    missed: str
    stayed: Reader
    returned: Reader

    @property
    def id(self) -> str:
        return self.history.id

    async def happen(self) -> None:
        """What is missed of what can happen while the server runs."""
        _, bob, cleo, dan = people(self.stayed.who.server)
        match self.missed:
            case "message":
                await bob.say(self.id, "You missed this.")
            case "joined":
                await bob.join(self.id, dan)
            case "left":
                await cleo.leave(self.id)

    async def check(self, before: int) -> None:
        """Both have the same, which is what the log has; and so does a plain socket."""
        log = await self.stayed.who.history(self.id)
        assert self.returned.events == self.stayed.events == log, self.missed
        assert log[:-1][: len(self.history.frames)] == self.history.frames, self.missed
        raw = await by_hand(self.returned.who, self.id, before, len(log))
        assert raw == log[before:]
        assert self.returned.resets == 0
        assert await seen(self.returned.who, self.id) == members(log)


@pytest.mark.parametrize("fate", FATES)
async def test_who_missed_nothing_or_one_event_of_any_kind(
    tmp_path: Path, serve: Callable[[Path], ServerProcess], fate: str
) -> None:
    down = FATES[fate]
    store = tmp_path / "built.db"
    kinds = ["nothing", "message", "joined", "left", *([NEW] if down else [])]
    histories = await trio.to_thread.run_sync(lambda: [built(store, 8) for _ in kinds])
    server = serve(store)
    ada, bob, *_ = people(server)
    absences = [
        Absence(history, missed, Reader(bob), Reader(ada))
        for history, missed in zip(histories, kinds, strict=True)
    ]
    async with AsyncExitStack() as staying:
        for each in absences:
            await staying.enter_async_context(each.stayed.there(each.id))
            async with each.returned.there(each.id):
                await each.returned.wait(8)
            await each.happen()
        if down:
            down(server)
            # With the new server comes what nobody knew before.
            await write(server.path, histories[-1], histories[-1].news())
            server.start()
        for each in absences:
            head = 8 + (each.missed != "nothing")
            async with each.returned.there(each.id):
                await bob.say(each.id, "There you are.")
                await each.returned.wait(head + 1)
                await each.stayed.wait(head + 1)
            await each.check(8)


@pytest.mark.parametrize("fate", FATES)
async def test_who_missed_a_hundred_thousand_events(
    large: tuple[Path, Written],
    serve: Callable[[Path], ServerProcess],
    fate: str,
    tell: Callable[[str], None],
) -> None:
    store, history = large
    server = serve(store)
    ada, bob, cleo, dan = people(server)
    head = history.state.head
    stayed, returned = Reader(bob, head - 10), Reader(ada, LEFT_AT)
    async with stayed.there(history.id):
        was_in = dan.id in await seen(ada, history.id)
        await (dan.leave(history.id) if was_in else dan.join(history.id))
        await cleo.leave(history.id)
        await stayed.wait(head + 2)
        if down := FATES[fate]:
            down(server)
            server.start()
        began = trio.current_time()
        async with returned.there(history.id):
            await bob.say(history.id, "There you are.")
            await returned.wait(head + 3)
            await stayed.wait(head + 3)
        took = trio.current_time() - began
        raw = await by_hand(ada, history.id, LEFT_AT, head + 3)
    tell(f"back at {fate} after {MANY:,} events: caught up in {took:.1f} s")
    assert numbers(returned.events) == list(range(LEFT_AT + 1, head + 4))
    assert returned.events[:MANY] == history.frames[LEFT_AT:]
    assert returned.events[-13:] == stayed.events
    assert returned.events == raw
    assert returned.resets == 1
    assert await seen(ada, history.id) == members(history.frames[:LEFT_AT] + returned.events)


async def test_an_old_socket_that_ends_late_does_no_harm_to_the_new_one(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(LIMITS__HEARTBEAT="2", LIMITS__PRESENCE_GRACE="0.5")
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    new = Reader(ada)
    async with (
        bad_network(server.url, lambda: Faults(hole_after=2_000)) as network,
        bob.tab(conversation_id) as other,
    ):
        # Ada's line goes dead without a word: the server finds out by its pings, long after she is back by another.
        old = Client(network.url, token=ada.token)
        async with old.socket(conversation_id), new.there(conversation_id):
            while await sockets(server, conversation_id) < 3:
                pass
            said = 0
            while await sockets(server, conversation_id) == 3 or said < 20:
                said += 1
                await other.say(f"{said}", f"{said}")
                await trio.sleep(0.05)  # it is the server that is waited for
            await other.say("after", "after")
            await new.wait(said + 2)
            assert await sockets(server, conversation_id) == 2
    assert numbers(new.events) == list(range(1, said + 3))
    assert new.reconnects == 0
    gone = {"participant_id": ada.id, "status": "offline"}
    assert not [frame for frame in other.frames if gone in frame.get("changes", ())]


async def sockets(server: ServerProcess, conversation_id: str) -> int:
    """How many the conversation has, as the server knows it."""
    shown = await admin(server).ask("GET", f"/admin/conversations/{conversation_id}")
    return len(shown["connections"])


async def test_two_tabs_of_one_person_both_get_everything_through_drops_and_a_kill(
    own_server: ServerProcess,
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    luck = random.Random(3)
    async with (
        bad_network(
            own_server.url, lambda: Faults(reset_after=luck.randrange(3_000, 30_000))
        ) as network,
        AsyncExitStack() as both,
    ):
        tabs = [Reader(ada, url=network.url) for _ in range(2)]
        for tab in tabs:
            await both.enter_async_context(tab.there(conversation_id))
        for turn in range(2):
            for number in range(100):
                await bob.say(conversation_id, f"{turn} {number}")
            own_server.kill()
            own_server.start()
        for tab in tabs:
            await tab.wait(201)
        assert network.cuts > 4
    log = await bob.history(conversation_id)
    assert len(log) == 201
    assert [tab.events for tab in tabs] == [log, log]
