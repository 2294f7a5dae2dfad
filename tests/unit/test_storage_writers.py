"""Many nodes that write to one store while the view changes: the database alone decides who may."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from random import Random

import trio

from salon.actors.cluster.view import Node, View, owner_of
from salon.actors.store import Appended, StaleView
from salon.persistence import resolve_shared
from salon.persistence.postgres.cluster_store import ClusterStore
from tests.postgres import Databases
from tests.unit.history import History, sources
from tests.unit.stores import log_of

WRITERS = 3
ROOMS = 12
CHANGES = 200


def node(id: str) -> Node:
    return Node(id, f"called-{id}", "1")


async def begin(store: ClusterStore, view: int) -> str:
    """A new conversation's id."""
    history = History()
    outcome = await store.append(replace(history.begin(), view=view)).wait()
    assert isinstance(outcome, Appended)
    return history.id


class Writer:
    """A node that writes to the rooms that it owns in the view that it believes in, and is paused now and then."""

    def __init__(self, store: ClusterStore, id: str, rooms: list[str], chance: Random) -> None:
        self.store, self.id, self.rooms, self.chance = store, id, rooms, chance
        self.view = View(0, ())
        self.acknowledged: list[tuple[str, int, int]] = []  # room, sequence, view
        self.stale = 0

    async def run(self, stop: trio.Event) -> None:
        known: dict[str, History] = {}
        turn = 0
        while not stop.is_set():
            mine = [
                each
                for each in self.rooms
                if self.id in {each.id for each in self.view.nodes}
                and owner_of(self.view, each) == self.id
            ]
            if not mine:
                self.view = await self.store.membership.beat(self.id, 3600).wait()
                continue
            room, view = self.chance.choice(mine), self.view
            if room not in known:
                known[room] = await self._load(room)
            history = known[room]
            turn += 1
            changes = replace(history.say(f"{self.id}-{turn}"), view=view.number)
            if (
                self.chance.random() < 0.1
            ):  # as if it were stopped between the decision and the commit
                for _ in range(self.chance.randrange(50)):
                    await trio.lowlevel.checkpoint()
            outcome = await self.store.append(changes).wait()
            if isinstance(outcome, Appended):
                self.acknowledged += [
                    (room, each.sequence, view.number) for each in changes.records
                ]
            else:
                assert isinstance(outcome, StaleView), outcome
                self.stale += 1
                known.clear()
                self.view = await self.store.membership.beat(self.id, 3600).wait()

    async def _load(self, room: str) -> History:
        history = History(id=room)
        state = await self.store.load(room).wait()
        assert state is not None
        history.state = state
        return history


async def test_many_writers_under_views_that_change_leave_one_log_without_a_gap(
    databases: Databases,
) -> None:
    """Every node believes in the view that it saw last, however old; the database alone decides."""
    chance = Random(14)
    with ExitStack() as stack:
        url = stack.enter_context(databases.one())
        stores = [resolve_shared(url, sources()) for _ in range(WRITERS)]
        for each in stores:
            stack.callback(each.close)
        members = stores[0].membership
        view = await members.join(node("0")).wait()
        rooms = [await begin(stores[0], view.number) for _ in range(ROOMS)]
        for n in range(1, WRITERS):
            view = await members.join(node(str(n))).wait()
        owners = {view.number: view}
        writers = [Writer(store, str(n), rooms, Random(n)) for n, store in enumerate(stores)]
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            for writer in writers:
                nursery.start_soon(writer.run, stop)
            out: set[str] = set()
            for _ in range(CHANGES):
                who = chance.choice([str(n) for n in range(WRITERS)])
                if who in out:
                    out.remove(who)
                    view = await members.join(node(who)).wait()
                elif len(out) < WRITERS - 1:
                    out.add(who)
                    view = await members.leave(who).wait()
                owners[view.number] = view
                stored = sum(len(each.acknowledged) for each in writers)
                while sum(len(each.acknowledged) for each in writers) <= stored:
                    await stores[0].log_end().wait()  # a message is stored in each view
            stop.set()
        for writer in writers:
            assert all(
                owner_of(owners[at], room) == writer.id for room, _, at in writer.acknowledged
            )
        told = [(room, sequence) for each in writers for room, sequence, _ in each.acknowledged]
        assert len(told) == len(set(told)) >= CHANGES
        kept = [
            (room, each.sequence)
            for room in rooms
            for each in await log_of(stores[0], room)
            if each.is_message
        ]
        assert sorted(kept) == sorted(told)
        assert sum(each.stale for each in writers) > 20
        for room in rooms:  # the views of its events ascend: nothing came in after a newer view
            seen = sorted(
                (sequence, at)
                for each in writers
                for where, sequence, at in each.acknowledged
                if where == room
            )
            assert [at for _, at in seen] == sorted(at for _, at in seen)
