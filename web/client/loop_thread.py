"""An event loop in a thread of its own, for programs that have none: any of their threads may call into it."""

from __future__ import annotations

import os
import threading
import weakref
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

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
        self._end: Callable[[], object] = lambda: None

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Cancel all that is under way, and wait until it has ended."""
        if not self.portal.cancel():
            self._end()
            if threading.current_thread() is not self._thread:  # the garbage collector's choice
                self._thread.join(LAST_MOMENT)

    def _run(self) -> None:
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

        loop, scope = asyncio.get_running_loop(), anyio.CancelScope()
        self._end = lambda: None if loop.is_closed() else loop.call_soon_threadsafe(scope.cancel)
        with scope:
            async with BlockingPortal() as portal:
                self.portal.set_result(portal)
                await portal.sleep_until_stopped()


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

        async def bounded() -> T:
            with anyio.fail_after(timeout):
                return await function()

        future = self._portal().start_task_soon(bounded)
        try:
            return future.result()
        except CancelledError:
            raise Closed(1000, "the client is closed") from None
        finally:
            future.cancel()

    @contextmanager
    def entered(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """The same context manager for a thread."""
        with ExitStack() as stack:
            value = stack.enter_context(self._portal().wrap_async_context_manager(manager))
            try:
                yield value
            finally:
                if not self._close.alive:
                    stack.pop_all()  # it has ended with its loop

    def _portal(self) -> BlockingPortal:
        if not self._close.alive:
            raise RuntimeError("the client is closed")
        loop = self._loops.get(os.getpid())
        if loop is None:
            fresh = _Loop()
            loop = self._loops.setdefault(os.getpid(), fresh)  # one of several threads is the first
            if loop is fresh:
                loop.start()
        return loop.portal.result()


def _end_own(loops: dict[int, _Loop]) -> None:
    loop = loops.pop(os.getpid(), None)
    if loop is not None:
        loop.end()
