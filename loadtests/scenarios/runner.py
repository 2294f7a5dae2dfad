"""One run: the set-up, the processes, their common start, and the result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import TYPE_CHECKING

from ..checker import HistoryFile, Recorder
from ..servers import Process
from ..users import Target
from .processes import Workers
from .setup import bare_rooms, heads_of, logs_of, set_up_rooms
from .worker import RAW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..users import Tally
    from .processes import Progress
    from .scenario import Scenario
    from .setup import Room

CALM = 1.0  # seconds after the arrivals, so that their effects, such as presence, are not measured
LEAD = 0.2  # seconds from the message to the processes until their start


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run. CPU is of the server's process, in seconds, memory in bytes; 0 if the process is not known."""

    scenario: Scenario
    url: str
    people: int
    tally: Tally
    stored: int  # messages in the log
    processes: int = 1
    server_cpu: float = 0.0
    server_memory: int = 0
    connect_cpu: float = 0.0
    connection_memory: float = 0.0
    memory_before: int = 0  # bytes of the server when the measured time began
    wires: tuple[str, ...] = (RAW,)  # the wire of each process
    beside: Mapping[str, float] = field(
        default_factory=dict
    )  # what `beside` has counted within the measured time

    @property
    def seconds(self) -> float:
        """The measured time in seconds."""
        return self.scenario.seconds

    @property
    def deliveries_per_second(self) -> float:
        """Deliveries a second, over the measured time."""
        return self.tally.deliveries / self.seconds

    @property
    def cpu_per_delivery(self) -> float:
        """Microseconds of the server's CPU per delivery."""
        return self.server_cpu / max(1, self.tally.deliveries) * 1e6

    @property
    def load_cpu_per_delivery(self) -> float:
        """Microseconds of the load tool's CPU per delivery."""
        return self.tally.cpu / max(1, self.tally.deliveries) * 1e6

    @property
    def load_busy(self) -> float:
        """The share of a core that the busiest load process took: near 1 the load tool is the bottleneck."""
        return self.tally.busiest / self.seconds

    @property
    def well(self) -> bool:
        """Whether there was no anomaly, and at least one delivery."""
        return not self.tally.wrong and self.tally.deliveries > 0


def run(
    scenario: Scenario,
    url: str,
    *,
    pid: int | None,
    processes: int,
    progress: Progress,
    bare: bool = False,
    history: Path | None = None,
    wires: Sequence[str] = (RAW,),
    place: Callable[[list[Room]], list[Room]] | None = None,
    beside: Callable[[], Mapping[str, float]] | None = None,
) -> Result:
    """Play a scenario against a server, or with `bare` against the C floor. Raises `RunError`.

    `wires` name the code that reads and writes the frames of each process, repeated if there are more processes.
    A `history` needs one process and keys; it ends with the log. `pid` is the server's process id, None if unknown.
    `place` may give people of the rooms, once these are there, another server to connect to. `beside` gives counts that grow.
    `progress` is called every half second with one process's sample: deliveries, receipts, refusals, p99 in seconds.
    """
    target = Target.of(url)
    server = Process(pid) if pid else None
    rooms = bare_rooms(scenario) if bare else set_up_rooms(target, scenario)
    if place is not None:
        rooms = place(rooms)
    idle = _Use(server)
    with Workers(scenario, target, rooms, processes, progress, history, wires) as workers:
        people = workers.connected()
        time.sleep(CALM)
        connected = _Use(server)
        start = time.monotonic() + LEAD
        workers.start(start)
        measured_from = start + scenario.warm_up
        time.sleep(max(0.0, measured_from - time.monotonic()))
        before = _Use(server, beside)
        at_end = _At(server, measured_from + scenario.seconds, beside)
        workers.settled(scenario.seconds, at_end.look)
        heads = {} if bare else heads_of(target, rooms)
        tally, digests = workers.finish(heads)
    if history is not None:
        _add_logs(history, target, rooms, heads)
    stored = sum(digest.messages for digest in digests.values())
    _check_sum(tally, stored)
    return Result(
        scenario,
        url,
        people,
        tally,
        stored,
        processes,
        at_end.use().cpu - before.cpu,
        at_end.use().memory,
        (connected.cpu - idle.cpu) / max(1, people),
        (connected.memory - idle.memory) / max(1, people),
        before.memory,
        tuple(islice(cycle(wires), processes)),
        {name: count - before.beside[name] for name, count in at_end.use().beside.items()},
    )


def _add_logs(history: Path, target: Target, rooms: list[Room], heads: dict[str, int]) -> None:
    with HistoryFile(history) as file:
        recorder = Recorder(file.write)
        for room, events in logs_of(target, rooms, heads):
            recorder.log(room, events[0]["sequence_id"] - 1 if events else 0, heads[room], events)


def _check_sum(tally: Tally, stored: int) -> None:
    """Report an anomaly unless the accepted messages are the stored ones, up to those whose answer was lost."""
    if not tally.accepted <= stored <= tally.accepted + tally.unknown:
        tally.anomaly("sum", f"{tally.accepted} messages were accepted, {stored} are in the log")


class _Use:
    """CPU time and memory of the server's process so far, and what is counted beside."""

    def __init__(
        self, server: Process | None, beside: Callable[[], Mapping[str, float]] | None = None
    ) -> None:
        self.cpu, self.memory = (server.cpu(), server.memory()) if server else (0.0, 0)
        self.beside = beside() if beside else {}


class _At:
    """CPU time and memory at a moment, or at the first `look` after it."""

    def __init__(
        self,
        server: Process | None,
        moment: float,
        beside: Callable[[], Mapping[str, float]] | None,
    ) -> None:
        self._server, self._moment, self._beside = server, moment, beside
        self._use: _Use | None = None

    def look(self) -> None:
        if self._use is None and time.monotonic() >= self._moment:
            self._use = _Use(self._server, self._beside)

    def use(self) -> _Use:
        if self._use is None:
            self._use = _Use(self._server, self._beside)
        return self._use
