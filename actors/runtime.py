"""Pykka's actors as trio work: a bounded mailbox each, and turns that one task runs one after the other.

An actor has no thread and no task of its own. `System.run` is the only task: it takes an actor whose mailbox is not empty,
hands it ALL waiting letters as one batch, and drives that turn, a coroutine, until it ends or awaits a `Future`. An idle
actor costs its memory and nothing else; a turn costs a function call, not a task.

This is the only file that touches pykka's underscored names. pykka's `ActorRegistry` is left out: it is an O(n) list, and
the directory is the index here.
"""

from __future__ import annotations

import logging
from collections import deque
from heapq import heappop, heappush
from inspect import CORO_SUSPENDED, getcoroutinestate
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import pykka
import trio

from .future import Future
from .mailbox import Letter, Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from .messages import Command, Control

__all__ = ["ActorDied", "Ref", "System", "TrioActor"]

logger = logging.getLogger(__name__)

TURNS_A_PASS = 256  # turns between two visits of trio's scheduler: about a millisecond
DEFERRED_A_PASS = (
    32  # deferred turns after them, each with text of a run to send: about two milliseconds
)

ActorDied = pykka.ActorDeadError


class _Flag:
    """What pykka needs of `threading.Event`, at a fortieth of the memory; `up` is what `is_set` says, without a call."""

    __slots__ = ("up",)

    def __init__(self) -> None:
        self.up = False

    def is_set(self) -> bool:
        return self.up

    def set(self) -> None:
        self.up = True


A = TypeVar("A", bound="TrioActor")


class Ref(pykka.ActorRef[A], Generic[A]):
    """A handle on an actor: `tell` sends a message, `ask` is for tasks at the edge; nothing blocks."""

    actor_stopped: Any  # a `_Flag`

    def tell(self, message: Command | Control, reply_to: Any = None) -> None:
        """Put a message into the mailbox; `reply_to` takes the outcome.

        Raises `MailboxFull` where a command finds no room and `ActorDied` where the actor has stopped.
        """
        if self.actor_stopped.up:
            raise ActorDied(f"{self.actor_urn} has stopped")
        self.actor_inbox.put(Letter(message, reply_to, trio.current_time()))  # type: ignore[arg-type]

    def stop(self) -> None:  # type: ignore[override]
        """Stop the actor now, as its own `stop` does."""
        actor = self._actor_weakref()
        if actor is not None:
            actor.stop()

    def forward(self, letter: Letter) -> None:
        """Pass a letter on unchanged, so that its outcome goes to the original sender. Raises as `tell`."""
        if self.actor_stopped.up:
            raise ActorDied(f"{self.actor_urn} has stopped")
        self.actor_inbox.put(letter)  # type: ignore[arg-type]

    async def ask(self, message: Command | Control) -> Any:  # type: ignore[override]
        """The outcome of a message, awaited in a trio task. An actor never asks another actor. Raises as `tell`."""
        future: Future[Any] = Future()
        actor = self._actor_weakref()
        if actor is None:
            raise ActorDied(f"{self.actor_urn} has stopped")
        with actor.system:
            self.tell(message, future)
        return await future.wait()


