"""An agent's runs: what it says is kept until the server has all of it, across drops and restarts."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.lowlevel

from .rules import Closed, Frame, Refused
from .run_outbox import RunOutbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

LAST_WORD = 1.0  # seconds to say that a run was interrupted, when its program is cancelled


class Speaker(Protocol):
    """The part of a conversation that its runs use."""

    def wake(self) -> None:
        """Write what is due."""


class Run:
    """An open run of this agent. Made by `Request.run` and `Conversation.run`.

    `usage` (a JSON object, such as tokens), `metadata` and `results` (`{url, name, site, description, score, schema_object}`
    each: what the answer points to) may be set until the end of the block.
    """

    def __init__(self, outbox: RunOutbox, speaker: Speaker) -> None:
        self.usage: Frame | None = None
        self.metadata: Frame | None = None
        self.results: list[Frame] | None = None
        self._outbox = outbox
        self._speaker = speaker

    @property
    def run_id(self) -> str:
        """The run's id: this agent's own key."""
        return self._outbox.run_id

    @property
    def text(self) -> str:
        """All that was said in this block."""
        return self._outbox.text

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled the run."""
        return self._outbox.cancelled

    @property
    def result(self) -> Frame | None:
        """The server's word of the end, `{status, message_id, sequence_id, ...}`; None until the block has ended."""
        return self._outbox.result

    async def say(self, text: str) -> None:
        """Say more. It is sent with what else is said within a twentieth of a second. Raises Refused if the run has failed."""
        await anyio.lowlevel.checkpoint()
        if self._outbox.error is not None:
            raise copy(self._outbox.error)
        self._outbox.say(text)
        self._speaker.wake()

    def status(self, state: str, label: str | None = None) -> None:
        """Show what the agent is doing while it says nothing: `thinking`, `tool` or `waiting_for_approval`."""
        self._outbox.show(state, label)
        self._speaker.wake()

    async def ask(self, tool: str, arguments: Frame) -> bool:
        """Ask for a tool call, and wait until the person whom the run answers, or an owner, has decided.

        One call waits at a time. Bound the wait with a cancel scope: nobody may be there. A run that fails or is cancelled
        cancels the block, and the wait with it.
        """
        while (before := self._outbox.asked) is not None:
            await before.over.wait()
        approval = self._outbox.ask(tool, arguments)
        self._speaker.wake()
        try:
            await approval.over.wait()
        finally:
            self._outbox.take_back(approval)
            self._speaker.wake()
        return approval.approved

    async def end(
        self,
        status: str = "complete",
        *,
        reason: str | None = None,
        retry_after: float | None = None,
    ) -> Frame:
        """End the run now, and wait until the server has stored its end; the end of the block does it otherwise.

        `reason` (`timeout`, `upstream`, `budget`) and `retry_after` (seconds) tell why a run that has said nothing has failed.
        Raises Refused, or Closed when the conversation is over.
        """
        self._outbox.end(
            status=status,
            usage=self.usage,
            metadata=self.metadata,
            results=self.results,
            reason=reason,
            retry_after=retry_after,
        )
        self._speaker.wake()
        await self._outbox.over.wait()
        if self._outbox.error is not None or self._outbox.result is None:
            raise copy(self._outbox.error or Closed(1006))
        return self._outbox.result


class Runs:
    """The runs of one conversation's agent."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._open: dict[str, RunOutbox] = {}
        self._cancel: dict[str, Callable[[], object]] = {}

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._open

    @asynccontextmanager
    async def run(self, run_id: str, reply_to: str | None) -> AsyncIterator[Run]:
        """A run from its start to its end, see `Conversation.run`. Raises ValueError for a run that is under way here."""
        if run_id in self._open:
            raise ValueError("this run is under way already")
        outbox = self._open[run_id] = RunOutbox(run_id, reply_to)
        run = Run(outbox, self._speaker)
        self._speaker.wake()
        try:
            with anyio.CancelScope() as scope:
                self._cancel[run_id] = scope.cancel
                yield run
            await run.end()
        except BaseException:
            with anyio.move_on_after(LAST_WORD, shield=True):
                if not outbox.over.is_set():
                    await run.end("interrupted")
            raise
        finally:
            del self._open[run_id], self._cancel[run_id]

    def frames(self, now: float) -> list[Frame]:
        """All frames that are due."""
        return [frame for outbox in self._open.values() for frame in outbox.frames(now)]

    def delay(self, now: float) -> float:
        """Seconds until more frames are due."""
        return min((outbox.delay(now) for outbox in self._open.values()), default=math.inf)

    def rewind(self) -> None:
        """Begin on a new connection."""
        for outbox in self._open.values():
            outbox.rewind()

    def accept(self, frame: Frame, now: float, delay: Callable[[float | None], float]) -> None:
        """Handle a `run_ack`, `cancel`, `approval` or `error` about one of the runs; `delay` gives the wait before a retry."""
        outbox = self._open[frame["run_id"]]
        if frame["type"] == "run_ack":
            outbox.acknowledge(frame)
        elif frame["type"] == "cancel":
            outbox.cancel()
        elif frame["type"] == "approval":
            outbox.decided(frame)
        else:
            refused = Refused(frame)
            outbox.refuse(refused, now, delay(refused.retry_after))
        ended_elsewhere = outbox.result is not None and not outbox.ending
        if outbox.cancelled or outbox.error is not None or ended_elsewhere:
            self._cancel[outbox.run_id]()

    def fail(self, error: Exception) -> None:
        """End all runs, since the conversation is over."""
        for outbox in self._open.values():
            outbox.fail(error)
            self._cancel[outbox.run_id]()


@dataclass(frozen=True, slots=True)
class Request:
    """The server asks this agent to answer a message. `why` is the rule that asks; `mentions` are ids of members.

    `message` is the message as its event has it.
    """

    run_id: str
    message_id: str
    message: Frame
    mentions: tuple[str, ...]
    why: str
    runs: Runs

    def run(self) -> AbstractAsyncContextManager[Run]:
        """The run that answers, see `Conversation.run`."""
        return self.runs.run(self.run_id, self.message_id)
