"""One run: the stage, the processes, the start for all at once, and what came of it."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .figures import Tally
from .process import Process
from .stage import StageError, bare_stage, set_stage
from .worker import SETTLE, Room, play

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scenario import Scenario

CONNECT = 90.0  # seconds for a process to have all its people connected


@dataclass(frozen=True, slots=True)
class Result:
    """What a run saw. CPU figures are of the server's process, in seconds; 0 where it is not known."""

    scenario: Scenario
    url: str
    people: int
    seconds: float
    tally: Tally
    server_cpu: float
    server_memory: int
    connect_cpu: float
    connection_memory: float

    @property
    def deliveries_per_second(self) -> float:
        """Deliveries a second, over the measured time."""
        return self.tally.deliveries / self.seconds

    @property
    def cpu_per_delivery(self) -> float:
        """Microseconds of the server's CPU a delivery."""
        return self.server_cpu / max(1, self.tally.deliveries) * 1e6

    @property
    def well(self) -> bool:
        """Whether nothing was lost, repeated or out of order, and something was delivered."""
        return not self.tally.anomalies and self.tally.deliveries > 0


def run(
    scenario: Scenario,
    url: str,
    *,
    pid: int | None,
    processes: int,
    progress: Callable[..., None],
    bare: bool = False,
) -> Result:
    """Play a scenario against a server, or with `bare` against the C floor. Raises `StageError`.

    `progress` is called with each sample.
    """
    server = Process(pid) if pid else None
    rooms = bare_stage(scenario) if bare else set_stage(url, scenario)
    idle_cpu, idle_memory = (server.cpu(), server.memory()) if server else (0.0, 0)
    context = multiprocessing.get_context("spawn")
    lines, workers = [], []
    for part in divide(rooms, processes):
        ours, theirs = context.Pipe()
        share = sum(len(room.people) for room in part) / sum(len(room.people) for room in rooms)
        worker = context.Process(
            target=play, args=(scenario, url, part, share, theirs), daemon=True
        )
        worker.start()
        lines.append(ours)
        workers.append(worker)
    people = sum(_expect(line, "connected", CONNECT, progress)[1] for line in lines)
    time.sleep(1.0)  # what the arrivals set off, such as presence, is no part of the measurement
    connected_cpu = server.cpu() - idle_cpu if server else 0.0
    connected_memory = server.memory() - idle_memory if server else 0
    start = time.monotonic() + 0.2
    for line in lines:
        line.send(start)
    time.sleep(start + scenario.warm_up - time.monotonic())
    before = server.cpu() if server else 0.0
    cpu = _CpuAt(server, start + scenario.warm_up + scenario.seconds, before)
    results = [
        _expect(line, "done", scenario.seconds + SETTLE + 30, progress, cpu) for line in lines
    ]
    tally = Tally()
    for _, theirs, _ in results:
        tally.merge(theirs)
    _compare([digests for _, _, digests in results], tally)
    for worker in workers:
        worker.join(5)
    return Result(
        scenario,
        url,
        people,
        scenario.seconds,
        tally,
        cpu.used(),
        server.memory() if server else 0,
        connected_cpu / max(1, people),
        connected_memory / max(1, people),
    )


class _CpuAt:
    """The server's CPU time between two moments, read as soon after the second as possible."""

    def __init__(self, server: Process | None, moment: float, before: float) -> None:
        self._server, self._moment, self._before = server, moment, before
        self._used: float | None = None

    def look(self) -> None:
        if self._used is None and time.monotonic() >= self._moment:
            self._used = self._server.cpu() - self._before if self._server else 0.0

    def used(self) -> float:
        self.look()
        return self._used or 0.0


def divide(rooms: list[Room], processes: int) -> list[list[Room]]:
    """Rooms for each process; a single room's people are shared out."""
    if processes == 1:
        return [rooms]
    if len(rooms) >= processes:
        return [rooms[part::processes] for part in range(processes)]
    return [
        [Room(room.conversation_id, room.head, room.people[part::processes]) for room in rooms]
        for part in range(processes)
    ]


def _expect(
    line: Any, word: str, timeout: float, progress: Callable[..., None], cpu: _CpuAt | None = None
) -> Any:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if cpu is not None:
            cpu.look()
        if not line.poll(0.02):
            continue
        try:
            said = line.recv()
        except EOFError:
            break
        if said[0] == word:
            return said
        progress(*said)
    raise StageError(f"a process of simulated people did not come to '{word}' in time")


def _compare(all_digests: list[dict[str, tuple[int, str]]], tally: Tally) -> None:
    """Processes that play people of one room have to have seen the same."""
    seen: dict[str, tuple[int, str]] = {}
    for digests in all_digests:
        for room, digest in digests.items():
            if seen.setdefault(room, digest) != digest:
                tally.anomalies.append(f"{room}: two processes saw different histories")
