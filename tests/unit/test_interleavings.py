"""Whatever people, readers, the store and crashes do, in whatever order: one sequence, without a gap, the same for everybody."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.actors import attendance, audience, conversation
from salon.actors.events import Created, Event, Joined, Left, Posted
from salon.actors.limits import Limits
from salon.actors.messages import Admit, Attach, Look, MarkRead, Post, Receipt, SetTyping, Sync
from salon.actors.model import Participant
from salon.actors.refusals import Code, Refusal
from salon.actors.runtime import ActorDied
from salon.actors.signals import CaughtUp
from salon.actors.store import StoreError
from tests.examples import examples
from tests.unit.engine import (
    ADA,
    BEN,
    CLEO,
    DAN,
    Call,
    Engine,
    Reader,
    in_virtual_time,
    open_engine,
)

CALLS: tuple[Call, ...] = ("append", "load", "read")
LIMITS = Limits(message_rate=0, restarts_per_minute=0, queue_size=12, queue_share=6)
ROUNDS = 50  # for all to be answered in the end


@pytest.fixture(scope="module", autouse=True)
def _setting() -> Iterator[None]:
    """So little is kept at hand that the log is read often; and the crashes are meant."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audience, "RECENT_EVENTS", 3)
        patch.setattr(conversation, "RECENT_EVENTS", 3)
        patch.setattr(attendance, "RECENT_EVENTS", 3)
        patch.setattr(attendance, "REPLAY_EVENTS", 4)
        patch.setattr(audience, "PAGE_BYTES", 600)
        for name in ("runtime", "directory"):
            patch.setattr(logging.getLogger(f"salon.actors.{name}"), "disabled", True)
        yield


@dataclass
class Client:
    """Keeps what it hears over all its connections, and repeats under the same key what was not answered."""

    engine: Engine
    talk: str
    who: Participant
    reader: Reader | None = None
    events: dict[int, Event] = field(default_factory=dict)
    pending: dict[str, Post] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)

    def connect(self) -> None:
        """Come back where the last connection ended."""
        self.reader = Reader(self.engine, self.talk, self.who)
        self._taken = 0  # of what the reader has heard
        self._cursor = len(self.events)  # the last sequence that came over this connection
        self._asked: set[int] = set()  # places from which it has asked again
        self.reader.tell(Attach(self.talk, self.reader, self._cursor))

    def ask_again(self, after: int) -> None:
        if self.reader is not None:
            after = min(after, self._cursor)
            self._asked.add(after + 1)
            self.reader.tell(Sync(self.talk, self.reader, after))

    def post(self) -> None:
        key = f"{self.who.id} {len(self.pending) + len(self.receipts)}"
        self.pending[key] = Post(self.talk, self.who, f"said by {key}", key)
        self.repeat(key)

    def repeat(self, *keys: str) -> None:
        for key in keys or self.pending:
            if self.reader is not None:
                self.reader.tell(self.pending[key])

    def take(self) -> None:
        """Take in what was heard, and see that it is right."""
        if self.reader is None:
            return
        log = self.engine.log(self.talk)
        for message in self.reader.heard[self._taken :]:
            match message:
                case Receipt(key=str(key)):
                    self.pending.pop(key, None)
                    receipt = self.receipts.setdefault(key, message)
                    assert receipt.sequence == message.sequence <= len(log)
                case Refusal():
                    assert message.code in {Code.QUEUE_FULL, Code.STORE_UNAVAILABLE}
                case Created() | Joined() | Left() | Posted():
                    self._hear(message, log)
                case CaughtUp(sequence):
                    assert sequence == self._cursor, "everything up to here has come"
        self._taken = len(self.reader.heard)
        if self.reader.closed is not None:
            self.reader = None

    def _hear(self, event: Event, log: list[Event]) -> None:
        expected = {self._cursor + 1} | self._asked
        assert event.sequence in expected, "no gap, and nothing again that was not asked for"
        assert event.sequence <= len(log), "nothing is heard that is not committed"
        assert event == log[event.sequence - 1]
        self._cursor = event.sequence
        self.events[event.sequence] = event


