"""One run of `salon crash`: a server under load over a bad network is killed repeatedly, and its users' events are checked."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

import trio

from salon.web.client import Closed, Gap, Refused

from .conclusion import conclude
from .crowd import Crowd, Lines
from .fault_proxy import CALM, FaultProxy, drawn
from .plan import Toll
from .server import KilledServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from ..checker import Recorder
    from .plan import Plan

LIFE = 0.4  # seconds between the first receipts of a server and its kill, at most
IN_VAIN = 0.1  # the share of starts that are killed before they complete
BIRTH = 0.7  # seconds until such a start is killed, at most
# Exceptions with which a client gives up. If the server has lost something, this may be the first sign of it.
GAVE_UP = (Closed, Gap, Refused, trio.TooSlowError)


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
        self._crowd = Crowd(plan, recorder, self.toll, self._random)

    async def run(self) -> None:
        """Play the run. Raises `RunError` if it cannot be tried; raises clients' errors once the logs are read."""
        began = trio.current_time()
        gave_up: BaseExceptionGroup[BaseException] | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(heed_sigterm)
                await nursery.start(self._crowd.backend.run)
                self._victim.environment = self._crowd.backend.environment
                await self._victim.start()
                async with self._network() as proxy:
                    await self._crowd.gather(Lines((proxy.url,), (self._victim.url,)))
                    try:
                        await self._suffer(proxy)
                    except* GAVE_UP as errors:
                        gave_up = errors
                if gave_up is not None:
                    await self._start_afresh()
                await conclude(self._crowd)
                await self._victim.stop()
                nursery.cancel_scope.cancel()
        finally:
            await self._victim.aclose()
            self._crowd.count()
            self.toll.seconds = trio.current_time() - began
        if gave_up is not None:
            raise gave_up

    @asynccontextmanager
    async def _network(self) -> AsyncIterator[FaultProxy]:
        proxy = FaultProxy(self._victim.port, lambda: CALM if self._calm else drawn(self._random))
        async with trio.open_nursery() as nursery:
            await nursery.start(proxy.run)
            yield proxy
            nursery.cancel_scope.cancel()
        self.toll.lines, self.toll.cuts = proxy.lines, proxy.cuts
        self.toll.faults = dict(proxy.befell)

    async def _suffer(self, proxy: FaultProxy) -> None:
        end = trio.Event()
        async with trio.open_nursery() as nursery:
            self._crowd.begin(nursery, end)
            for number in range(self._plan.kills):
                async with self._crowd.runs_left_open():
                    if number == self._plan.kills // 2:
                        self._crowd.begin_erasing(nursery)
                    await self._kill()
                self._progress(self.toll)
            self._calm = True
            self._recorder.note("no more kills, a good network from now on")
            proxy.cut()
            end.set()
            with trio.fail_after(self._plan.patience):
                await self._crowd.settle()
            nursery.cancel_scope.cancel()

    async def _kill(self) -> None:
        """Let the server serve, kill it at a random moment, and start it again."""
        await self._crowd.wait_served()
        await trio.sleep(self._random.uniform(0, LIFE))
        await self._victim.kill()
        self._crowd.struck()
        self.toll.kills += 1
        self._recorder.note(f"killed, for the {self.toll.kills}. time")
        if self._random.random() < IN_VAIN:
            await self._victim.start_in_vain(self._random.uniform(0, BIRTH))
            self.toll.kills_while_starting += 1
            self._recorder.note("killed while it started")
        await self._victim.start()
        self._recorder.note("started again")

    async def _start_afresh(self) -> None:
        """Start the server anew to read its logs: the run may have ended in the middle of a start."""
        self._recorder.note("a client gave up: the server is started afresh, to read its logs")
        await self._victim.aclose()
        await self._victim.start()


async def heed_sigterm() -> None:
    """End on SIGTERM as on Ctrl-C; otherwise the servers would be left running."""
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for number in signals:
            raise SystemExit(128 + number)
