"""The processes that play a scenario, and their protocol with the process that started them."""

from __future__ import annotations

import gc
import multiprocessing
import resource
import signal
import time
from itertools import cycle
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from ..checker import HistoryFile, Recorder
from ..users import RunError, Tally, shares
from .worker import ARRIVAL, RAW, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path
    from types import TracebackType

    from ..users import Digest, Share, Target
    from .scenario import Scenario
    from .setup import Room

    Progress = Callable[..., None]

LOOK = 0.02  # seconds between two calls of `look`
GRACE = 30.0  # seconds added to the time that a process should take, for a busy machine


class Workers:
    """Starts the processes, and ends them at the end of the block. `progress` is called with the samples they report."""

    def __init__(
        self,
        scenario: Scenario,
        target: Target,
        rooms: list[Room],
        processes: int,
        progress: Progress,
        history: Path | None = None,
        wires: Sequence[str] = (RAW,),
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._progress = progress
        self._settle = scenario.settle + GRACE
        self._lines: list[Connection] = []
        self._processes = []
        people, senders = _count(rooms)
        parts = divide(rooms, processes)
        boards: list[Share | None] = [None] * processes
        if scenario.everywhere:
            boards = [*shares(context, [[room.conversation_id for room in part] for part in parts])]
        for part, share, wire in zip(parts, boards, cycle(wires), strict=False):
            here, there = context.Pipe()
            some, sending = _count(part)
            portions = sending / max(1, senders), some / people
            process = context.Process(
                target=play,
                args=(scenario, target, part, *portions, there, history, share, wire),
                daemon=True,
            )
            process.start()
            there.close()  # so that the process's death ends the pipe
            self._lines.append(here)
            self._processes.append(process)
        for share in boards:
            if share is not None:
                share.close()  # each process has its own copy by now

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            if kind is not None:
                process.terminate()
            process.join(GRACE)

    def connected(self) -> int:
        """Wait until all people are connected; return their number. Raises `RunError`."""
        return sum(said[0] for said in self._expect("connected", ARRIVAL + GRACE))

    def start(self, moment: float) -> None:
        """Make all processes begin at `moment`, of `time.monotonic`."""
        self._tell(moment)

    def settled(self, seconds: float, look: Callable[[], None]) -> None:
        """Wait for a run of `seconds` and until nothing is in flight; call `look` every `LOOK` seconds. Raises `RunError`."""
        self._expect("settled", seconds + self._settle, look)

    def finish(self, heads: Mapping[str, int]) -> tuple[Tally, dict[str, Digest]]:
        """Collect the verdicts of all processes, given the logs' last sequences: the merged tally and each room's digest."""
        self._tell(heads)
        tally = Tally()
        digests: dict[str, Digest] = {}
        for part, theirs in self._expect("done", self._settle):
            tally.merge(part)
            for room, digest in theirs.items():
                if digests.setdefault(room, digest) != digest:
                    tally.anomaly("disagree", f"{room}: two processes saw different histories")
        return tally, digests

    def _tell(self, what: Any) -> None:
        for line in self._lines:
            line.send(what)

    def _expect(
        self, word: str, timeout: float, look: Callable[[], None] = lambda: None
    ) -> list[tuple[Any, ...]]:
        """Wait for the message `word` from each process; return the messages' arguments."""
        deadline = time.monotonic() + timeout
        found: dict[Connection, tuple[Any, ...]] = {}
        while len(found) < len(self._lines):
            if time.monotonic() > deadline:
                raise RunError(f"the simulated people did not come to '{word}' in time")
            look()
            ready = wait([line for line in self._lines if line not in found], LOOK)
            for line in [line for line in self._lines if line in ready]:
                try:
                    said, *more = line.recv()
                except EOFError:
                    raise RunError("a process of simulated people has died") from None
                if said == "failed":
                    raise RunError(more[0])
                if said == word:
                    found[line] = tuple(more)
                else:
                    self._progress(*more)
        return [found[line] for line in self._lines]


def divide(rooms: list[Room], processes: int) -> list[list[Room]]:
    """The rooms of each process. If there are fewer rooms than processes, each room's people are divided among all."""
    if len(rooms) >= processes:
        return [rooms[part::processes] for part in range(processes)]
    return [
        [room._replace(people=room.people[part::processes]) for room in rooms]
        for part in range(processes)
    ]


def play(
    scenario: Scenario,
    target: Target,
    rooms: list[Room],
    senders: float,
    people: float,
    line: Connection,
    history: Path | None = None,
    share: Share | None = None,
    wire: str = RAW,
) -> None:
    """The main function of a process: connect its people, run the scenario, wait until all is quiet, compare with the log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a socket is a file
    if wire == RAW:
        gc.disable()  # there are no reference cycles, and many objects
    file = HistoryFile(history, "salon load") if history is not None else None
    recorder = Recorder(file.write) if file is not None else None
    try:
        worker = Worker(scenario, target, rooms, senders, people, recorder, share, wire)
        worker.arrive()
        line.send(("connected", len(worker.users)))
        worker.run(_hear(line, worker), line)
        worker.settle({})
        line.send(("settled",))
        heads = _hear(line, worker)
        worker.settle(heads)
        if file is not None:
            file.close()  # the parent process appends the log
        line.send(("done", worker.tally, worker.judge(heads)))
    except RunError as error:
        line.send(("failed", str(error)))


def _hear(line: Connection, worker: Worker) -> Any:
    while not line.poll():
        worker.rest()
    return line.recv()


def _count(rooms: list[Room]) -> tuple[int, int]:
    people = [person for room in rooms for _, person in room.people]
    return len(people), sum(person.sends for person in people)
