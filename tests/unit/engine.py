"""The engine without sockets and disks: all of its own parts, a store that waits or fails, and readers that keep what they hear.

Everything runs in virtual time and draws from one seed, so that a run can be repeated.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from itertools import count
from random import Random
from typing import Any, Literal

import pytest
import trio
from trio._core import _run  # nothing public seeds the scheduler
from trio.testing import MockClock, wait_all_tasks_blocked

from salon.actors.conversation import ConversationActor
from salon.actors.directory import Directory
from salon.actors.events import Created, Event, Joined, Left, Posted
from salon.actors.future import Future
from salon.actors.limits import Limits
from salon.actors.message import Message
from salon.actors.messages import (
    Attach,
    Command,
    Create,
    Detach,
    Drained,
    Join,
    Leave,
    Post,
    Receipt,
)
from salon.actors.model import Entrant, Participant
from salon.actors.participant import ParticipantActor
from salon.actors.refusals import Code, Refusal
from salon.actors.runtime import System
from salon.actors.signals import CaughtUp, Signal
from salon.actors.sources import Sources
from salon.actors.store import (
    Appended,
    Changes,
    KeysTaken,
    Page,
    Record,
    RunAccount,
    StaleView,
    StoreError,
)
from salon.persistence.memory import MemoryStore

EPOCH = 1_700_000_000_000  # milliseconds: when virtual time begins
ALL = 1_000_000  # events: more than any test writes

ADA, BEN, CLEO, DAN = (Participant(name.lower(), name) for name in ("Ada", "Ben", "Cleo", "Dan"))

Call = Literal[
    "append",
    "load",
    "read",
    "senders_among",
    "runs_among",
    "targets",
    "save_account",
    "accounts",
    "run_totals",
    "save_agent",
    "agents",
]


def seeded_sources(seed: int = 0, now: Callable[[], int] | None = None) -> Sources:
    """Virtual time, names that are counted and chance from a seed."""
    random, number = Random(seed), count(1)
    return Sources(
        now=now or (lambda: EPOCH + round(trio.current_time() * 1000)),
        new_id=lambda: f"id-{next(number)}",
        entropy=random.randbytes,
        chance=random.random,
    )


class PickleCodec:
    """A codec whose payloads give back the very events and signals."""

    def encode(self, message: Event | Signal) -> bytes:
        return pickle.dumps(message)

    def decode(self, record: Record) -> Event:
        found = pickle.loads(record.body)
        return found.posted if isinstance(found, Message) else found  # type: ignore[no-any-return]

    def encode_message(self, message: Message) -> bytes:
        return pickle.dumps(message)

    def decode_message(self, record: Record) -> Message:
        found = pickle.loads(record.body)
        return found if isinstance(found, Message) else Message(found)

    def payload(self, bodies: Sequence[bytes]) -> bytes:
        return b"".join(bodies)


def unpack(payload: bytes) -> Iterable[Any]:
    """The events and signals in a payload."""
    stream = BytesIO(payload)
    while stream.tell() < len(payload):
        yield pickle.load(stream)


class TryingStore(MemoryStore):
    """A memory store that keeps its callers waiting while it is held, and fails as it is told to."""

    def __init__(self, sources: Sources) -> None:
        super().__init__(sources)
        self.calls: list[Call] = []
        self.appended: list[Changes] = []
        self._faults: dict[Call, deque[tuple[Exception, bool]]] = {}
        self._on_hold: set[Call] = set()
        self._waiting: deque[Callable[[], None]] = deque()

    def fail(self, call: Call, error: Exception | None = None, *, afterwards: bool = False) -> None:
        """Let the next such call fail, before or after it has taken effect."""
        fault = error or StoreError("the disk is full"), afterwards
        self._faults.setdefault(call, deque()).append(fault)

    def hold(self, *calls: Call) -> None:
        """Keep such calls waiting for `release`."""
        self._on_hold.update(calls)

    def let_go(self) -> None:
        """Finish what waits, and let nobody wait any more."""
        self._on_hold.clear()
        while self._waiting:
            self.release()

    def release(self) -> None:
        """Finish the call that waits longest, if any does."""
        if self._waiting:
            self._waiting.popleft()()

    def forgive(self) -> None:
        """Let no call fail any more."""
        self._faults.clear()

    def append(self, changes: Changes) -> Future[Appended | KeysTaken | StaleView]:
        self.appended.append(changes)
        return self._call("append", lambda: super(TryingStore, self).append(changes))

    def load(self, conversation_id: str) -> Future[Any]:
        return self._call("load", lambda: super(TryingStore, self).load(conversation_id))

    def read(self, number: int, **bounds: Any) -> Future[Page]:
        return self._call("read", lambda: super(TryingStore, self).read(number, **bounds))

    def senders_among(self, number: int, sequences: Sequence[int]) -> Future[Any]:
        return self._call(
            "senders_among", lambda: super(TryingStore, self).senders_among(number, sequences)
        )

    def runs_among(self, number: int, run_ids: Sequence[str]) -> Future[Any]:
        return self._call(
            "runs_among", lambda: super(TryingStore, self).runs_among(number, run_ids)
        )

    def save_account(self, account: RunAccount) -> Future[Any]:
        return self._call("save_account", lambda: super(TryingStore, self).save_account(account))

    def accounts(self, **wanted: Any) -> Future[Any]:
        return self._call("accounts", lambda: super(TryingStore, self).accounts(**wanted))

    def run_totals(self, agent_id: str, **wanted: Any) -> Future[Any]:
        return self._call(
            "run_totals", lambda: super(TryingStore, self).run_totals(agent_id, **wanted)
        )

    def save_agent(self, agent_id: str, settings: str | None) -> Future[Any]:
        return self._call(
            "save_agent", lambda: super(TryingStore, self).save_agent(agent_id, settings)
        )

    def agents(self) -> Future[Any]:
        return self._call("agents", lambda: super(TryingStore, self).agents())

    def _call(self, name: Call, work: Callable[[], Future[Any]]) -> Future[Any]:
        self.calls.append(name)
        faults = self._faults.get(name)
        fault = faults.popleft() if faults else None
        future: Future[Any] = Future()

        def finish() -> None:
            if fault is None:
                copy(work(), future)  # done at once: this is the memory store
            else:
                error, afterwards = fault
                if afterwards:
                    work()
                future.set_exception(error)

        if name in self._on_hold:
            self._waiting.append(finish)
        else:
            finish()
        return future


def copy(outcome: Future[Any], future: Future[Any]) -> None:
    """Give a future what another has been given."""
    try:
        future.set(outcome.get())
    except StoreError as error:
        future.set_exception(error)


class Reader:
    """One connection, which keeps what it hears: outcomes, events and signals, in order.

    It has `room` for so many payloads more; what it refused for want of room it asks for again when it is drained.
    """

    def __init__(self, engine: Engine, conversation_id: str, participant: Participant) -> None:
        self.connection_id = engine.sources.new_id()
        self.conversation_id = conversation_id
        self.participant = participant
        self.token_id: str | None = None
        self.since = 0
        self.heard: list[Any] = []
        self.room = float("inf")
        self.closed: tuple[int, str] | None = None
        self._engine = engine
        self._refused = False

    def set(self, value: Any = None) -> None:
        if self.closed is None:
            self.heard.append(value)

    def set_exception(self, exc_info: Any = None) -> None:
        self.close(4002, "the actor was restarted")

    def flush(self) -> None:
        pass

    def deliver(self, payload: bytes) -> bool:
        if self.closed is not None:
            return True
        if not self.room:
            self._refused = True
            return False
        self.room -= 1
        self.heard += unpack(payload)
        return True

    def push(self, payload: bytes) -> None:
        if self.closed is None:
            self.heard += unpack(payload)

    def close(self, code: int, reason: str = "") -> None:
        if self.closed is None:
            ref = self._engine.directory.participant(self.participant.id)
            ref.tell(Detach(self.conversation_id, self))
            self.closed = code, reason

    def drain(self, room: float = float("inf")) -> None:
        """Have room again, and ask for what was refused."""
        self.room = room
        conversation = self._engine.directory.attended(self.conversation_id)
        if self._refused and conversation is not None:
            self._refused = False
            conversation.actor_ref.tell(Drained(self))

    def tell(self, message: Any) -> None:
        """Send a command or a control, as its own connection does."""
        self._engine.directory.participant(self.participant.id).tell(message, self)

    def post(self, content: str, key: str | None = None) -> None:
        self.tell(Post(self.conversation_id, self.participant, content, key))

    def of(self, *kinds: type) -> list[Any]:
        """What was heard of these kinds."""
        return [message for message in self.heard if isinstance(message, kinds)]

    @property
    def events(self) -> list[Any]:
        return self.of(Created, Joined, Left, Posted)

    @property
    def sequences(self) -> list[int]:
        return [event.sequence for event in self.events]

    @property
    def contents(self) -> list[str]:
        return [posted.content for posted in self.of(Posted)]

    @property
    def caught_up(self) -> bool:
        return bool(self.of(CaughtUp))


class Engine:
    """All parts of the engine, running, and short words for what tests do with them."""

    def __init__(self, limits: Limits | None = None, seed: int = 0) -> None:
        self.sources = seeded_sources(seed)
        self.store = TryingStore(self.sources)
        self.system = System()
        self.directory = Directory(
            system=self.system,
            store=self.store,
            codec=PickleCodec(),
            limits=limits or Limits(),
            sources=self.sources,
        )

    def restart(self) -> None:
        """Begin anew on what the store has, as after a kill: no actor and no connection is left."""
        for actor in list(self.directory):
            actor.stop()
        limits = self.directory.limits
        self.directory = Directory(
            system=self.system,
            store=self.store,
            codec=self.directory.codec,
            limits=limits,
            sources=self.sources,
        )

    async def settle(self) -> None:
        """Wait until nothing moves any more without time going on."""
        await wait_all_tasks_blocked()

    async def do(self, command: Command) -> Any:
        """What comes of a command, sent through its sender's own actor."""
        return await self.directory.participant(command.sender.id).ask(command)

    async def create(self, owner: Participant, *others: Participant, **options: Any) -> str:
        """A new conversation with these members; its id."""
        entrants = tuple(Entrant(other) for other in others)
        conversation_id = self.sources.new_id()
        options = {"title": "Talk", "entrants": entrants} | options
        created = await self.do(Create(conversation_id, owner, **options))
        assert isinstance(created, Created), created
        return conversation_id

    async def post(
        self,
        conversation_id: str,
        sender: Participant,
        content: str,
        key: str | None = None,
        reply_to: str | None = None,
    ) -> Any:
        return await self.do(Post(conversation_id, sender, content, key, reply_to))

    async def join(self, conversation_id: str, who: Participant) -> Any:
        return await self.do(Join(conversation_id, who, Entrant(who)))

    async def leave(self, conversation_id: str, who: Participant) -> Any:
        return await self.do(Leave(conversation_id, who))

    async def connect(
        self, conversation_id: str, who: Participant, last: int | None = None
    ) -> Reader:
        """A connection that was just opened, after what it hears at once."""
        reader = Reader(self, conversation_id, who)
        reader.tell(Attach(conversation_id, reader, last))
        await self.settle()
        return reader

    def conversation(self, conversation_id: str) -> ConversationActor:
        """The actor, which must be active."""
        actor = self.directory.active(conversation_id)
        assert actor is not None, f"{conversation_id} is not active"
        return actor

    def participant(self, who: Participant) -> ParticipantActor:
        """The actor, which must be active."""
        return self.directory.participants[who.id]

    def log(self, conversation_id: str) -> list[Event]:
        """All events, as the store has them."""
        state = MemoryStore.load(self.store, conversation_id).get()
        assert state is not None
        page = MemoryStore.read(self.store, state.number, limit=ALL).get()
        return [self.directory.codec.decode(record) for record in page.records]


