"""Operators: they tell backends of events, issue and revoke tokens, shut people out, erase them, and hold what may not go."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Literal, Protocol

import trio

from salon.actors.model import Participant
from salon.web.client import Refused, Unreachable

from . import operator_routes as routes
from .backends import Backend, Backends
from .event_stream import EventReader, ListReader
from .plan import VISITORS
from .services import Services
from .tokens import Tokens
from .visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from salon.actors.sources import Sources
    from salon.web.http.request import Parts

    from ..checker import Recorder
    from .agenda import Agenda
    from .disk import Disk
    from .disk_operators import OperatorsPort
    from .person import Person
    from .plan import Plan
    from .server import Process

AGAIN = 2.0  # seconds until an operator asks again
STREAMS = 4  # of a run, at most
FILTERED = ("message", "message_edited", "message_deleted", "participant_updated")
DAY = 86_400_000  # milliseconds


class World(Protocol):
    """What operators need of the run that they are in."""

    plan: Plan
    disk: Disk
    agenda: Agenda
    recorder: Recorder
    sources: Sources
    people: list[Person]
    conversation_ids: list[str]
    peaceful: bool

    @property
    def process(self) -> Process | None:
        """The running server, None while it is down."""

    def start(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Start a task."""

    def once_known(self, tell: Callable[[], object]) -> None:
        """Call a function once all servers know what one of them has answered."""


@dataclass(slots=True)
class Hold:
    """A legal hold, in force from the answer that says so until somebody asks for its release."""

    kind: Literal["person", "conversation"]
    subject: str
    id: str | None = None
    since: float = float("inf")
    until: float = float("inf")


