"""An agent's runs for a program without an event loop."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import nullcontext, suppress
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from types import TracebackType

    from .loop_thread import LoopThread
    from .rules import Frame
    from .run import Request, Run

R = TypeVar("R")


class RunCancelled(Exception):
    """Somebody has cancelled the run, or it was ended elsewhere: the block of the run is left with this, and swallows it."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(run_id)

    def __str__(self) -> str:
        return f"the run {self.run_id} is over"


class _Left(Exception):
    """The thread has left the block with an error of its own."""


class _Block:
    """The block of one run: a task in the loop is in it, until the thread leaves it or the run is over."""

    def __init__(self, block: AbstractAsyncContextManager[Run]) -> None:
        self.entered: Future[Run] = Future()
        self._block = block
        self._left = anyio.Event()
        self._has_failed = False
        self._is_over = False
        self._scope: anyio.CancelScope | None = None
        self._error: Exception | None = None
        self._waiting: set[anyio.CancelScope] = set()

    async def stay(self) -> None:
        try:
            with anyio.CancelScope() as self._scope, suppress(_Left):
                async with self._block as run:
                    self.entered.set_result(run)
                    await self._left.wait()
                    if self._has_failed:
                        raise _Left
        except Exception as error:
            self._error = error
            raise
        finally:
            self._is_over = True
            for scope in self._waiting:
                scope.cancel()

    def leave(self, has_failed: bool) -> None:
        """In the loop: end the run, as interrupted if the thread has failed."""
        self._has_failed = has_failed
        self._left.set()

    def give_up(self) -> None:
        """In the loop: wait for the server no longer."""
        if self._scope is not None:
            self._scope.cancel()

    def check(self, run: Run) -> None:
        """In the loop: raise if the run takes no more."""
        if self._error is not None:
            raise copy(self._error)
        if self._is_over or run.is_cancelled:
            raise RunCancelled(run.run_id)

    async def while_open(self, run: Run, function: Callable[[], Awaitable[R]]) -> R:
        """In the loop: await something that makes no sense once the run is over."""
        self.check(run)
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                return await function()
            finally:
                self._waiting.discard(scope)
        self.check(run)
        raise RunCancelled(run.run_id)


class SyncRun:
    """An open run of this agent. Made by `SyncRequest.run` and `SyncConversation.run`, for one thread.

    `usage` (a JSON object, such as tokens), `metadata` and `results` may be set until the end of the block, as those of `Run`.
    A run that somebody cancels cannot stop its thread: the next `say`, `status` or `ask` raises RunCancelled, with which the
    block ends. Where a program works for long without a word, it looks at `is_cancelled`.
    """

    def __init__(self, run: Run, block: _Block, loop: LoopThread, timeout: float | None) -> None:
        self.usage: Frame | None = None
        self.metadata: Frame | None = None
        self.results: list[Frame] | None = None
        self._run = run
        self._block = block
        self._loop = loop
        self._timeout = timeout

    @property
    def run_id(self) -> str:
        """The run's id: this agent's own key."""
        return self._run.run_id

    @property
    def text(self) -> str:
        """All that was said in this block."""
        return self._run.text

    @property
    def result(self) -> Frame | None:
        """The server's word of the end, `{status, message_id, sequence_id, ...}`; None until the block has ended."""
        return self._run.result

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled the run: what is said now, nobody hears."""
        return self._run.is_cancelled

    def say(self, text: str) -> None:
        """Say more. It returns at once; what is said within a twentieth of a second is sent together.

        Raises RunCancelled, Refused if the run has failed, and Closed when the conversation is over.
        """
        self._while_open(partial(self._run.say, text))

    def status(self, state: str, label: str | None = None) -> None:
        """Show what the agent is doing while it says nothing: `thinking`, `tool` or `waiting_for_approval`. Raises as `say`."""

        async def show() -> None:
            self._run.status(state, label)

        self._while_open(show)

    def ask(self, tool: str, arguments: Frame, timeout: float | None = None) -> bool:
        """Ask for a tool call, and wait until the person whom the run answers, or an owner, has decided.

        Nobody may be there: after `timeout` seconds it raises TimeoutError, and asks no more; None waits for ever. It raises as
        `say` does, also while it waits.
        """
        return self._while_open(partial(self._run.ask, tool, arguments), timeout)

    def end(
        self,
        status: str = "complete",
        *,
        reason: str | None = None,
        retry_after: float | None = None,
    ) -> Frame:
        """End the run now, and wait until the server has stored its end, as `Run.end`; the end of the block does it otherwise.

        Raises TimeoutError if that takes longer than the conversation's `timeout`; the run ends all the same.
        """
        self.hand_over()
        end = partial(self._run.end, status, reason=reason, retry_after=retry_after)
        return self._loop.call(end, self._timeout)

    def hand_over(self) -> None:
        """Set what the run ends with. The end does it by itself."""
        given = {"usage": self.usage, "metadata": self.metadata, "results": self.results}
        for name, value in given.items():
            setattr(self._run, name, value)

    def _while_open(self, function: Callable[[], Awaitable[R]], timeout: float | None = None) -> R:
        return self._loop.call(partial(self._block.while_open, self._run, function), timeout)


class SyncRunBlock:
    """The block of a run for a thread. `timeout` (seconds) bounds the wait for the server's word at its end."""

    def __init__(
        self, made: AbstractAsyncContextManager[Run], loop: LoopThread, timeout: float | None
    ) -> None:
        self._block = _Block(made)
        self._loop = loop
        self._timeout = timeout

    def __enter__(self) -> SyncRun:
        self._task = self._loop.start(self._block.stay)
        entered = self._block.entered
        try:
            either: list[Future[Any]] = [entered, self._task]
            wait(either, return_when=FIRST_COMPLETED)
            if not entered.done():
                self._loop.result(self._task)
            self._run = SyncRun(entered.result(), self._block, self._loop, self._timeout)
        except BaseException:
            with suppress(Exception):
                self._leave(has_failed=True)
            raise
        return self._run

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        # A run in the block of another one may be left because that one was cancelled.
        is_own = isinstance(error, RunCancelled) and error.run_id == self._run.run_id
        has_failed = error is not None and not is_own
        if not has_failed:
            self._run.hand_over()
        with suppress(Exception) if has_failed else nullcontext():
            self._leave(has_failed=has_failed)
        return is_own

    def _leave(self, *, has_failed: bool) -> None:
        loop, block = self._loop, self._block
        loop.soon(partial(block.leave, has_failed))
        try:
            # A run that is interrupted has LAST_WORD seconds.
            loop.result(self._task, None if has_failed else self._timeout)
        except BaseException:
            loop.soon(block.give_up)  # no effect if it is the task's own
            raise


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """The server asks this agent to answer a message. `why` is the rule that asks; `mentions` are ids of members.

    `message` is the message as its event has it.
    """

    run_id: str
    message_id: str
    message: Frame
    mentions: tuple[str, ...]
    why: str
    _run: Callable[[], AbstractContextManager[SyncRun]] = field(repr=False)

    @classmethod
    def of(cls, request: Request, loop: LoopThread, timeout: float | None) -> SyncRequest:
        """A request that came in a loop, for threads."""

        def run() -> AbstractContextManager[SyncRun]:
            return SyncRunBlock(request.run(), loop, timeout)

        of_message = (request.message_id, request.message, request.mentions)
        return cls(request.run_id, *of_message, request.why, run)

    def run(self) -> AbstractContextManager[SyncRun]:
        """The run that answers, see `SyncConversation.run`."""
        return self._run()