class TrioActor(pykka.Actor):
    """An actor of this runtime. Subclasses override `on_batch`, or pykka's `on_receive`, and the hooks.

    A turn may await a `Future` or a `Breath` and nothing else: trio's own waits belong to tasks.
    """

    kind: ClassVar[str] = "actor"

    def __init__(self, system: System, key: str, *, limit: int = 0, share: int = 0) -> None:
        # pykka's own __init__ draws a uuid and makes a threading.Event, 1.2 KB an actor; the four names are all it sets.
        self.system = system
        self.key = key
        self.actor_urn = f"{self.kind}:{key}"
        self.actor_inbox: Mailbox = Mailbox(self, limit, share)  # type: ignore[assignment]
        self.actor_stopped: Any = _Flag()
        self._actor_ref = Ref(self)
        self.turns = 0
        self.started_at = trio.current_time()
        self.last_turn_at = self.started_at
        self._turn: Coroutine[Any, None, None] | None = None
        self._batch: list[Letter] = []
        self._commands = 0  # of the batch
        self._busy_from = (
            0.0  # since when there has been work without a pause; 0 at the first turn after one
        )
        self._queued = False
        self._deferred = False

    @classmethod
    def start(cls: type[A], *args: Any, **kwargs: Any) -> Ref[A]:
        """Make the actor and give its ref. It costs no task and no entry in pykka's registry."""
        actor = cls(*args, **kwargs)
        try:
            actor.on_start()
        except Exception:
            logger.exception("on_start of %s failed", actor.actor_urn)
            actor.stop()
        return actor.actor_ref

    @property
    def actor_ref(self) -> Ref[Self]:
        """The handle on this actor."""
        return self._actor_ref  # type: ignore[return-value]  # pykka types it more loosely

    @property
    def idle(self) -> bool:
        """Whether the mailbox is empty and no turn is under way."""
        return self._turn is None and not self.actor_inbox

    @property
    def deferred(self) -> bool:
        """Whether a deferred turn is still to run: another turn may have come before it, or is about to."""
        return self._deferred and not self._queued

    @property
    def busy(self) -> bool:
        """Whether a turn is under way."""
        return self._turn is not None

    def wake(self) -> None:
        """Schedule a turn, unless one is under way or scheduled already."""
        if self._turn is None and not self._queued:
            self._queued = True
            self.system.make_ready(self)

    def wake_later(self) -> None:
        """Schedule a turn after all others, unless one is under way or scheduled already."""
        if self._turn is None and not self._queued and not self._deferred:
            self._deferred = True
            self.system.defer(self)

    async def on_batch(self, batch: Sequence[Letter]) -> None:
        """One turn over all waiting letters. This default hands each message to `on_receive` and answers with the result.

        If the actor stops itself, the unanswered letters are answered with `ActorDied`.
        """
        for letter in batch:
            response = self._handle_receive(letter.message)
            if hasattr(response, "__await__"):
                response = await response
            letter.answer(response)
            if self.actor_stopped.up:
                break

    def stop(self) -> None:
        """Stop now; waiting letters, and those of a turn that itself waits, are answered with `ActorDied`."""
        if self.actor_stopped.up:
            return
        self.actor_stopped.set()
        try:
            self.on_stop()
        except Exception:
            logger.exception("on_stop of %s failed", self.actor_urn)
        if self._turn is not None and getcoroutinestate(self._turn) == CORO_SUSPENDED:
            self._turn.close()
            self._end_turn()
        self._fail(self.actor_inbox.take(), "has stopped")
        self.actor_inbox.release()

    def _stop(self) -> None:
        self.stop()

    def _start_actor_loop(self) -> None:
        self.wake()

    @staticmethod
    def _create_actor_inbox() -> Any:
        raise NotImplementedError("the mailbox needs to know its actor: __init__ makes it")

    @staticmethod
    def _create_future() -> Future[Any]:
        return Future()

    def take_at_once(
        self, step: Callable[[Letter, float], None], letter: Letter, now: float
    ) -> None:
        """Have a step take a letter outside of a turn, where nothing waits before it; what it raises stops the actor."""
        self.turns += 1
        self.last_turn_at = now
        try:
            step(letter, now)
        except Exception as error:
            self._batch = [letter]
            self._crash(error)

    def advance(self) -> None:
        """Run the turn up to its next wait, or begin one. Only the system calls this."""
        self._queued = self._deferred = False
        if self._turn is None and self.actor_stopped.up:
            return
        try:
            if self._turn is None:
                self.turns += 1
                self.last_turn_at = self.system.now()
                self._commands = self.actor_inbox.commands
                self._batch = self.actor_inbox.take()
                self._turn = self.on_batch(self._batch)
            wait = self._turn.send(None)
            if wait is None:
                self.system.take_breath(self)
            elif isinstance(wait, Future):
                wait.when_done(self.requeue)
            else:
                raise TypeError("a turn may await a Future or a Breath, and nothing of trio's")
        except StopIteration:
            self._end_turn()
        except Exception as error:
            self._crash(error)

    def next_turn_in(self, now: float) -> float:
        """Seconds until the mailbox is next emptied, if this turn takes the average time."""
        if self._turn is None:
            return 0.0
        return max(0.0, self.last_turn_at + self.actor_inbox.drain.turn - now)

    def requeue(self) -> None:
        """Schedule the turn to continue. Only the system and the value that the turn awaited call this."""
        if not self._queued:
            self._queued = True
            self.system.make_ready(self)

    def _end_turn(self) -> None:
        self._turn = None
        batch, self._batch = self._batch, []
        if self.actor_stopped.up:
            self._fail(batch, "has stopped")
            return
        if self._commands:
            now = self.system.now()
            # Time between two turns while letters wait counts as service time.
            self.actor_inbox.drain.served(
                self._commands, now - (self._busy_from or self.last_turn_at)
            )
            self._busy_from = now if self.actor_inbox.commands else 0.0
        if self.actor_inbox.urgent:
            self.wake()
        elif self.actor_inbox:
            self.wake_later()

    def _crash(self, error: Exception) -> None:
        """A turn raised: stop this actor, call its failure hook, tell its callers; no other actor is affected."""
        logger.error("%s crashed", self.actor_urn, exc_info=error)
        self.system.crashes += 1
        self.actor_stopped.set()
        turn, self._turn = self._turn, None
        batch, self._batch = self._batch, []
        try:
            self.on_failure(type(error), error, error.__traceback__)
            if turn is not None:
                turn.close()  # if the turn did not raise but awaited an object that is not allowed
        except Exception:
            logger.exception("on_failure of %s failed", self.actor_urn)
        # Callers last: their reaction may need the next actor.
        self._fail([*batch, *self.actor_inbox.take()], "crashed")

    def _fail(self, letters: Sequence[Letter], why: str) -> None:
        died = ActorDied(f"{self.actor_urn} {why}")
        for letter in letters:
            try:
                letter.fail(died)
            except Exception:
                logger.exception("who asked %s could not be told that it %s", self.actor_urn, why)


