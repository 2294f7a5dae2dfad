"""Those who use the servers of `salon crash`: people, agents, a backend, a reader of a stream, and somebody who is erased."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import trio

from salon.web.client import Client

from ..checker import RecordedClient, ended_run
from .agent import CrashAgent, LeavingAgent
from .backend import CrashBackend
from .erased import NAME, ErasedUser
from .listener import StreamListener
from .user import CrashUser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from salon.web.client import Frame

    from ..checker import Recorder
    from .plan import Plan, Toll

LOOK = 0.4  # seconds between two looks whether a run of an agent has ended
AGENT, LEAVER = "agent", "leaver"  # as crash.yaml has them


class Lines(NamedTuple):
    """URLs at which clients reach a server: over a bad network, and over a good one. With several, clients take turns."""

    bad: tuple[str, ...]
    good: tuple[str, ...]


class Crowd:
    """Everybody of one run. The recorder gets the history, the toll what came of it."""

    def __init__(self, plan: Plan, recorder: Recorder, toll: Toll, random: Random) -> None:
        self.survivors: list[CrashUser] = []
        self.agents: list[CrashAgent] = []
        self.leavers: list[LeavingAgent] = []
        self.rooms: list[CrashUser] = []  # for each conversation its owner, on a good line
        self.nameless: set[str] = set()
        self.backend = CrashBackend(recorder, Random(f"backend {plan.seed}"))
        self.toll = toll
        self._plan = plan
        self._recorder = recorder
        self._random = random
        self._lines = Lines((), ())
        self._turns = {True: 0, False: 0}
        self._served = trio.Event()
        self._listener: StreamListener
        self._erased: ErasedUser

    # --- gathering --------------------------------------------------------------------------------------------------

    async def gather(self, lines: Lines) -> None:
        """Make the people on the bad network, and for each conversation its owner on a good line."""
        self._lines = lines
        gone = await self.guest(NAME, good=True)
        self.nameless.add(gone.person)
        for room in range(self._plan.rooms):
            owner = await self.guest(f"Owner {room}", good=True)
            people = [await self.guest(f"Person {room}-{n}") for n in range(self._plan.people)]
            conversation = (await owner.create(f"Room {room}"))["conversation_id"]
            for each in people[:-1]:  # the last one joins and leaves by itself
                await owner.join(conversation, {"user_id": each.person, "name": "Member"})
            self.rooms.append(self._survivor(owner, conversation))
            self.survivors += [self._survivor(each, conversation) for each in people]
            for agent in (AGENT, LEAVER):
                await owner.join(conversation, {"user_id": agent, "name": agent.title()})
            self._gather_agents(conversation)
        await self._gather_others(gone)

    def _gather_agents(self, conversation: str) -> None:
        client = RecordedClient(
            self._url(good=False),
            self._recorder,
            AGENT,
            token=f"crash_{AGENT}",
            answer_timeout=self._plan.answer,
        )
        self.agents.append(CrashAgent(client, conversation, Random(self._random.random())))
        leaver = Client(
            self._url(good=True), token=f"crash_{LEAVER}", answer_timeout=self._plan.answer
        )
        self.leavers.append(LeavingAgent(leaver, conversation))

    async def _gather_others(self, gone: RecordedClient) -> None:
        """Make who follows the first conversation over HTTP, and who is erased from it."""
        owner, conversation = self.rooms[0].client, self.rooms[0].conversation
        reader = await self.guest("Reader")
        for each in (reader, gone):
            await owner.join(conversation, {"user_id": each.person, "name": "Member"})
        self._listener = StreamListener(reader, conversation, self._recorder)
        self._erased = ErasedUser(gone, self.root(), conversation, self._recorder)

    def root(self, url: str | None = None) -> Client:
        """The operator, at this URL or on a good line."""
        return Client(
            url or self._url(good=True), token="crash_root", answer_timeout=self._plan.answer
        )

    async def guest(self, name: str, *, good: bool = False) -> RecordedClient:
        """A new guest, registered over a good line."""
        answer = await Client(self._url(good=True)).guest(name)
        person = answer["participant"]["id"]
        return RecordedClient(
            self._url(good=good),
            self._recorder,
            person,
            token=answer["token"],
            answer_timeout=self._plan.answer,
        )

    def _url(self, *, good: bool) -> str:
        urls = self._lines.good if good else self._lines.bad
        self._turns[good] += 1
        return urls[self._turns[good] % len(urls)]

    def _survivor(self, client: RecordedClient, conversation: str) -> CrashUser:
        plan, random = self._plan, Random(self._random.random())
        return CrashUser(
            client,
            conversation,
            random,
            self._note_served,
            self.nameless,
            hands=plan.hands,
            pause=plan.pause,
        )

    def _note_served(self) -> None:
        self._served.set()  # the current event: `wait_served` replaces it

    # --- living -----------------------------------------------------------------------------------------------------

    def begin(self, nursery: trio.Nursery, end: trio.Event) -> None:
        """Have all speak until `end`, and listen until cancelled."""
        for number, each in enumerate(self.survivors, 1):
            place = number % self._plan.people
            # The last of each conversation joins and leaves, the one before sends over HTTP.
            roles = {0: each.come_and_go, self._plan.people - 1: each.post}
            nursery.start_soon(roles.get(place, each.live), end)
        for agent in self.agents:
            nursery.start_soon(agent.live, end)
        nursery.start_soon(self._listener.run)
        nursery.start_soon(self._erased.speak)

    def begin_erasing(self, nursery: trio.Nursery) -> None:
        """Have one person be erased from now on."""
        nursery.start_soon(self._erased.erase)

    @asynccontextmanager
    async def runs_left_open(self) -> AsyncIterator[None]:
        """Agents speak that are gone for good when the block is left."""
        async with trio.open_nursery() as nursery:
            for leaver in self.leavers:
                nursery.start_soon(leaver.speak)
            yield
            nursery.cancel_scope.cancel()

    def struck(self) -> None:
        """Take that a server was just killed, or something else was done to it."""
        for leaver in self.leavers:
            leaver.killed()

    async def wait_served(self) -> None:
        """Wait until all conversations and somebody besides are served. Raises `TooSlowError`."""
        self._served = trio.Event()
        with trio.fail_after(self._plan.patience):
            for each in self.rooms:
                await each.say_by_http()  # on a good line: this server has served
            self._served = trio.Event()
            self._recorder.note("has answered over a good line")
            await self._served.wait()
            self._recorder.note("has served")

    # --- the end ----------------------------------------------------------------------------------------------------

    async def settle(self, keeper: str | None = None) -> None:
        """Wait until all people have their receipts and all members have all events of the log.

        `keeper` is the URL of the server that keeps the webhooks, None for any.
        """
        for each in self.survivors:
            await each.spoken.wait()
        for agent in self.agents:
            await agent.spoken.wait()
        for room in self.rooms:
            await self._runs_ended(room)
        await self._erased.done.wait()
        self.toll.erased, self.toll.streams = self._erased.messages, self._listener.streams
        await self._retry_webhooks(keeper)
        for room in self.rooms:
            page = await room.client.history(room.conversation, after=0, limit=1)
            for each in self._members_of(room):
                await each.wait_heard(page["head_sequence_id"])
            await self.backend.wait_taken(room.conversation, page["head_sequence_id"])
            if room is self.rooms[0]:
                await self._listener.wait_heard(page["head_sequence_id"])

    async def _retry_webhooks(self, keeper: str | None) -> None:
        """Have the server try at once what the backend has refused, which takes everything from now on."""
        self.backend.calm = True
        root = self.root(keeper)
        for each in (await root.request("GET", "/admin/webhooks"))["webhooks"]:
            await root.request("POST", f"/admin/webhooks/{each['webhook_id']}/retry")

    async def _runs_ended(self, room: CrashUser) -> None:
        """Wait until no run is open: those of agents that left end by themselves."""
        while True:
            events = [event async for event in log_of(room)]
            started = {event["run_id"] for event in events if event["type"] == "run_started"}
            if started == {ended_run(event) for event in events} - {None}:
                return
            await trio.sleep(LOOK)

    def _members_of(self, room: CrashUser) -> list[CrashUser]:
        """The people that are members to the end and listen on a socket."""
        there = [each for each in self.survivors if each.conversation == room.conversation]
        return there[:-2]

    def count(self) -> None:
        """Put into the toll what everybody has counted."""
        self.toll.deliveries = self.backend.deliveries
        self.toll.reconnects = sum(each.reconnects for each in self.survivors)


async def log_of(room: CrashUser) -> AsyncIterator[Frame]:
    """The events of a conversation, from the first on."""
    after, more = 0, True
    while more:
        page = await room.client.history(room.conversation, after=after, limit=100)
        for event in page["events"]:
            after = event["sequence_id"]
            yield event
        more = page["has_more"]
