"""The way from the store's threads back to the trio run that called."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.future import Future


class Loop:
    """Remembers the trio run that called last; a store serves one trio run at a time."""

    def __init__(self) -> None:
        self._token: trio.lowlevel.TrioToken | None = None

    def enter(self) -> None:
        """Called in the trio run, before work is given to a thread."""
        self._token = trio.lowlevel.current_trio_token()

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Called in a thread: run the function in the trio run, soon. If the run has ended, nobody waits and nothing is done."""
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(function, *args)


def settle(future: Future[Any], outcome: object) -> None:
    """Set the future's value, or its exception if the outcome is one."""
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set(outcome)