@asynccontextmanager
async def open_engine(limits: Limits | None = None, seed: int = 0) -> AsyncIterator[Engine]:
    """An engine that runs inside the block."""
    engine = Engine(limits, seed)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.system.run)
        yield engine
        nursery.cancel_scope.cancel()


def in_virtual_time(main: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario whose sleeps take no time; for tests that are not trio tests themselves."""
    trio.run(main, clock=MockClock(autojump_threshold=0))


def run_seeded(seed: int, main: Callable[[], Awaitable[None]]) -> None:
    """The same, and trio chooses among the tasks that could run as the seed has it."""

    async def seeded() -> None:
        _run._r.seed(seed)
        await main()

    chance = _run._r.getstate()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
        in_virtual_time(seeded)
    _run._r.setstate(chance)


def refused(outcome: Any, code: Code) -> Refusal:
    """The refusal, which is of that code, has been named and says all it has to say."""
    assert isinstance(outcome, Refusal), outcome
    assert outcome.code is code, outcome
    assert outcome.id, "a refusal is given a name by which operators find it"
    assert "–" not in outcome.text, f"a fact is missing: {outcome.text}"
    return outcome


def accepted(outcome: Any) -> Receipt:
    """The receipt."""
    assert isinstance(outcome, Receipt), outcome
    return outcome
