"""The drain in virtual time: the real server on the simulator's disk and links, with readers and a disk that are slow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from random import Random

import pytest
import trio
from trio.testing import MockClock

from salon.actors import attendance, audience, conversation
from salon.actors.messages import Create
from salon.actors.model import Entrant, Participant
from salon.loadtests.checker import Record, Recorder
from salon.loadtests.simulator.agenda import Agenda
from salon.loadtests.simulator.disk import Disk
from salon.loadtests.simulator.farewell import ENDED, LATE, Farewell
from salon.loadtests.simulator.link import Link
from salon.loadtests.simulator.person import Network, Person
from salon.loadtests.simulator.server import Process
from salon.web.client import Closed, Socket
from salon.web.drain import LAST_WORD
from salon.web.settings.model import AuthSettings, LimitSettings, Settings
from salon.web.socket import connection
from tests.unit.engine import seeded_sources

DRAIN = 60.0  # seconds that a drain may take
RESTART = 100.0
NAMES = ("ada", "ben", "cleo", "dan")
TALK = "talk"
PAUSE = 0.5  # seconds between two sips of a slow reader
PAGE = 10  # seconds that a slow disk takes for a page of the log, about


@pytest.fixture
def autojump_clock() -> MockClock:
    """Time that goes on whenever nothing else is left to do."""
    return MockClock(autojump_threshold=0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that a few messages reach."""
    for module in (attendance, audience, conversation):
        monkeypatch.setattr(module, "RECENT_EVENTS", 5)
    monkeypatch.setattr(attendance, "REPLAY_EVENTS", 10)
    monkeypatch.setattr(audience, "PAGE_BYTES", 1_000)
    monkeypatch.setattr(connection, "OUTBOX_BYTES", 2_000)


class Server:
    """One process, its disk, and people with links to it."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.agenda = Agenda()
        self.records: list[Record] = []
        self.recorder = Recorder(self.records.append, trio.current_time)
        self.sources = seeded_sources()
        self.disk = Disk(self.sources, self.recorder)
        tokens = {f"token-of-{name}": {"id": name, "name": name.title()} for name in NAMES}
        settings = Settings(
            auth=AuthSettings.model_validate({"static_tokens": tokens}),
            limits=LimitSettings(
                drain_timeout=DRAIN, restart_time=RESTART, reconnect_rate=1, heartbeat=0
            ),
        )
        chance = Random(7)
        self.process = Process(
            settings, self.disk, self.sources, self.agenda, chance, self.recorder
        )
        self.network = Network(self.agenda, Random(8), capacity=1_000)
        self.network.process = self.process
        self.people = {name: self._person(name) for name in NAMES}
        self.drained_at = float("inf")
        self._nursery = nursery
        self._keys = count()

    def _person(self, name: str) -> Person:
        person = Person("http://salon", self.recorder, name, token=f"token-of-{name}")
        person.begin(self.network, Participant(name, name.title()))
        return person

    async def begin(self) -> None:
        """Come up, with a conversation of everybody's."""
        self._nursery.start_soon(self.agenda.run)
        running = trio.Event()

        async def run() -> None:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.process.run)
                running.set()
            self.recorder.note(ENDED)
            self.drained_at = trio.current_time()

        self._nursery.start_soon(run)
        await running.wait()
        ada, *others = (person.identity.participant for person in self.people.values())
        ref = self.process.directory.participant(ada.id)
        await ref.ask(Create(TALK, ada, "Talk", tuple(map(Entrant, others))))

    async def post(self, name: str, times: int = 1) -> None:
        """Somebody says something over HTTP, so many times, and has the receipts."""
        for _ in range(times):
            await self.people[name].post(TALK, "x" * 100, f"key-{next(self._keys)}")

    def slow_disk(self, seconds: float) -> None:
        """From now on a commit takes about so long, a page of the log a quarter of it."""
        self.process.store.slowness = seconds / 0.02
        self.process.store.slow_until = float("inf")

    def link(self, name: str) -> Link:
        """The newest of somebody's."""
        return self.people[name].links[-1]

    def behind(self) -> set[str]:
        """Who is being replayed to."""
        actor = self.process.directory.active(TALK)
        assert actor is not None
        return {subscriber.participant.id for subscriber in actor.audience.behind}

    @property
    def head(self) -> int:
        return len(self.disk.log(TALK))


@asynccontextmanager
async def running() -> AsyncIterator[Server]:
    async with trio.open_nursery() as nursery:
        server = Server(nursery)
        await server.begin()
        yield server
        nursery.cancel_scope.cancel()


class Reader:
    """Reads one socket to its end."""

    def __init__(self) -> None:
        self.sequences: list[int] = []
        self.closed: Closed | None = None
        self.closed_at = float("inf")
        self.over = trio.Event()

    async def read(self, server: Server, name: str, after: int | None, pause: float = 0.0) -> None:
        """Until it is closed, taking a sip and pausing so long."""
        async with server.people[name].socket(TALK, after) as socket:
            server.link(name).pause = pause
            await self._take(socket)

    async def _take(self, socket: Socket) -> None:
        try:
            while True:
                frame = await socket.receive_json()
                if frame["type"] in ("conversation_created", "participant_joined", "message"):
                    self.sequences.append(frame["sequence_id"])
        except Closed as closed:
            self.closed, self.closed_at = closed, trio.current_time()
        self.over.set()

    @property
    def retry_after(self) -> float:
        """When they were told to come back, by a close of the drain's."""
        assert self.closed is not None
        assert self.closed.code == 4000
        return float(json.loads(self.closed.reason)["retry_after"])


