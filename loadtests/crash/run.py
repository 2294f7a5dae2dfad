"""One run of `salon crash`: a server under load over a bad network is killed repeatedly, and its users' events are checked."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import trio

from salon.web.client import Client, Closed, Gap, Refused

from ..checker import RecordedClient, ended_run
from .agent import CrashAgent, LeavingAgent
from .fault_proxy import CALM, FaultProxy, drawn
from .server import KilledServer
from .user import CrashUser, Fingerprint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from salon.web.client import Frame

    from ..checker import Recorder

ANSWER = 3.0  # seconds that a client waits for an answer, and its socket for a ping
LIFE = 0.4  # seconds between the first receipts of a server and its kill, at most
IN_VAIN = 0.1  # the share of starts that are killed before they complete
BIRTH = 0.7  # seconds until such a start is killed, at most
PATIENCE = 60.0  # seconds for any step of the run, on a busy machine
# Exceptions with which a client gives up. If the server has lost something, this may be the first sign of it.
AGENT, LEAVER = "agent", "leaver"  # as crash.yaml has them
GAVE_UP = (Closed, Gap, Refused, trio.TooSlowError)


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run. Each of the `rooms` has `people` people; with `faults` the network is bad.

    `store` is the URL of the server's store, which is empty; None for a file.
    """

    kills: int
    rooms: int
    people: int
    seed: int
    faults: bool
    store: str | None = None


@dataclass(slots=True)
class Toll:
    """The counts and the outcome of a run.

    `disagreeing` are the people whose client's events differ from the log, and what is wrong with the answers of agents;
    `failed` says what ended the run too early.
    """

    kills: int = 0
    kills_while_starting: int = 0
    reconnects: int = 0
    lines: int = 0
    cuts: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    stored: int = 0
    runs: int = 0
    runs_interrupted: int = 0
    disagreeing: list[str] = field(default_factory=list)
    failed: str = ""
    seconds: float = 0.0


