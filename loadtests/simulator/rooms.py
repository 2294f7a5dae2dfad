"""Conversations with roles, in which people come and go, are let in and put out, and which are deleted."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

import trio

from salon.actors.messages import Create
from salon.actors.model import Entrant
from salon.web.socket.connection import Connection, Phase

from .tab import Tab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from salon.actors.model import History, JoinPolicy, Role, State

    from .disk import Disk
    from .person import Person
    from .plan import Plan
    from .server import Process

MOST = 4  # rooms of a run, deleted ones among them
LONGEST_PAUSE = 150.0  # seconds: whoever is out looks only now and then whether they are in again
CLOSED = 5.0  # seconds after which a deletion is known to all parts of the server
SOON = 20.0  # seconds until somebody who tries to come in is refused
PEACEFUL_PAUSE = 15.0  # in the end: everything has to come soon


class RoomTab(Tab):
    """A tab that lacks what its person may not read. Its person may be out."""

    longest_pause = LONGEST_PAUSE
    resends = False  # what was posted over HTTP is posted there again

    @property
    def last(self) -> int:
        """The last sequence received."""
        return int(self.events[-1]["sequence_id"]) if self.events else 0

    @property
    def connected_for(self) -> float:
        """Seconds since the tab has begun to connect; valid while it has a conversation."""
        return trio.current_time() - self.began


class Stage(Protocol):
    """What rooms need of the run that they are in."""

    plan: Plan
    disk: Disk
    people: list[Person]

    @property
    def process(self) -> Process | None:
        """The running server, None while it is down."""

    def key(self, tab: Tab) -> str:
        """A new key."""

    def start(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Start a task."""


class Rooms:
    """The rooms of a run. `ids` has those that were ever made, without direct conversations; `directs` has the others."""

    def __init__(self, world: Stage) -> None:
        self._world = world
        self._chance = Random(f"rooms {world.plan.seed}")
        self.ids: list[str] = []
        self.directs: list[str] = []
        self.tabs: list[RoomTab] = []
        self.invites: list[str] = []  # ids
        self.problems: list[str] = []
        self.reported: set[int] = set()  # positions of reports, as their reporters were told
        self.uploads: list[tuple[str, str]] = []  # conversation and file

    def is_room(self, conversation_id: str) -> bool:
        """Whether a conversation is one of these."""
        return conversation_id in self.ids or conversation_id in self.directs

    @property
    def living(self) -> list[str]:
        """The ids of those that the store has."""
        return [id for id in (*self.ids, *self.directs) if self.state(id) is not None]

    def state(self, conversation_id: str) -> State | None:
        """A room as the store has it."""
        found: State | None = self._world.disk.load(conversation_id).get()
        return found

    async def begin(self) -> None:
        """Make one more room and open a tab for everybody, in or out."""
        if len(self.ids) >= MOST:
            return
        id, chance = f"room-{len(self.ids)}", self._chance
        self.ids.append(id)
        owner, *others = self._world.people
        roles: list[Role] = ["moderator", "member", "observer", "moderator"]
        entrants = tuple(
            Entrant(person.identity.participant, roles[number])
            for number, person in enumerate(others)
            if number != 1 or chance.random() < 0.6
        )
        join: JoinPolicy = chance.choice(("open", "invite", "invite"))
        history: History = chance.choice(("all", "since_join", "since_join"))
        create = Create(
            id,
            owner.identity.participant,
            "Room",
            entrants,
            join=join,
            history=history,
            slow_mode=chance.choice((0, 0, 5)),
        )
        with suppress(Exception):  # the server may be down or without a disk
            await owner.ask(create)
        if self.state(id) is not None:
            for person in self._world.people:
                self.open_tab(person, id)

    def tab(self, person: Person, conversation_id: str) -> RoomTab | None:
        """The tab of somebody, if they have one."""
        mine = (each for each in self.tabs if each.person is person)
        return next((each for each in mine if each.conversation_id == conversation_id), None)

    def open_tab(self, person: Person, conversation_id: str) -> RoomTab:
        """Follow a room for somebody."""
        setting = self._world.plan.setting
        tab = RoomTab(person, conversation_id, window=setting.window, outbox=setting.outbox)
        self.tabs.append(tab)
        self._world.start(tab.run)
        return tab

    async def see_closed(self, conversation_id: str) -> None:
        """Note the connections that a deletion leaves open, unless the server ends meanwhile."""
        process = self._world.process
        await trio.sleep(CLOSED)
        if process is None or process is not self._world.process:
            return
        for actor in process.directory.participants.values():
            for each in actor.connections.values():
                here = isinstance(each, Connection) and each.conversation_id == conversation_id
                if here and each.phase is Phase.OPEN:  # type: ignore[union-attr]
                    self.problems.append(f"{actor.key} is still connected to {conversation_id}")

    def make_peace(self) -> None:
        """Have everybody look more often whether they are in."""
        for tab in self.tabs:
            tab.longest_pause = PEACEFUL_PAUSE

    async def say_last_words(self) -> None:
        """Have everybody say something who may: no later message could hide what a reader was not sent."""
        for tab in self.tabs:
            key = self._world.key(tab)
            self._world.start(tab.post, key, f"said last under {key}")
            await trio.sleep(0.02 * self._chance.random())

    def present(self) -> dict[str, list[str]]:
        """Who is connected where in the end: the members with a tab."""
        found: dict[str, list[str]] = {}
        for tab in self.tabs:
            if tab.conversation is not None:
                found.setdefault(tab.conversation_id, []).append(tab.person.person)
        return found

    def lacking(self) -> Iterator[str]:
        """A text for each tab that is not where it has to be in the end."""
        heads = {id: self.state(id) for id in (*self.ids, *self.directs)}
        for tab in self.tabs:
            state, name = (
                heads[tab.conversation_id],
                f"{tab.person.person} in {tab.conversation_id}",
            )
            inside = state is not None and tab.person.person in state.members
            if not inside and tab.conversation is not None and tab.connected_for > SOON:
                yield f"{name} is no member, and connected"
            elif inside and tab.conversation is None:
                yield f"{name} is not connected: {tab.ended}"
            elif inside and state is not None and tab.last != state.head:
                yield f"{name} has {tab.last} of {state.head} events {tab.ended}"
            if tab.unsettled:
                yield f"{name} waits for receipts of {', '.join(tab.unsettled)}"
            if tab.changing:
                yield f"{name} waits for answers to {', '.join(tab.changing)}"
