"""One run of `salon crash --cluster`: three nodes under load over a bad network, to which something is done again and again."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import trio

from ..checker import Presence
from .cluster import NAMES, CrashCluster
from .conclusion import conclude
from .crowd import Crowd, Lines
from .fault_proxy import CALM, FaultProxy, drawn
from .meter import Meter
from .nemesis import Nemesis
from .outage import Outages
from .plan import KINDS, Toll
from .run import GAVE_UP, LIFE, heed_sigterm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from ..checker import Record, Recorder
    from .fault_proxy import Faults
    from .plan import Plan

BUG = "INTERNAL_ERROR"  # a refusal that says so
SETTLED = 300.0  # seconds until all have all, on a busy machine


class ClusterRun:
    """One run. `progress` is called after each fault; the recorder gets the history."""

    def __init__(
        self, plan: Plan, folder: Path, recorder: Recorder, progress: Callable[[Toll], object]
    ) -> None:
        self.toll = Toll()
        self._plan = plan
        self._recorder = recorder
        self._progress = progress
        self._random = Random(plan.seed)
        self._calm = not plan.faults
        self._crowd = Crowd(plan, recorder, self.toll, self._random)
        self._cluster = CrashCluster(folder)
        self._meter = Meter()
        self._outages = Outages()
        self._presence = Presence()
        self._write, recorder.write = recorder.write, self._take
        self._nemesis = Nemesis(
            self._cluster, self._meter, self._outages, self._presence, self._random, self._struck
        )
        self._nemesis.kinds = plan.kinds or KINDS

    async def run(self) -> None:
        """Play the run. Raises `RunError` if it cannot be tried; raises clients' errors once the logs are read."""
        began = trio.current_time()
        gave_up: BaseExceptionGroup[BaseException] | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(heed_sigterm)
                await nursery.start(self._crowd.backend.run)
                await self._cluster.start(self._crowd.backend.environment)
                nursery.start_soon(self._cluster.watch)
                await self._cluster.whole()
                async with self._network() as lines:
                    await self._crowd.gather(lines)
                    await self._meter.gather(self._crowd, lines.good)
                    try:
                        await self._suffer()
                    except* GAVE_UP as errors:
                        gave_up = errors
                    if gave_up is not None:
                        self._recorder.note("a client gave up: the nodes are started afresh")
                        await self._cluster.mend()
                    await self._conclude()
                await self._cluster.stop()
                self.toll.disagreeing += [*self._nemesis.wrong, *self._cluster.faults()]
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await self._cluster.aclose()
            self._crowd.count()
            self.toll.outages = self._outages.as_json()
            self.toll.seconds = trio.current_time() - began
        if gave_up is not None:
            raise gave_up

    @asynccontextmanager
    async def _network(self) -> AsyncIterator[Lines]:
        """To each node a bad line and a good one. Whoever's node is not ready is sent to another."""
        bad, good = (
            [FaultProxy(partial(self._cluster.ports, name), faults) for name in NAMES]
            for faults in (self._faults, lambda: CALM)
        )
        self._proxies = bad
        async with trio.open_nursery() as nursery:
            for proxy in (*bad, *good):
                await nursery.start(proxy.run)
            yield Lines(tuple(each.url for each in bad), tuple(each.url for each in good))
            nursery.cancel_scope.cancel()
        for proxy in bad:
            self.toll.lines += proxy.lines
            self.toll.cuts += proxy.cuts
            for name, count in proxy.befell.items():
                self.toll.faults[name] = self.toll.faults.get(name, 0) + count

    def _faults(self) -> Faults:
        return CALM if self._calm else drawn(self._random)

    def _take(self, record: Record) -> None:
        self._write(record)
        self._presence.take(record)
        self._meter.take(record)
        if record.record == "received" and record.frame.get("code") == BUG:
            self.toll.disagreeing.append(f"{record.person} at {record.at:.3f} s: {record.frame}")

    def _struck(self, what: str) -> None:
        self._crowd.struck()
        self._recorder.note(what)

    # --- the faults -------------------------------------------------------------------------------------------------

    async def _suffer(self) -> None:
        end = trio.Event()
        async with trio.open_nursery() as nursery:
            self._crowd.begin(nursery, end)
            self._meter.begin(nursery)
            for number in range(self._plan.kills):
                async with self._crowd.runs_left_open():
                    if number == self._plan.kills // 2:
                        self._crowd.begin_erasing(nursery)
                    await self._crowd.wait_served()
                    await trio.sleep(self._random.uniform(0, LIFE))
                    kind = await self._nemesis.strike()
                    self.toll.strikes[kind] = self.toll.strikes.get(kind, 0) + 1
                    self.toll.kills += 1
                    self._recorder.note("all nodes are in again")
                self._progress(self.toll)
            self._calm = True
            self._recorder.note("no more faults, a good network from now on")
            for proxy in self._proxies:
                proxy.cut()
            end.set()
            with trio.fail_after(SETTLED):
                await self._crowd.settle(await self._keeper())
                await self._meter.settle(self._crowd)
            nursery.cancel_scope.cancel()

    async def _keeper(self) -> str:
        """The URL of the node that keeps the webhooks."""
        nodes = (await self._crowd.root().request("GET", "/admin/nodes"))["nodes"]
        name = next(each["name"] for each in nodes if each["keeps_house"])
        return self._cluster.nodes[name].url

    async def _conclude(self) -> None:
        await conclude(self._crowd)
        for room, owner in zip(self._meter.rooms, self._meter.owners, strict=True):
            self.toll.stored += await owner.record_log(room)