class World:
    """The engine and its clients; each method is something that can happen."""

    def __init__(self, engine: Engine, talk: str) -> None:
        self.engine = engine
        self.talk = talk
        self.clients = [Client(engine, talk, who) for who in (ADA, BEN, CLEO)]

    async def post(self, client: Client, more: int) -> None:
        for _ in range(more % 4 + 1):
            client.post()

    async def repeat(self, client: Client, more: int) -> None:
        client.repeat()

    async def settle(self, client: Client, more: int) -> None:
        await self.engine.settle()

    async def let_time_pass(self, client: Client, more: int) -> None:
        await trio.sleep(more)

    async def hold(self, client: Client, more: int) -> None:
        self.engine.store.hold(CALLS[more % 3])

    async def release(self, client: Client, more: int) -> None:
        await self.engine.settle()
        self.engine.store.release()

    async def let_go(self, client: Client, more: int) -> None:
        self.engine.store.let_go()

    async def fail(self, client: Client, more: int) -> None:
        call = CALLS[more % 3]
        error = (StoreError("the disk is full"), ValueError("a bug"))[more // 3 % 2]
        self.engine.store.fail(call, error, afterwards=more % 2 == 0)

    async def have_room(self, client: Client, more: int) -> None:
        if client.reader is not None:
            client.reader.drain(more % 4)

    async def close(self, client: Client, more: int) -> None:
        if client.reader is not None:
            client.reader.close(1001)

    async def connect(self, client: Client, more: int) -> None:
        if client.reader is None:
            client.connect()

    async def ask_again(self, client: Client, more: int) -> None:
        client.ask_again(more)

    async def crash_the_conversation(self, client: Client, more: int) -> None:
        self.engine.directory.conversation(self.talk).tell(Admit("nonsense"))

    async def crash_the_participant(self, client: Client, more: int) -> None:
        self.engine.directory.participant(client.who.id).tell(Look())

    async def passivate(self, client: Client, more: int) -> None:
        for actor in list(self.engine.directory):
            self.engine.directory.passivate(actor)

    async def come_and_go(self, client: Client, more: int) -> None:
        with trio.move_on_after(0.1), suppress(ActorDied):
            await (self.engine.join if more % 2 else self.engine.leave)(self.talk, DAN)

    async def read_and_type(self, client: Client, more: int) -> None:
        if client.reader is not None:
            client.reader.tell(MarkRead(self.talk, client.who, more))
            client.reader.tell(SetTyping(self.talk, client.who, more % 2 == 0))

    async def end_well(self) -> None:
        """Let everybody have and get what they want."""
        self.engine.store.forgive()
        for _ in range(ROUNDS):
            self.engine.store.let_go()
            await self.engine.settle()
            for client in self.clients:
                client.take()
                if client.reader is None:
                    client.connect()
                else:
                    client.reader.drain()
                client.repeat()
            await self.engine.settle()
            if not any(client.pending for client in self.clients):
                break


HAPPENINGS = [name for name in vars(World) if name[0] != "_" and name != "end_well"]
STEPS = st.lists(
    st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 2), st.integers(0, 12)),
    min_size=20,
    max_size=80,
)


async def play(steps: list[tuple[str, int, int]]) -> World:
    """Let all this happen, and look at every client after every step."""
    async with open_engine(LIMITS) as engine:
        world = World(engine, await engine.create(ADA, BEN, CLEO))
        for client in world.clients:
            client.connect()
        for name, number, more in steps:
            await getattr(world, name)(world.clients[number], more)
            for client in world.clients:
                client.take()
        await world.end_well()
        check(world)
        return world


def check(world: World) -> None:
    """What must be true in the end."""
    log = world.engine.log(world.talk)
    assert [event.sequence for event in log] == list(range(1, len(log) + 1))
    said = {(e.sender.id, e.key): e for e in log if isinstance(e, Posted)}
    assert len(said) == sum(isinstance(event, Posted) for event in log), "each once"
    for client in world.clients:
        client.take()
        assert list(client.events.values()) == log
        assert client.pending == {}
        for key, receipt in client.receipts.items():
            assert said.pop((client.who.id, key)).sequence == receipt.sequence
    assert said == {}, "nothing was said that nobody said"
    state = world.engine.conversation(world.talk).state
    assert state is not None
    assert state.head == len(log)


@given(STEPS)
@settings(max_examples=examples(300), deadline=None, report_multiple_bugs=False)
def test_everybody_hears_the_same_sequence_whatever_happens(
    steps: list[tuple[str, int, int]],
) -> None:
    async def main() -> None:
        await play(steps)

    in_virtual_time(main)