class CrashRun:
    """One run. `progress` is called after each kill; the recorder gets the history."""

    def __init__(
        self, plan: Plan, folder: Path, recorder: Recorder, progress: Callable[[Toll], object]
    ) -> None:
        self.toll = Toll()
        self._plan = plan
        self._victim = KilledServer(folder, plan.store)
        self._recorder = recorder
        self._progress = progress
        self._random = Random(plan.seed)
        self._calm = not plan.faults
        self._survivors: list[CrashUser] = []
        self._agents: list[CrashAgent] = []
        self._leavers: list[LeavingAgent] = []
        self._rooms: list[CrashUser] = []  # for each conversation its owner, on a good line
        self._served = trio.Event()

    async def run(self) -> None:
        """Play the run. Raises `RunError` if it cannot be tried; raises clients' errors once the logs are read."""
        began = trio.current_time()
        gave_up: BaseExceptionGroup[BaseException] | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_heed_sigterm)
                await self._victim.start()
                async with self._network() as proxy:
                    await self._gather(proxy.url)
                    try:
                        await self._suffer(proxy)
                    except* GAVE_UP as errors:
                        gave_up = errors
                if gave_up is not None:
                    await self._start_afresh()
                await self._conclude()
                await self._victim.stop()
                nursery.cancel_scope.cancel()
        finally:
            await self._victim.aclose()
            self.toll.reconnects = sum(each.reconnects for each in self._survivors)
            self.toll.seconds = trio.current_time() - began
        if gave_up is not None:
            raise gave_up

    @asynccontextmanager
    async def _network(self) -> AsyncIterator[FaultProxy]:
        port = int(self._victim.url.rpartition(":")[2])
        proxy = FaultProxy(port, lambda: CALM if self._calm else drawn(self._random))
        async with trio.open_nursery() as nursery:
            await nursery.start(proxy.run)
            yield proxy
            nursery.cancel_scope.cancel()
        self.toll.lines, self.toll.cuts = proxy.lines, proxy.cuts
        self.toll.faults = dict(proxy.befell)

    # --- people -----------------------------------------------------------------------------------------------------

    async def _gather(self, url: str) -> None:
        """Make the people on the bad network, and for each conversation its owner on a good line."""
        for room in range(self._plan.rooms):
            owner = await self._guest(self._victim.url, f"Owner {room}")
            people = [
                await self._guest(url, f"Person {room}-{n}") for n in range(self._plan.people)
            ]
            conversation = (await owner.create(f"Room {room}"))["conversation_id"]
            for each in people[:-1]:  # the last one joins and leaves by itself
                await owner.join(conversation, {"user_id": each.person, "name": "Member"})
            self._rooms.append(self._survivor(owner, conversation))
            self._survivors += [self._survivor(each, conversation) for each in people]
            for agent in (AGENT, LEAVER):
                await owner.join(conversation, {"user_id": agent, "name": agent.title()})
            client = RecordedClient(
                url, self._recorder, AGENT, token=f"crash_{AGENT}", answer_timeout=ANSWER
            )
            self._agents.append(CrashAgent(client, conversation, Random(self._random.random())))
            leaver = Client(self._victim.url, token=f"crash_{LEAVER}", answer_timeout=ANSWER)
            self._leavers.append(LeavingAgent(leaver, conversation))

    async def _guest(self, url: str, name: str) -> RecordedClient:
        """A new guest, registered over a good line, whose client uses `url`."""
        answer = await Client(self._victim.url).guest(name)
        person = answer["participant"]["id"]
        return RecordedClient(
            url, self._recorder, person, token=answer["token"], answer_timeout=ANSWER
        )

    def _survivor(self, client: RecordedClient, conversation: str) -> CrashUser:
        random = Random(self._random.random())
        return CrashUser(client, conversation, random, self._note_served)

    def _note_served(self) -> None:
        self._served.set()  # the current event: `_kill` replaces it

    # --- the kills --------------------------------------------------------------------------------------------------

    async def _suffer(self, proxy: FaultProxy) -> None:
        end = trio.Event()
        async with trio.open_nursery() as nursery:
            for number, each in enumerate(self._survivors, 1):
                place = number % self._plan.people
                # The last of each conversation joins and leaves, the one before sends over HTTP.
                roles = {0: each.come_and_go, self._plan.people - 1: each.post}
                nursery.start_soon(roles.get(place, each.live), end)
            for agent in self._agents:
                nursery.start_soon(agent.live, end)
            for _ in range(self._plan.kills):
                async with trio.open_nursery() as leavers:
                    for leaver in self._leavers:
                        leavers.start_soon(leaver.speak)
                    await self._kill()
                    leavers.cancel_scope.cancel()
                self._progress(self.toll)
            self._calm = True
            self._recorder.note("no more kills, a good network from now on")
            proxy.cut()
            end.set()
            with trio.fail_after(PATIENCE):
                await self._settle()
            nursery.cancel_scope.cancel()

    async def _kill(self) -> None:
        """Let the server serve, kill it at a random moment, and start it again."""
        self._served = trio.Event()
        with trio.fail_after(PATIENCE):
            for each in self._rooms:
                await each.say_by_http()  # on a good line: this server has served
            self._served = trio.Event()
            self._recorder.note("has answered over a good line")
            await self._served.wait()
            self._recorder.note("has served")
        await trio.sleep(self._random.uniform(0, LIFE))
        await self._victim.kill()
        for leaver in self._leavers:
            leaver.killed()
        self.toll.kills += 1
        self._recorder.note(f"killed, for the {self.toll.kills}. time")
        if self._random.random() < IN_VAIN:
            await self._victim.start_in_vain(self._random.uniform(0, BIRTH))
            self.toll.kills_while_starting += 1
            self._recorder.note("killed while it started")
        await self._victim.start()
        self._recorder.note("started again")

    async def _settle(self) -> None:
        """Wait until all people have their receipts and all members have all events of the log."""
        for each in self._survivors:
            await each.spoken.wait()
        for agent in self._agents:
            await agent.spoken.wait()
        for room in self._rooms:
            await self._runs_ended(room)
        for room in self._rooms:
            page = await room.client.history(room.conversation, after=0, limit=1)
            for each in self._members_of(room):
                await each.wait_heard(page["head_sequence_id"])

    async def _runs_ended(self, room: CrashUser) -> None:
        """Wait until no run is open: those of agents that left end by themselves."""
        while True:
            events = [event async for event in self._log(room)]
            started = {event["run_id"] for event in events if event["type"] == "run_started"}
            if started == {ended_run(event) for event in events} - {None}:
                return
            await trio.sleep(LIFE)

    async def _log(self, room: CrashUser) -> AsyncIterator[Frame]:
        after, more = 0, True
        while more:
            page = await room.client.history(room.conversation, after=after, limit=100)
            for event in page["events"]:
                after = event["sequence_id"]
                yield event
            more = page["has_more"]

    def _members_of(self, room: CrashUser) -> list[CrashUser]:
        """The people that are members to the end and listen on a socket."""
        there = [each for each in self._survivors if each.conversation == room.conversation]
        return there[:-2]

    async def _start_afresh(self) -> None:
        """Start the server anew to read its logs: the run may have ended in the middle of a start."""
        self._recorder.note("a client gave up: the server is started afresh, to read its logs")
        await self._victim.aclose()
        await self._victim.start()

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _conclude(self) -> None:
        """Read the logs, and compare each client's events with them."""
        for room in self._rooms:
            self.toll.stored += await room.client.record_log(room.conversation)
            await self._compare_readers(room)
            await self._compare_runs(room)

    async def _compare_runs(self, room: CrashUser) -> None:
        """Compare what agents have said with the messages of their runs."""
        contents = {}
        async for event in self._log(room):
            if (run_id := ended_run(event)) is not None:
                message = event.get("message", {})
                contents[run_id] = message.get("content", "")
                self.toll.runs += 1
                self.toll.runs_interrupted += message.get("status") == "interrupted"
        agents: list[CrashAgent | LeavingAgent] = [*self._agents, *self._leavers]
        for agent in agents:
            if agent.conversation == room.conversation:
                self.toll.disagreeing += agent.wrong(contents)

    async def _compare_readers(self, room: CrashUser) -> None:
        """Compare what each client has got, and what it would come to with the rest of the log, with the log."""
        there = [each for each in self._survivors if each.conversation == room.conversation]
        stopped: dict[int, list[CrashUser]] = {}
        for each in there:
            stopped.setdefault(each.state.head, []).append(each)
        log = Fingerprint()
        digests = {0: log.digest}
        going_on = list(stopped.get(0, ()))
        async for event in self._log(room):
            for each in going_on:
                each.state.fold.take(event)
            log.add(event)
            if log.head in stopped:
                digests[log.head] = log.digest
                going_on += stopped[log.head]
        for each in there:
            if each.state.digest != digests.get(each.state.head):
                self.toll.disagreeing.append(f"{each.client.person} at {each.state.head}")
            elif each.state.fold.messages != log.fold.messages:
                self.toll.disagreeing.append(f"{each.client.person} in what was changed")


async def _heed_sigterm() -> None:
    """End on SIGTERM as on Ctrl-C; otherwise the server would be left running."""
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for number in signals:
            raise SystemExit(128 + number)
