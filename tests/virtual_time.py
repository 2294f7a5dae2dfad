"""Tests on a clock that jumps to the next deadline when nothing else is left to do, under trio and under asyncio."""

from __future__ import annotations

import asyncio
import functools
import inspect
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from trio.testing import MockClock


class JumpingSelector(selectors.DefaultSelector):
    """Passes the time that a loop would wait: it is asked to wait only when there is nothing to do."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout is not None:
            self.now += max(0.0, timeout)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop of asyncio on such a clock. It knows nothing of threads: what they do takes no time."""

    def __init__(self) -> None:
        self._clock = JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


OPTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "asyncio": lambda: {"loop_factory": JumpingLoop},
    "trio": lambda: {"clock": MockClock(autojump_threshold=0)},
}


def run_under(loop: str, test: Callable[[], Awaitable[None]]) -> None:
    anyio.run(test, backend=loop, backend_options=OPTIONS[loop]())


def in_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs the test under trio alone: for what says nothing about the loop."""

    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        run_under("trio", functools.partial(test, **arguments))

    return run


def under_both(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs the test once under asyncio, and once under trio."""

    @functools.wraps(test)
    def run(loop: str, *drawn: Any, **arguments: Any) -> None:
        run_under(loop, functools.partial(test, *drawn, **arguments))

    asked = inspect.signature(test)
    loop = inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = asked.replace(  # type: ignore[attr-defined]
        parameters=[loop, *asked.parameters.values()]
    )
    both: Callable[..., None] = pytest.mark.parametrize("loop", sorted(OPTIONS))(run)
    return both