class System:
    """Runs the turns of all its actors, with one `run` task and one timer task.

    A task that tells many actors something at once may do so in a `with system:` block: their turns run at its end.
    """

    def __init__(self) -> None:
        self._ready: deque[TrioActor] = deque()
        self._deferred: deque[TrioActor] = deque()
        self._resting: list[TrioActor] = []  # between two parts of a long turn
        self._gathering = False
        self._parked: trio.lowlevel.Task | None = None
        self._timers: list[tuple[float, int, Ref[Any], Any]] = []
        self._timer_order = count()
        self._timers_changed = trio.Event()
        self.turns = 0
        self.crashes = 0
        # The time of trio's clock; `run` looks up the clock itself, since trio goes through three calls to it
        self.now: Callable[[], float] = trio.current_time
        self.after_pass: Callable[[], None] = lambda: None  # called after each round of turns

    def make_ready(self, actor: TrioActor) -> None:
        """Queue an actor for a turn, and wake the task that runs turns."""
        self._ready.append(actor)
        if self._parked is not None and not self._gathering:
            self._unpark()

    def defer(self, actor: TrioActor) -> None:
        """Queue an actor for a turn after all others, and wake the task that runs turns."""
        self._deferred.append(actor)
        if self._parked is not None and not self._gathering:
            self._unpark()

    def __enter__(self) -> None:
        """Begin a block in which actors become ready; the block must have no checkpoint."""
        self._gathering = True

    def __exit__(self, *_: object) -> None:
        """Run the queued turns in the current task: switching to another task costs more than most turns."""
        if self._parked is not None:  # else the run task is about to run them anyway
            self._run_round()
            if self._ready or self._deferred:
                self._unpark()
        self._gathering = False

    def _unpark(self) -> None:
        parked, self._parked = self._parked, None
        if parked is not None:
            trio.lowlevel.reschedule(parked)

    def take_breath(self, actor: TrioActor) -> None:
        """Continue an actor's turn in the next pass, so that trio's tasks run in between."""
        self._resting.append(actor)

    def later(self, seconds: float, ref: Ref[Any], message: Control) -> None:
        """Tell an actor a control after this many seconds, if it is still alive then."""
        due = trio.current_time() + seconds
        first = not self._timers or due < self._timers[0][0]
        heappush(self._timers, (due, next(self._timer_order), ref, message))
        if first:
            self._timers_changed.set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run turns until cancelled."""
        self.now = trio.lowlevel.current_clock().current_time
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_timers)
            task_status.started()
            while True:
                await self._wait_ready()
                self._run_round()

    def _run_round(self) -> None:
        self.run_pass()
        self.after_pass()
        if self._deferred:
            self._run_deferred()
            self.after_pass()

    def _run_deferred(self) -> None:
        """Advance actors whose turns were deferred: only so many, since others may be ready by then."""
        deferred = self._deferred
        for _ in range(min(len(deferred), DEFERRED_A_PASS)):
            actor = deferred.popleft()
            if actor.deferred:
                self.turns += 1
                actor.advance()

    def run_pass(self) -> None:
        """Advance all ready actors, and those that become ready by it, at most `TURNS_A_PASS` times."""
        ready = self._ready
        for _ in range(TURNS_A_PASS):
            if not ready:
                break
            self.turns += 1
            ready.popleft().advance()
        for actor in self._resting:
            actor.requeue()
        self._resting.clear()

    async def _wait_ready(self) -> None:
        if self._ready or self._deferred:
            await trio.lowlevel.checkpoint()
            return
        self._parked = trio.lowlevel.current_task()

        def abort(_: Callable[[], None]) -> trio.lowlevel.Abort:
            self._parked = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def _run_timers(self) -> None:
        while True:
            deadline = self._timers[0][0] if self._timers else float("inf")
            with trio.move_on_at(deadline):
                await self._timers_changed.wait()
            self._timers_changed = trio.Event()
            now = trio.current_time()
            while self._timers and self._timers[0][0] <= now:
                _, _, ref, message = heappop(self._timers)
                if ref.is_alive():
                    ref.tell(message)
