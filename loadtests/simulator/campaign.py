"""Runs many seeds, in one process or several, with the same sum."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from .cluster_plan import with_nodes
from .mutant import CLUSTER_MUTANTS, MUTANTS, TRIED_FIRST, mutated
from .plan import Plan, ranges
from .shrink import shrunk
from .trial import Outcome, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Play = tuple[int, str | None, set[int] | None, int]  # the arguments of `play`
AHEAD = 8  # seeds queued per process before their outcomes are taken


@dataclass(slots=True)
class Sum:
    """The sum over the outcomes of seeds, added in the order of the seeds."""

    seeds: int = 0
    seconds: float = 0.0  # virtual
    operations: int = 0
    took: float = 0.0  # seconds of real time
    failed: list[Outcome] = field(default_factory=list)
    _digest: Any = field(default_factory=sha256)

    def add(self, outcome: Outcome) -> None:
        """Add the next outcome."""
        self.seeds += 1
        self.seconds += outcome.seconds
        self.operations += outcome.operations
        self._digest.update(f"{outcome.seed} {outcome.digest}\n".encode())
        if outcome.anomalies:
            self.failed.append(outcome)

    @property
    def digest(self) -> str:
        """A hash over the digests of all outcomes."""
        return str(self._digest.hexdigest())

    @property
    def anomalies(self) -> int:
        """The number of anomalies in all outcomes."""
        return sum(len(outcome.anomalies) for outcome in self.failed)

    def as_json(self) -> dict[str, Any]:
        """Figures for machines."""
        return {
            "seeds": self.seeds,
            "simulated_hours": round(self.seconds / 3600, 3),
            "operations": self.operations,
            "anomalies": self.anomalies,
            "digest": self.digest,
            "speedup": round(self.seconds / max(self.took, 1e-9), 1),
            "seconds": round(self.took, 3),
            "seeds_per_second": round(self.seeds / max(self.took, 1e-9), 2),
        }


def plan_of(seed: int, nodes: int = 1) -> Plan:
    """The plan of a seed, for one node or several."""
    plan = Plan.of(seed)
    return plan if nodes == 1 else with_nodes(plan, nodes)


def play(
    seed: int, mutant: str | None = None, only: set[int] | None = None, nodes: int = 1
) -> Outcome:
    """Play one seed, with all of its steps or only those in `only`."""
    plan = plan_of(seed, nodes)
    with mutated(mutant):
        return Trial(plan if only is None else plan.only(only)).play()


def run(
    first: int,
    seeds: int | None,
    *,
    hours: float | None = None,
    processes: int = 1,
    mutant: str | None = None,
    nodes: int = 1,
    progress: Callable[[Sum], object] = lambda _: None,
) -> Sum:
    """Play `seeds` seeds from `first` on; with `hours`, end once so many hours are simulated.

    `seeds` None means no limit. `progress` is called after each seed.
    """
    total, began = Sum(), time.perf_counter()
    numbers = count(first) if seeds is None else range(first, first + seeds)
    asked = ((seed, mutant, None, nodes) for seed in numbers)
    with _outcomes(asked, processes) as outcomes:
        for outcome in outcomes:
            total.add(outcome)
            total.took = time.perf_counter() - began
            progress(total)
            if hours is not None and total.seconds >= hours * 3600:
                break
    return total


@contextmanager
def _outcomes(asked: Iterable[Play], processes: int) -> Iterator[Iterator[Outcome]]:
    """The outcomes of these calls of `play`, in their order."""
    if processes == 1:
        yield (play(*each) for each in asked)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield _ahead(pool, iter(asked), processes * AHEAD)
        pool.shutdown(wait=True, cancel_futures=True)


def _ahead(pool: ProcessPoolExecutor, asked: Iterator[Play], ahead: int) -> Iterator[Outcome]:
    waiting = [pool.submit(play, *each) for each in islice(asked, ahead)]
    while waiting:
        outcome = waiting.pop(0).result()
        waiting += [pool.submit(play, *each) for each in islice(asked, 1)]
        yield outcome


def shrink(outcome: Outcome, mutant: str | None = None, nodes: int = 1) -> Outcome:
    """Repeat a failed run with as few steps as still give one of its kinds of anomalies."""
    kinds = {each.kind for each in outcome.anomalies}

    def fails(only: set[int]) -> bool:
        again = play(outcome.seed, mutant, only, nodes)
        return bool(kinds & {each.kind for each in again.anomalies})

    return play(outcome.seed, mutant, set(shrunk(outcome.steps, fails)), nodes)


def command(outcome: Outcome, mutant: str | None = None, nodes: int = 1) -> str:
    """The command line that repeats a run."""
    words = "salon simulate" + (f" --nodes {nodes}" if nodes > 1 else "")
    words += f" --seed {outcome.seed}"
    if len(outcome.steps) < len(plan_of(outcome.seed, nodes).steps):
        words += f" --steps {ranges(outcome.steps) or 'none'}"
    return words + (f" --mutant {mutant}" if mutant else "")


def hunt(mutant: str, seeds: int, nodes: int = 1) -> Outcome | None:
    """The outcome of the first of `seeds` seeds that catches a mutant; None without one, or if the mutant's own error shows."""
    likely = TRIED_FIRST.get(mutant, 1)
    for seed in (likely, *(each for each in range(1, seeds + 1) if each != likely)):
        outcome = play(seed, mutant, None, nodes)
        if any(each.kind == "fault" for each in outcome.anomalies):
            return None  # the engine has changed under the mutant: it crashes an actor
        if outcome.anomalies:
            return outcome
    return None


def hunt_all(
    seeds: int,
    processes: int,
    progress: Callable[[str, Outcome | None], object],
    nodes: int = 1,
) -> dict[str, Outcome | None]:
    """Hunt every mutant of one node or, with several `nodes`, of a cluster, in so many processes.

    `progress` is called with each name and outcome.
    """
    context = multiprocessing.get_context("spawn")
    found: dict[str, Outcome | None] = {}
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        names = MUTANTS if nodes == 1 else CLUSTER_MUTANTS
        hunts = {name: pool.submit(hunt, name, seeds, nodes) for name in names}
        for name, each in hunts.items():
            found[name] = each.result()
            progress(name, found[name])
    return found
