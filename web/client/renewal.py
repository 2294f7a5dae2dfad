"""One open socket that outlives its token: a new one is sent on it before the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio

from .rules import Backoff, Closed, Frame, Refused
from .tokens import ENDED, NO_OTHER, TokenUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from .tokens import Tokens
    from .wire import Socket

WARNING = 60.0  # seconds before the end in which the server warns
LONGEST_WAIT = 20.0  # seconds: the rest of the minute is for a `renew` that fails
SHORTEST_WAIT = 1.0
ABOUT_OTHERS = {"client_message_id", "run_id"}  # fields of refusals that are no word on a token


class Renewal:
    """Renews the identity of one socket when the server warns of its end.

    `tell` writes a frame, `signal` hands one to the caller. `patience` (seconds) bounds a call of `renew`, and the wait for the
    server's answer.
    """

    def __init__(
        self,
        tokens: Tokens,
        socket: Socket,
        tasks: TaskGroup,
        patience: float,
        backoff: Backoff,
        tell: Callable[[Frame], object],
        signal: Callable[[Frame], object],
    ) -> None:
        self._tokens = tokens
        self._token = socket.token  # that the socket's identity stands on
        self._since = anyio.current_time()
        self._tasks = tasks
        self._patience = patience
        self._backoff = backoff
        self._tell = tell
        self._signal = signal
        self._warned_of: list[object] = []  # ends that have not been seen to
        self._is_busy = False
        self._sent: str | None = None  # and not judged yet
        self._answered = anyio.Event()
        self._refused: Refused | None = None

    def hear(self, frame: Frame) -> None:
        """Handle a frame of the server that may be about the identity."""
        kind = frame.get("type")
        if kind == "auth_expiring" and self._tokens.can_renew:
            self._warned_of.append(frame.get("expires_at"))
            if not self._is_busy:
                self._is_busy = True
                self._tasks.start_soon(self._keep)
        elif self._sent is not None and kind == "auth_ack":
            self._judged()
        elif self._sent is not None and kind == "error" and not ABOUT_OTHERS & frame.keys():
            self._refused = Refused(frame)
            if self._refused.code == "UNAUTHENTICATED":
                self._judged()  # it is of no use: another one is needed
            self._answered.set()

    async def replaced(self, end: Exception) -> bool:
        """Whether there is, or may be, a token with which to come back after this end of the socket."""
        if not (isinstance(end, Closed) and end.code == ENDED):
            return False
        try:
            other = await self._tokens.renewed(self._token, self._patience)
        except TokenUnavailable:
            return True
        return other is not None

    async def _keep(self) -> None:
        while self._warned_of:
            await anyio.sleep(self._wait(self._warned_of.pop(0)))
            while (problem := await self._problem()) is not None:
                delay = self._backoff.delay(self._refused.retry_after if self._refused else None)
                self._signal({"type": "renewal_failed", "reason": problem, "retry_in": delay})
                await anyio.sleep(delay)
            self._backoff.reset()
        self._is_busy = False

    def _wait(self, ends: object) -> float:
        """Seconds until another token is asked for: none, unless this one is younger than the server's warning is early.

        Such a token lives for less than a minute: the server warns of each as soon as it has it.
        """
        if anyio.current_time() - self._since >= WARNING:
            return 0.0
        # Not imported before it is wanted.
        from datetime import datetime  # noqa: PLC0415

        try:
            left = datetime.fromisoformat(str(ends)).timestamp() - time.time()
        except ValueError:
            left = 0.0
        return min(LONGEST_WAIT, max(SHORTEST_WAIT, left / 3))

    async def _problem(self) -> str | None:
        """Why the socket has no new identity; None if it has, or never will."""
        self._refused = None
        try:
            token = await self._tokens.renewed(self._token, self._patience)
        except TokenUnavailable as error:
            return str(error)
        if token is None:
            return NO_OTHER
        self._sent, self._answered = token, anyio.Event()
        self._tell({"type": "auth", "token": token})
        with anyio.move_on_after(self._patience) as bound:
            await self._answered.wait()
        return "the server did not answer" if bound.cancelled_caught else self._refusal()

    def _judged(self) -> None:
        """The server knows the token that was sent."""
        self._token, self._sent = self._sent, None
        self._since = anyio.current_time()
        self._answered.set()

    def _refusal(self) -> str | None:
        """Why to try again; None where the token was taken, or no other of this person's would be: `signals` has the refusal."""
        refused = self._refused
        if refused is not None and (refused.temporary or refused.code == "UNAUTHENTICATED"):
            return str(refused)
        return None
