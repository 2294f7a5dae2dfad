"""An event loop in a thread of its own, for programs that have none: any of their threads may call into it."""

from __future__ import annotations

import os
import threading
import weakref
from concurrent.futures import CancelledError, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from .rules import Closed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from anyio.from_thread import BlockingPortal

T = TypeVar("T")

LAST_MOMENT = 5.0  # seconds for conversations to say goodbye, of which each has one


class _Loop:
    """One running loop. It ends with the process, whoever forgets it."""

    def __init__(self) -> None:
        self.portal: Future[BlockingPortal] = Future()
        self._thread = threading.Thread(target=self._run, name="salon-client", daemon=True)
        self._soon: Callable[[Callable[[], object]], object] = lambda call: None
        self._cancel: Callable[[], object] = lambda: None

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Cancel all that is under way, and wait until it has ended."""
        if self.portal.cancel():
            return  # before it has begun
        is_elsewhere = threading.current_thread() is not self._thread  # the collector chooses any
        if is_elsewhere:
            wait([self.portal], LAST_MOMENT)
        self.soon(self._cancel)
        if is_elsewhere:
            self._thread.join(LAST_MOMENT)

    def soon(self, call: Callable[[], object]) -> None:
        """Have the loop make a call, without waiting for it: it may be stuck. No effect once it has ended."""
        with suppress(RuntimeError):
            self._soon(call)

    def _run(self) -> None:
        if not self.portal.set_running_or_notify_cancel():
            return
        try:
            anyio.run(self._serve)
        except BaseException as error:
            if self.portal.done():
                raise
            self.portal.set_exception(error)

    async def _serve(self) -> None:
        # Not imported before they are wanted: they are half of what the client weighs.
        import asyncio  # noqa: PLC0415

        from anyio.from_thread import BlockingPortal  # noqa: PLC0415

        loop = asyncio.get_running_loop()
        self._soon = loop.call_soon_threadsafe
        with anyio.CancelScope() as scope:
            self._cancel = scope.cancel
            async with BlockingPortal() as portal:
                self.portal.set_result(portal)
                await portal.sleep_until_stopped()


class _Call(Generic[T]):
    """One call into the loop. Whoever waits for it may give it up at any moment, even while it is handed over."""

    def __init__(self, function: Callable[[], Awaitable[T]], timeout: float | None) -> None:
        self._function = function
        self._timeout = timeout
        self._scope: anyio.CancelScope | None = None
        self._is_given_up = False

    async def run(self) -> T:
        with anyio.fail_after(self._timeout) as self._scope:
            if self._is_given_up:
                self._scope.cancel()
            return await self._function()

    def give_up(self) -> None:
        """In the loop: cancel it; no effect if it has ended."""
        self._is_given_up = True
        if self._scope is not None:
            self._scope.cancel()


class LoopThread:
    """The loop of a client. It starts with the first call, and again in a forked process, where no thread is left of it."""

    def __init__(self) -> None:
        self._loops: dict[int, _Loop] = {}  # by process
        self._close = weakref.finalize(self, _end_own, self._loops)  # at exit at the latest

    def close(self) -> None:
        """End the loop, and what runs in it; no effect the second time."""
        self._close()

    def call(self, function: Callable[[], Awaitable[T]], timeout: float | None = None) -> T:
        """Run a function in the loop, and wait for it. Raises TimeoutError after `timeout` seconds, and what the function raises.

        A thread that is interrupted meanwhile, as by Ctrl-C, cancels the function.
        """
        loop, call = self._loop(), _Call(function, timeout)
        try:
            return self.result(loop.portal.result().start_task_soon(call.run))
        except BaseException:
            loop.soon(call.give_up)
            raise

    def start(self, function: Callable[[], Awaitable[T]]) -> Future[T]:
        """Run a function in the loop, without waiting for it."""
        return self._loop().portal.result().start_task_soon(function)

    def result(self, task: Future[T], timeout: float | None = None) -> T:
        """Wait for what runs in the loop. Raises TimeoutError after `timeout` seconds; it runs on."""
        try:
            return task.result(timeout)
        except CancelledError:
            raise Closed(1000, "the client is closed") from None

    def soon(self, call: Callable[[], object]) -> None:
        """Have the loop make a call, without waiting for it; no effect once it has ended."""
        loop = self._loops.get(os.getpid())
        if loop is not None:
            loop.soon(call)

    @contextmanager
    def entered(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """The same context manager for a thread."""
        portal = self._loop().portal.result()
        with ExitStack() as stack:
            value = stack.enter_context(portal.wrap_async_context_manager(manager))
            try:
                yield value
            finally:
                if not self._close.alive:
                    stack.pop_all()  # it has ended with its loop

    def _loop(self) -> _Loop:
        if not self._close.alive:
            raise RuntimeError("the client is closed")
        loop = self._loops.get(os.getpid())
        if loop is None:
            fresh = _Loop()
            loop = self._loops.setdefault(os.getpid(), fresh)  # one of several threads is the first
            if loop is fresh:
                loop.start()
        return loop


def _end_own(loops: dict[int, _Loop]) -> None:
    loop = loops.pop(os.getpid(), None)
    if loop is not None:
        loop.end()
