"""Plays one seed, under a clock that jumps and a scheduler seeded with it, and judges the run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import trio
from trio._core import _run  # nothing public seeds the scheduler
from trio.testing import MockClock

from salon.actors import agents, attendance, audience, conversation, runtime
from salon.actors.cluster import following, replica
from salon.web.privacy import retention
from salon.web.socket import connection

from ..checker import Anomaly, Checker, Presence, as_line
from . import kept, operator_checks, room_checks
from .cluster_world import ClusterWorld
from .disk import Planned
from .farewell import Farewell
from .step import STEPS, Poison
from .step_cluster import CLUSTER_STEPS
from .world import Stuck, World

if TYPE_CHECKING:
    from ..checker import Record
    from .plan import Plan

LOGGER = "salon"
RETENTION_LOOK = 20.0  # seconds between two looks for what is too old: a run has minutes, not days


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run. `digest` is a hash over its whole history; `seconds` are of virtual time."""

    seed: int
    steps: tuple[int, ...]
    digest: str
    seconds: float
    operations: int
    anomalies: tuple[Anomaly, ...]


class Trial:
    """Records a run and judges it meanwhile. With `keep`, `kept` holds all records."""

    def __init__(self, plan: Plan, *, keep: bool = False) -> None:
        self.plan = plan
        self.kept: list[Record] = []
        self._keep = keep
        self._checker, self._presence, self._farewell = (
            Checker(runs_ended=True, steady=_is_steady(plan)),
            Presence(),
            Farewell(),
        )
        self._digest = sha256()
        self._line = 1  # the header's
        self._seconds = 0.0
        self._operations = 0
        self._found: list[Anomaly] = []

    def play(self) -> Outcome:
        """Play the whole run."""
        with _seeded(), _settings(self.plan), _faults_heard(self._fault):
            trio.run(self._run, clock=MockClock(autojump_threshold=0))
        report = self._checker.report()
        return Outcome(
            self.plan.seed,
            self.plan.numbers,
            self._digest.hexdigest(),
            self._seconds,
            self._operations + report.delivered,
            (*self._found, *report.anomalies),
        )

    async def _run(self) -> None:
        _run._r.seed(self.plan.seed)
        alone = self.plan.setting.nodes == 1
        world = (
            World(self.plan, STEPS, self._take)
            if alone
            else ClusterWorld(self.plan, CLUSTER_STEPS, self._take)
        )
        try:
            await world.run()
        except* Stuck as stuck:
            for each in stuck.exceptions:
                self._wrong("stuck", str(each))
        else:
            for text in world.differing():
                self._wrong("state", text)
            for text in (
                *kept.wrong(world),
                *room_checks.wrong(world),
                *operator_checks.wrong(world),
            ):
                self._wrong("kept", text)
            for text in world.wrong_replies():
                self._wrong("reply", text)
            for text in (*world.till.wrong(), *world.uncounted(), *world.leaks):
                self._wrong("tool", text)
            for text in self._presence.wrong(world.present()):
                self._wrong("presence", text)
        for kind, text in world.problems:
            self._wrong(kind, text)
        # A node that leaves cannot know what another has committed at the same moment.
        for text in self._farewell.wrong if alone else ():
            self._wrong("drain", text)
        self._seconds, self._operations = trio.current_time(), world.operations

    def _take(self, record: Record) -> None:
        self._line += 1
        self._digest.update(as_line(record).encode())
        self._checker.take(self._line, record)
        self._presence.take(record)
        self._farewell.take(record)
        if self._keep:
            self.kept.append(record)

    def _fault(self, text: str) -> None:
        self._wrong("fault", text)

    def _wrong(self, kind: str, text: str) -> None:
        self._found.append(Anomaly(kind, text, (self._line,), f"seed {self.plan.seed}"))


def _is_steady(plan: Plan) -> bool:
    """Whether no conversation sees the clock go back; nodes have clocks of their own."""
    return plan.setting.nodes == 1 and all(step.kind != "jump" for step in plan.steps)


@contextmanager
def _seeded() -> Iterator[None]:
    """Make trio's choice among runnable tasks deterministic: trio's random generator makes it, and a run seeds that."""
    state, before = _run._r.getstate(), _run._ALLOW_DETERMINISTIC_SCHEDULING
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    try:
        yield
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]
        _run._r.setstate(state)


@contextmanager
def _settings(plan: Plan) -> Iterator[None]:
    """Set the engine's constant sizes to those of the plan, for the length of the block."""
    setting = plan.setting
    wanted: list[tuple[Any, str, float]] = [
        (audience, "RECENT_EVENTS", setting.recent),
        (conversation, "RECENT_EVENTS", setting.recent),
        (following, "RECENT_EVENTS", setting.recent),
        (agents, "PAGE", setting.replay),
        (attendance, "RECENT_EVENTS", setting.recent),
        (attendance, "REPLAY_EVENTS", setting.replay),
        (replica, "REPLAY_EVENTS", setting.replay),
        (audience, "PAGE_BYTES", setting.page_bytes),
        (connection, "OUTBOX_BYTES", setting.outbox_bytes),
        (runtime, "TURNS_A_PASS", setting.turns),
        (runtime, "DEFERRED_A_PASS", setting.turns),
        (retention, "LOOK", RETENTION_LOOK),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in wanted]
    try:
        for module, name, value in wanted:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


class _Hearing(logging.Handler):
    """Reports the errors in the engine's log that are not planned faults."""

    def __init__(self, tell: Any) -> None:
        super().__init__(logging.ERROR)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or isinstance(error, Planned) or Poison.__name__ in str(error):
            return
        self._tell(f"{record.getMessage()}: {error!r}")


@contextmanager
def _faults_heard(tell: Any) -> Iterator[None]:
    logger = logging.getLogger(LOGGER)
    hearing, level, propagate = _Hearing(tell), logger.level, logger.propagate
    logger.addHandler(hearing)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(hearing)
        logger.setLevel(level)
        logger.propagate = propagate