class Operators:
    """Those of a run, and what they have done. `root` asks for it."""

    def __init__(self, world: World, root: Person, visitors: list[Person]) -> None:
        self._world = world
        self.root = root
        seed = world.plan.seed
        self.backends = backends()
        self.transport = Backends(seed, self.backends, world.recorder)
        self.tokens = Tokens(root, world.recorder, world.agenda, world.sources, world.once_known)
        self.visitors = [
            Visitor(each, self.tokens, Random(f"visitor {each.person} {seed}")) for each in visitors
        ]
        self.readers: list[EventReader] = []
        self.lists: list[ListReader] = []
        self.holds: list[Hold] = []

    def services(self, parts: Parts, store: OperatorsPort) -> Services:
        """What a process runs."""
        return Services(parts, store, self._world.plan.setting.retention, self.transport)

    async def begin(self) -> None:
        """Give the visitors their tokens and open their tabs."""
        setting = self._world.plan.setting
        for visitor in self.visitors:
            await self.insist(visitor.renew)
            self._world.start(visitor.keep_token)
            for id in self._world.conversation_ids:
                sizes = {"window": setting.window, "outbox": setting.outbox}
                visitor.open_tab(id, self._world.start, **sizes)

    async def insist(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do something once the server can, and again if its answer was lost. Raises `Refused` for a final refusal."""
        while True:
            try:
                return await work(*arguments)
            except Unreachable:
                pass
            except Refused as refused:
                if not refused.temporary:
                    raise
            await trio.sleep(AGAIN)

    # --- streams ------------------------------------------------------------------------------------------------------

    def follow(self, person: Person, conversation_id: str) -> None:
        """Have somebody follow a conversation, and their list, over HTTP."""
        if len(self.readers) >= STREAMS:
            return
        reader = EventReader(person, conversation_id, self._world.recorder)
        self.readers.append(reader)
        self._world.start(reader.run)
        if len(self.lists) < STREAMS // 2:
            self.lists.append(ListReader(person))
            self._world.start(self.lists[-1].run)

    # --- erasures and holds -------------------------------------------------------------------------------------------

    async def erase(self, visitor: Visitor, *, by_themselves: bool) -> None:
        """Erase somebody, and see that it is done; once."""
        if visitor.is_leaving:
            return
        visitor.is_leaving = True
        recorder = self._world.recorder
        recorder.ending(visitor.id, None, "asked")
        who = visitor.person if by_themselves else self.root
        with suppress(Refused, Unreachable):
            await who.call(routes.erase, visitor.id)
            self.tokens.tell(visitor.id, None)
        # Whether or not it was told: it goes on, or is asked for again.
        visitor.erasure_id = await self.insist(self.root.call, routes.erase, visitor.id)
        self.tokens.tell(visitor.id, None)
        while await self.insist(self.root.call, routes.erasure, visitor.erasure_id) != "done":  # noqa: ASYNC110  # as people ask
            await trio.sleep(AGAIN)
        self._world.once_known(partial(self._note_erased, visitor))

    def _note_erased(self, visitor: Visitor) -> None:
        self._world.recorder.erased(visitor.id, visitor.names)
        visitor.is_erased = True
        for reader in [*self.readers, *self.lists]:
            reader.stopped |= reader.person is visitor.person

    async def hold(self, kind: Literal["person", "conversation"], subject: str) -> None:
        """Hold something; where the answer is lost, it may be held."""
        hold = Hold(kind, subject)
        self.holds.append(hold)
        with suppress(Refused, Unreachable):
            hold.id = await self.root.call(routes.hold, kind, subject)
            self._world.once_known(partial(self._note_hold, hold))

    @staticmethod
    def _note_hold(hold: Hold) -> None:
        hold.since = trio.current_time()

    async def release(self, hold: Hold) -> None:
        """End a hold."""
        if hold.id is not None:
            hold.until = min(hold.until, trio.current_time())
            with suppress(Refused, Unreachable):
                await self.root.call(routes.release, hold.id)

    def is_held(self, conversation_id: str, person: str, at: float) -> bool:
        """Whether what somebody has said in a conversation may not be changed then."""
        subjects = ("conversation", conversation_id), ("person", person)
        return any(
            (each.kind, each.subject) in subjects and each.since < at < each.until
            for each in self.holds
        )

    # --- the end ------------------------------------------------------------------------------------------------------

    def make_peace(self) -> None:
        """Let everybody in, release everything, and have all backends take what they are told."""
        for backend in self.backends:
            backend.heal()
        for visitor in self.visitors:
            visitor.make_peace()
            self._world.start(self._let_in, visitor)
        self._world.start(self._release_all)
        self._world.start(self._retry_all)

    async def _let_in(self, visitor: Visitor) -> None:
        while visitor.id in self.tokens.blocked and not visitor.is_leaving:
            await self.tokens.unblock(visitor.id)
            await trio.sleep(AGAIN)

    async def _release_all(self) -> None:
        """Release what the server holds, whether or not it was told that it does."""
        while True:
            process = self._world.process
            services = None if process is None else process.services
            left = [] if services is None else [h for h in services.holds if h.released_at is None]
            for each in left:
                for hold in self.holds:
                    if hold.id in (each.id, None):
                        hold.until = min(hold.until, trio.current_time())
                with suppress(Refused, Unreachable):
                    await self.root.call(routes.release, each.id)
            await trio.sleep(AGAIN)

    async def _retry_all(self) -> None:
        """Have the server try at once what waits for hours, or was given up after days; of several nodes whichever keeps it."""
        for backend in self.backends:
            while True:
                try:
                    await self.insist(self.root.call, routes.retry, backend.url)
                except Refused:
                    await trio.sleep(AGAIN)
                else:
                    break

    def lacking(self) -> Iterator[str]:
        """A text for each thing that is not as it has to be in the end."""
        disk = self._world.disk
        heads = {id: len(disk.log(id)) for id in self._world.conversation_ids}
        for visitor in self.visitors:
            if visitor.is_leaving and not visitor.is_erased:
                yield f"{visitor.id} is not erased"
            for tab in () if visitor.is_leaving else visitor.tabs:
                head = heads[tab.conversation_id]
                inside = visitor.id in disk.load(tab.conversation_id).get().members  # type: ignore[union-attr]
                if inside and (tab.last != head or tab.conversation is None):
                    yield f"{visitor.id} in {tab.conversation_id} has {tab.last} of {head} {tab.ended}"
        for reader in self.readers:
            if not reader.stopped and reader.last != heads[reader.conversation_id]:
                yield f"the stream of {reader.person.person} has {reader.last} of {heads[reader.conversation_id]}"
        for each in self.lists:
            if not each.stopped and each.unread != self._listed(each.person.person):
                yield f"the list of {each.person.person} is {each.unread}"
        yield from self._untold(heads)
        yield from self.too_old()

    def _listed(self, person: str) -> dict[str, int]:
        page = self._world.disk.listing(person, limit=100, archived=None).get()
        return {each.conversation_id: each.unread_count for each in page.summaries}

    def _untold(self, heads: dict[str, int]) -> Iterator[str]:
        for backend in self.backends[:1]:  # it wants everything
            for id, head in heads.items():
                if backend.taken.get(id, 0) < head:
                    yield f"{backend.name} has taken {backend.taken.get(id, 0)} of {head} events of {id}"

    def days(self, conversation_id: str) -> int:
        """For how many days messages of a conversation are kept; 0 for ever."""
        setting = self._world.plan.setting
        own = setting.own_retention if conversation_id == self._world.conversation_ids[0] else 0
        return min((each for each in (setting.retention, own) if each), default=0)

    def too_old(self) -> Iterator[str]:
        """A text for each conversation with a message that should have been deleted for its age."""
        now, disk = self._world.sources.now(), self._world.disk
        for id in self._world.conversation_ids:
            there, days = disk._conversations[disk._numbers[id] - 1], self.days(id)
            for record in there.records if days else ():
                if record.is_message and record.sequence not in there.deleted:
                    if record.at < now - days * DAY:
                        yield f"{id}-{record.sequence} is older than {days} days"
                    break


def backends() -> list[Backend]:
    """The subscribers of a run: of everything, of some types, of one conversation."""
    return [Backend(1), Backend(2, FILTERED), Backend(3, None, ("talk-0",))]


def people_of(make: Callable[[str], Person]) -> tuple[Person, list[Person]]:
    """The operator and the visitors of a run; `make` makes one by name."""
    visitors = [make(name) for name in VISITORS]
    for each in visitors:
        who = each.identity.participant
        each.begin(each.network, Participant(who.id, f"{who.name} Visitor"))
    return make("root"), visitors
