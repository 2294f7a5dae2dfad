"""A future: a value that a turn or a trio task awaits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pykka
import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

T = TypeVar("T")


class Future(pykka.Future[T]):
    """A value that is set later. A turn awaits the future itself; a trio task awaits `wait()`. It never blocks a thread."""

    __slots__ = ("_error", "_listeners", "_value", "done")

    def __init__(self) -> None:
        self.done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._listeners: list[Callable[[], object]] | None = None

    @classmethod
    def of(cls, value: T) -> Future[T]:
        """A future that already has its value."""
        future = cls()
        future.set(value)
        return future

    def set(self, value: Any = None) -> None:
        """Set the value. Only the first outcome counts."""
        self._finish(value, None)

    def set_exception(self, exc_info: Any = None) -> None:
        """Set an exception instead: pykka's three-tuple, or the exception itself."""
        error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
        self._finish(None, error or RuntimeError("failed without saying why"))

    def flush(self) -> None:
        """Do nothing: `set` has woken the waiting task already."""

    def get(self, *, timeout: float | None = None) -> T:
        """The value, which must be set already: nothing in this runtime may block."""
        if not self.done:
            raise pykka.Timeout("a value that is not there yet must be awaited")
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[no-any-return]

    def when_done(self, listener: Callable[[], object]) -> None:
        """Call the listener with the outcome; at once if it is set already."""
        if self.done:
            listener()
        elif self._listeners is None:
            self._listeners = [listener]
        else:
            self._listeners.append(listener)

    def __await__(self) -> Generator[Any, None, T]:
        """For a turn: suspend it until the outcome is set."""
        if not self.done:
            yield self
        return self.get()

    async def wait(self) -> T:
        """For a trio task: wait for the value and return it."""
        if not self.done:
            task: trio.lowlevel.Task | None = trio.lowlevel.current_task()

            def wake() -> None:
                if task is not None:
                    trio.lowlevel.reschedule(task)

            def abort(_: Callable[[], None]) -> trio.lowlevel.Abort:
                nonlocal task
                task = None
                return trio.lowlevel.Abort.SUCCEEDED

            self.when_done(wake)
            await trio.lowlevel.wait_task_rescheduled(abort)
        else:
            await trio.lowlevel.checkpoint_if_cancelled()
        return self.get()

    def _finish(self, value: Any, error: BaseException | None) -> None:
        if self.done:
            return
        self.done = True
        self._value, self._error = value, error
        listeners, self._listeners = self._listeners, None
        for listener in listeners or ():
            listener()


class Breath:
    """Awaited by a long turn to let other turns and tasks run."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield None
