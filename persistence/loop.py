"""The way from the store's threads back to the trio run that asked."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.future import Future


class Loop:
    """Remembers who asked last; a store serves one trio run at a time."""

    def __init__(self) -> None:
        self._token: trio.lowlevel.TrioToken | None = None

    def enter(self) -> None:
        """Called in the trio run, before something is given to a thread."""
        self._token = trio.lowlevel.current_trio_token()

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Called in a thread: have the function run in the trio run, soon. Where that has ended nobody waits any more."""
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(function, *args)


def settle(future: Future[Any], outcome: object) -> None:
    """Set the future, or fail it where the outcome is an exception."""
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set(outcome)
