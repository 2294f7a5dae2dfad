"""An agent's runs: what it says is kept until the server has all of it, across drops and restarts."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import trio

from .rules import Closed, Frame, Refused, given

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

DELTA_EVERY = 0.05  # seconds between two deltas: the server sends no more to its readers
PIECE = 8_192  # code points of one delta: a frame is at most 131,072 bytes by default
LAST_WORD = 1.0  # seconds to say that a run was interrupted, when its program is cancelled
AGAIN = frozenset(
    {"RUN_ENDED", "RUN_NOT_FOUND"}
)  # refusals after which the server is asked where the run is
# Refusals about a run that this agent cannot end either
NOT_ONES_OWN = frozenset({"FORBIDDEN", "NOT_PARTICIPANT", "KEY_REUSED"})


class Approval:
    """A tool call that waits for a person's decision; `approved` is true once it is allowed."""

    def __init__(self, tool: str, arguments: Frame) -> None:
        self.id = uuid4().hex
        about = {"approval_id": self.id, "tool": tool, "arguments": arguments}
        self.frame: Frame = {"state": "waiting_for_approval", "label": tool, "approval": about}
        self.approved = False
        self.over = trio.Event()


class RunOutbox:
    """One run as the server must have it, without I/O: which frames are due. Lengths are code points, times are seconds.

    On each connection the run is started again: the answer says how much of the text is there, and the rest follows.
    """

    def __init__(self, run_id: str, reply_to: str | None) -> None:
        self.run_id = run_id
        self.text = ""
        self.result: Frame | None = None  # the `run_ack` of the end
        self.error: Exception | None = None
        self.cancelled = False
        self.over = trio.Event()
        self._reply_to = reply_to
        self._status: Frame | None = None
        self._approval: Approval | None = None  # that waits for a person
        self._end: Frame | None = None
        self._place: str = "unsent"  # then "asked", then "open"
        # The run's text on the server before this object's: another process of the agent has said it.
        self._base = 0
        self._begun = False
        self._sent = 0  # of the text, on this connection
        self._most = 0  # of the text, ever
        self._sent_at = -math.inf
        self._end_sent = False
        self._paused_until = -math.inf

    @property
    def ending(self) -> bool:
        """Whether the end was asked for here."""
        return self._end is not None

    def say(self, text: str) -> None:
        """Add to the text. Half a surrogate pair is no character: it becomes U+FFFD."""
        self.text += text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self._ask_again()  # for the server, an agent that speaks waits for nobody

    def show(self, state: str, label: str | None) -> None:
        """Show what the run is doing."""
        self._status = {"state": state, **given(label=label)}

    def ask(self, tool: str, arguments: Frame) -> Approval:
        """Ask people to allow a tool call; it is asked again on each connection until it is decided or taken back."""
        self._approval = approval = Approval(tool, arguments)
        self._ask_again()
        return approval

    def take_back(self, approval: Approval) -> None:
        """Ask no more."""
        if self._approval is approval:
            self._approval = None
            self._status = {"state": "thinking"}

    def decided(self, frame: Frame) -> None:
        """Handle a person's decision."""
        approval = self._approval
        if approval is not None and approval.id == frame["approval_id"]:
            self._approval = None
            approval.approved = frame["approved"]
            approval.over.set()

    def _ask_again(self) -> None:
        if self._approval is not None:
            self._status = self._approval.frame

    def end(self, **fields: Any) -> None:
        """End the run once the server has all of its text; only the first end counts."""
        self._end = self._end or given(**fields)

    def frames(self, now: float) -> list[Frame]:
        """The frames to write now; they count as written."""
        if self.over.is_set() or now < self._paused_until or self._place == "asked":
            return []
        about: Frame = {"run_id": self.run_id}
        if self._place == "unsent":
            self._place = "asked"
            return [{"type": "run_start", **about, **given(reply_to=self._reply_to)}]
        frames: list[Frame] = []
        at_once = self._end is not None or self._status is not None
        if self.error is None and (at_once or now >= self._sent_at + DELTA_EVERY):
            while self._sent < len(self.text):
                text = self.text[self._sent : self._sent + PIECE]
                offset = self._base + self._sent
                frames.append({"type": "delta", **about, "offset": offset, "text": text})
                self._sent += len(text)
                self._sent_at = now
            self._most = max(self._most, self._sent)
        if self._status is not None:  # after the text: what is said later ends it
            frames.append({"type": "run_status", **about, **self._status})
            self._status = None
        if self._end is not None and not self._end_sent:
            whole = {"offset": self._base + len(self.text)} if self.error is None else {}
            frames.append({"type": "run_end", **about, **whole, **self._end})
            self._end_sent = True
        return frames

    def delay(self, now: float) -> float:
        """Seconds until `frames` gives more without other events; infinite if it does not."""
        if self.over.is_set() or self._place == "asked":
            return math.inf
        wait = max(0.0, self._paused_until - now)
        ending = self._end is not None and not self._end_sent
        if self._place == "unsent" or self._status is not None or ending:
            return wait
        if self._sent < len(self.text) and self.error is None:
            return max(wait, self._sent_at + DELTA_EVERY - now)
        return math.inf

    def rewind(self) -> None:
        """Begin on a new connection."""
        self._place = "unsent"
        self._ask_again()

    def cancel(self) -> None:
        """Handle that the run was ended by others: the server is asked for its end."""
        self.cancelled = True
        self._place = "unsent"

    def acknowledge(self, frame: Frame) -> None:
        """Handle the server's word of where the run is."""
        if frame["status"] != "open":
            self.result = frame
            self.over.set()
        elif self._place == "asked":
            self._place = "open"
            self._end_sent = False
            if not self._begun:  # nothing of this object's can be there yet
                self._begun, self._base = True, frame["offset"]
            self._go_on_from(frame["offset"])

    def refuse(self, refused: Refused, now: float, delay: float) -> None:
        """Handle a refusal of one of the frames: go on elsewhere, wait for `delay` seconds, or fail."""
        if self.error is not None:  # the end that was asked for after a failure is refused, too
            self.over.set()
        elif refused.code == "OFFSET_MISMATCH":
            expected = int(refused.details["expected_offset"])
            if expected > self._base + self._most:
                self.fail(refused)  # another process of this agent speaks in the run
            else:
                self._go_on_from(expected)
        elif refused.temporary or refused.code in AGAIN:
            self._place = "unsent"
            if refused.temporary:
                self._paused_until = now + delay
        elif self._place == "open" and refused.code not in NOT_ONES_OWN:
            self._give_up(refused)
        else:
            self.fail(refused)

    def fail(self, error: Exception) -> None:
        """Fail the run for good; no effect if it is over."""
        if not self.over.is_set():
            self.error = error
            self.over.set()

    def _give_up(self, error: Exception) -> None:
        """End the run with what the server has of it: it takes no more."""
        self.error = error
        self._end, self._end_sent, self._status = {"status": "interrupted"}, False, None

    def _go_on_from(self, offset: int) -> None:
        self._base = min(self._base, offset)
        self._sent = min(offset - self._base, len(self.text))
        self._end_sent = False


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
        self._asking = trio.Lock()

    @property
    def run_id(self) -> str:
        return self._outbox.run_id

    @property
    def text(self) -> str:
        """All that was said in this block."""
        return self._outbox.text

    @property
    def result(self) -> Frame | None:
        """The server's word of the end, `{status, message_id, sequence_id, ...}`; None until the block has ended."""
        return self._outbox.result

    async def say(self, text: str) -> None:
        """Say more. It is sent with what else is said within a twentieth of a second. Raises Refused if the run has failed."""
        await trio.lowlevel.checkpoint()
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
        async with self._asking:
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
            with trio.CancelScope() as scope:
                self._cancel[run_id] = scope.cancel
                yield run
            await run.end()
        except BaseException:
            with trio.move_on_after(LAST_WORD, shield=True):
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
