"""The token that a client acts with, and how it gets another one in its place."""

from __future__ import annotations

import inspect
import os
import re
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from .rules import Closed, Refused, Unreachable

if TYPE_CHECKING:
    from .loop import Event

# Gets a new token of the same person
Renew = Callable[[], str | Awaitable[str]]

UNAUTHENTICATED, ENDED = 401, 4500  # by HTTP, and as the close code of a socket
NO_OTHER = "renew gave no other token"


class TokenUnavailable(Unreachable):
    """`renew` gave no token: it raised (`__cause__`), took longer than `answer_timeout`, or gave something else.

    The server was not asked, or has refused the token before. A later call may succeed.
    """


@dataclass(slots=True)
class _Asked:
    """A call of `renew` that is under way; others wait for what comes of it."""

    over: Event
    process: int
    error: TokenUnavailable | None = None
    is_settled: bool = False


class Tokens:
    """The token at hand, None for nobody, and `renew`, which gets another one in its place.

    Whoever needs another token at the same time gets it from one call of `renew`.
    """

    def __init__(self, token: str | None, renew: Renew | None) -> None:
        self.token = token
        self._renew = renew
        self._asked: _Asked | None = None
        self._thread: threading.Thread | None = None

    @property
    def can_renew(self) -> bool:
        return self._renew is not None

    def forget(self) -> None:
        """Act as nobody from now on."""
        self.token = self._renew = None

    async def at_hand(self, patience: float) -> str | None:
        """The token, which `renew` gives if there is none yet, within `patience` seconds. Raises TokenUnavailable."""
        if self.token is None:
            await self.renewed(None, patience)
        return self.token

    async def renewed(self, used: str | None, patience: float) -> str | None:
        """A token in place of `used`, within `patience` seconds; None where there is no other. Raises TokenUnavailable."""
        while self._renew is not None and self.token == used:
            asked = self._asked
            if asked is None or asked.process != os.getpid():  # a fork leaves the caller behind
                return await self._ask(self._renew, used, patience)
            await asked.over.wait()
            if asked.error is not None:
                raise copy(asked.error) from asked.error.__cause__
            if asked.is_settled:
                break
        return None if self.token == used else self.token

    def explain(self, error: Refused | Closed) -> None:
        """Add to an error about the token that `renew` could not prevent it."""
        code = error.code if isinstance(error, Closed) else error.status
        why = f"{NO_OTHER} that the server accepts"
        if self.can_renew and code in (UNAUTHENTICATED, ENDED) and why not in _notes(error):
            error.add_note(why)

    async def _ask(self, renew: Renew, used: str | None, patience: float) -> str | None:
        asked = self._asked = _Asked(anyio.Event(), os.getpid())
        try:
            given = await self._given(renew, patience)
            if (
                self._renew is renew and self.token == used
            ):  # else the caller has changed their mind
                self.token = given
            asked.is_settled = True
        except TokenUnavailable as error:
            asked.error = error
            raise
        finally:
            self._asked = None
            asked.over.set()
        return None if self.token == used else self.token

    async def _given(self, renew: Renew, patience: float) -> str:
        given: Any = None
        with anyio.move_on_after(patience) as bound:
            try:
                given = renew() if _is_async(renew) else await self._in_thread(renew)
                if inspect.isawaitable(given):
                    given = await given
            except TokenUnavailable:
                raise
            except Exception as error:
                # Not its words, which may hold a secret.
                raise TokenUnavailable(f"renew raised {type(error).__name__}") from error
        if bound.cancelled_caught:
            raise TokenUnavailable(f"renew gave no token within {patience:g} seconds")
        if not isinstance(given, str) or not re.fullmatch(r"[!-~]+", given):
            kind = type(given).__name__
            raise TokenUnavailable(f"renew gave no token but {kind}: it must be text for a header")
        return given

    async def _in_thread(self, renew: Renew) -> Any:
        """Call a plain function, which may wait: in a thread that outlasts neither the program nor, twice, a call that hangs."""
        if self._thread is not None and self._thread.is_alive():
            raise TokenUnavailable("renew has not returned from the call before")
        # Not imported before it is wanted.
        from anyio import from_thread  # noqa: PLC0415

        loop, over = anyio.lowlevel.current_token(), anyio.Event()
        outcome: list[tuple[Any, Exception | None]] = []

        def work() -> None:
            try:
                outcome.append((renew(), None))
            except Exception as error:
                outcome.append((None, error))
            with suppress(RuntimeError):  # the loop has ended
                from_thread.run_sync(over.set, token=loop)

        thread = self._thread = threading.Thread(target=work, name="salon-renew", daemon=True)
        thread.start()
        await over.wait()
        self._thread = None
        [(given, error)] = outcome
        if error is not None:
            raise error
        return given


def _is_async(renew: Renew) -> bool:
    """Whether calling it only gives what is to be awaited: an async function, or an object that is called as one."""
    called = (renew, type(renew).__call__)
    return any(inspect.iscoroutinefunction(each) for each in called)


def _notes(error: Exception) -> list[str]:
    return getattr(error, "__notes__", [])