def farewell(records: list[Record]) -> list[str]:
    """What the simulator's own check says."""
    check = Farewell()
    for record in records:
        check.take(record)
    return check.wrong


async def test_a_slow_reader_gets_every_event_of_a_slow_disk_before_it_is_sent_away(
    autojump_clock: MockClock,
) -> None:
    async with running() as server, trio.open_nursery() as nursery:
        slow, quick = Reader(), Reader()
        nursery.start_soon(slow.read, server, "ben", 0, PAUSE)
        nursery.start_soon(quick.read, server, "cleo", None)
        await trio.sleep(1)
        await server.post("ada", 40)
        while "cleo" in server.behind():  # noqa: ASYNC110  # so many bytes at once are too many for the quick one, too
            await trio.sleep(0.05)
        assert server.behind() == {"ben"}
        server.slow_disk(8)
        for _ in range(5):
            nursery.start_soon(server.post, "ada")
        await trio.sleep(1)
        before = server.head
        server.process.stop()  # in the middle of a commit
        await slow.over.wait()
        assert server.head == before + 5, "what was accepted is committed"
        assert slow.sequences == list(range(1, server.head + 1))
        assert quick.sequences[-1] == server.head
        assert RESTART <= quick.retry_after < slow.retry_after, "who is closed later comes later"
        await trio.sleep(DRAIN)
        assert server.drained_at < slow.closed_at + LAST_WORD
        assert farewell(server.records) == []


async def test_who_waits_for_a_page_of_the_log_when_the_drain_begins_gets_it_and_what_follows(
    autojump_clock: MockClock,
) -> None:
    async with running() as server, trio.open_nursery() as nursery:
        await server.post("ada", 40)
        server.slow_disk(4 * PAGE)
        newcomer = Reader()
        nursery.start_soon(newcomer.read, server, "ben", 0)
        await trio.sleep(1)
        assert newcomer.sequences == []
        assert server.behind() == {"ben"}
        server.process.stop()
        await newcomer.over.wait()
        assert newcomer.sequences == list(range(1, server.head + 1))
        assert newcomer.retry_after >= RESTART
        assert farewell(server.records) == []


async def test_a_commit_that_failed_and_is_in_the_log_is_sent_before_the_close(
    autojump_clock: MockClock,
) -> None:
    async with running() as server, trio.open_nursery() as nursery:
        reader = Reader()
        nursery.start_soon(reader.read, server, "ben", None)
        await trio.sleep(1)
        server.process.store.appends.append("after")
        with pytest.raises(Exception, match="STORE_UNAVAILABLE"):
            await server.post("ada")
        server.process.stop()
        await reader.over.wait()
        assert reader.sequences[-1] == server.head
        assert reader.retry_after >= RESTART
        assert farewell(server.records) == []


async def test_a_reader_that_never_reads_is_closed_when_the_time_is_over_and_others_before(
    autojump_clock: MockClock,
) -> None:
    async with running() as server, trio.open_nursery() as nursery:
        quick = Reader()
        nursery.start_soon(quick.read, server, "ben", None)
        async with server.people["cleo"].socket(TALK, 0):
            await trio.sleep(1)
            await server.post("ada", 40)
            stuck = next(each for each in server.process.wire if each.participant.id == "cleo")
            began = trio.current_time()
            server.process.stop()
            await quick.over.wait()
            assert quick.sequences[-1] == server.head
            assert quick.closed_at < began + LAST_WORD
            assert stuck.phase is connection.Phase.OPEN
            await trio.sleep_until(began + DRAIN - 1)
            assert stuck.phase is connection.Phase.OPEN
            await trio.sleep(2)
            assert stuck.phase is not connection.Phase.OPEN
        assert server.drained_at == pytest.approx(began + DRAIN, abs=0.1)


async def test_a_peer_that_has_everything_and_says_nothing_is_waited_for_a_moment_only(
    autojump_clock: MockClock,
) -> None:
    async with running() as server:
        server.network.capacity = 100_000
        async with server.people["cleo"].socket(TALK):
            await trio.sleep(1)
            began = trio.current_time()
            server.process.stop()
            await trio.sleep(DRAIN)
        assert began + LAST_WORD <= server.drained_at < began + LAST_WORD + 1


async def test_without_anybody_a_drain_takes_no_time(autojump_clock: MockClock) -> None:
    async with running() as server:
        began = trio.current_time()
        server.process.stop()
        await trio.sleep(1)
        assert server.drained_at == began


def test_the_simulators_check_finds_who_was_sent_away_with_less_than_everything() -> None:
    records: list[Record] = []
    recorder = Recorder(records.append, lambda: 0.0)
    recorder.committed(TALK, 2)
    few, late, new = (recorder.connect(TALK, name, 0) for name in ("ada", "ben", "cleo"))
    for line in (few, late):
        line.took({"type": "message", "sequence_id": 1})
    few.closed(4000)
    recorder.note(LATE)
    late.closed(4000)
    new.closed(4000)
    assert farewell(records) == ["ada in talk, socket 1, was sent away with 1 of 2 events"]
