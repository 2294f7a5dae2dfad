"""Whoever comes back is as if they had never been away, however much they missed and whatever became of the server.

`make prove` runs it with SALON_TEST_MISSED=100000.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from salon.loadtests.crash.fault_proxy import Faults, bad_network
from salon.web.client import Client
from tests.absence import (
    NEW,
    Reader,
    Written,
    built,
    by_hand,
    members,
    people,
    seen,
    write,
)
from tests.person import admin, guests
from tests.server import ServerProcess
from tests.traffic import numbers

MANY = int(os.environ.get("SALON_TEST_MISSED", "4000"))  # a socket resumes 1,000
LEFT_AT = 5  # how far they were when they went
# How the server goes down while they are away, if it does.
FATES: dict[str, Callable[[ServerProcess], object] | None] = {
    "the same server": None,
    "a restarted server": ServerProcess.stop,
    "a killed server": ServerProcess.kill,
}


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
async def test_who_missed_more_events_than_a_socket_resumes(
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
