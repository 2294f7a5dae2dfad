"""One run of a hosted agent, as the engine sees it: begun, filled, shown to wait, and ended by an agent's commands."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

from salon.actors.model import Approval
from salon.actors.refusals import Code, Refusal
from salon.actors.run_messages import EndRun, ExtendRun, SetRunState, StartRun

from ..socket import compact
from .speech import Speech

if TYPE_CHECKING:
    from salon.actors.directory import Directory
    from salon.actors.model import FailureReason, Participant
    from salon.actors.run_messages import RunCommand
    from salon.actors.signals import ApprovalDecided, RunRequested

    from .pieces import Activity, ToolCall

PATIENCE = 30.0  # seconds for which a command that is refused for a moment is tried again
PAUSE = 1.0  # seconds before it is, where the refusal does not say
# Seconds after which a question is asked again: a conversation that has crashed has forgotten it, and one that hears
# nothing of a run ends it
ASK_AGAIN = 10.0
LABEL_LENGTH = 200  # characters, as the wire has it
ARGUMENTS_LENGTH = 4096  # characters of a call's arguments that people are shown

logger = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """How an answer ended: as complete without a reason."""

    reason: FailureReason | None = None
    retry_after: float | None = None


class Waiting(NamedTuple):
    """A tool call that waits for a person."""

    approval_id: str
    decided: trio.Event


class Answer:
    """The answer to one request, in one conversation."""

    def __init__(
        self, directory: Directory, who: Participant, conversation_id: str, run_id: str
    ) -> None:
        self.conversation_id = conversation_id
        self.run_id = run_id
        self._directory = directory
        self._who = who
        self._speech = Speech()
        self._waiting: Waiting | None = None
        self._decision: ApprovalDecided | None = None

    @property
    def text(self) -> str:
        """All that was said."""
        return self._speech.text

    async def begin(self, request: RunRequested) -> bool:
        """Start the run. False where there is none to fill: refused for good, or ended."""
        start = StartRun(self.conversation_id, self._who, self.run_id, request.message_id)
        receipt = await self._do(start, patience=float("inf"))
        return not isinstance(receipt, Refusal) and receipt.status == "open"

    async def say(self, piece: str) -> Refusal | None:
        """Say more, as fast as the conversation takes it; a refusal is for good."""
        text, offset = self._speech.take(piece)
        if not text:
            return None
        said = await self._extend(offset, text)
        if isinstance(said, Refusal) and said.code is Code.OFFSET_MISMATCH:
            said = await self._say_again(said)
        return said if isinstance(said, Refusal) else None

    async def show(self, activity: Activity) -> None:
        """Show what the agent is doing."""
        label = None if activity.label is None else activity.label[:LABEL_LENGTH]
        where = self.conversation_id, self._who, self.run_id
        await self._do(SetRunState(*where, activity.state, label))

    async def ask(self, call: ToolCall, seconds: float) -> str | None:
        """Ask people to allow a tool call; the id of who has, or None if it is refused or nobody decides in time.

        Its arguments are a JSON object, from `plain_arguments`.
        """
        if len(call.arguments) > ARGUMENTS_LENGTH:
            return None  # nobody can judge what cannot be shown
        # The model's own id may stand for another call of the same answer, which was decided before.
        self._waiting = waiting = Waiting(self._directory.sources.new_id(), trio.Event())
        self._decision = None
        approval = Approval(waiting.approval_id, call.name, call.arguments)
        where = self.conversation_id, self._who, self.run_id
        question = SetRunState(*where, "waiting_for_approval", call.name, approval)
        silence = min(self._directory.limits.run_timeout / 2 or ASK_AGAIN, ASK_AGAIN)
        ends_at = trio.current_time() + seconds
        while not waiting.decided.is_set() and trio.current_time() < ends_at:
            if isinstance(await self._do(question), Refusal):
                break
            with trio.move_on_after(min(silence, ends_at - trio.current_time())):
                await waiting.decided.wait()
        if not waiting.decided.is_set():
            # From here on a decision is refused; one that came before counts.
            await self._do(SetRunState(*where, "thinking"))
        self._waiting = None
        return self._allowed_by()

    def _allowed_by(self) -> str | None:
        decision = self._decision
        return decision.participant_id if decision is not None and decision.approved else None

    def decided(self, decision: ApprovalDecided) -> None:
        """Take a person's decision."""
        if self._waiting is not None and self._waiting.approval_id == decision.approval_id:
            self._decision = decision
            self._waiting.decided.set()

    async def end(self, outcome: Outcome, **fields: Any) -> None:
        """End the run. A complete one has all that was said. `fields` are `usage`, `metadata` and `results`, as JSON values."""
        whole = outcome.reason is None
        end = EndRun(
            self.conversation_id,
            self._who,
            self.run_id,
            "complete" if whole else "interrupted",
            offset=len(self._speech.text) if whole else None,
            reason=outcome.reason,
            retry_after=outcome.retry_after,
            **{name: compact(value) for name, value in fields.items() if value},
        )
        ended = await self._do(end)
        if isinstance(ended, Refusal) and ended.code is Code.OFFSET_MISMATCH:
            await self._say_again(ended)
            await self._do(end)

    async def _extend(self, offset: int, text: str) -> Any:
        return await self._do(ExtendRun(self.conversation_id, self._who, self.run_id, offset, text))

    async def _say_again(self, refusal: Refusal) -> Any:
        """Say what a conversation has lost that crashed with text that was not stored yet."""
        offset = int((refusal.facts or {}).get("expected_offset", 0))
        return await self._extend(offset, self._speech.text[offset:])

    async def _do(self, command: RunCommand, patience: float = PATIENCE) -> Any:
        """The outcome of a command, sent through the agent's own actor; what is refused for a moment is tried again."""
        gives_up_at = trio.current_time() + patience
        while True:
            outcome = await self._directory.ask(command.sender.id, command)
            if not isinstance(outcome, Refusal):
                return outcome
            wait = PAUSE if outcome.retry_after is None else outcome.retry_after
            again = outcome.reason.temporary and outcome.code is not Code.DRAINING
            if not again or trio.current_time() + wait > gives_up_at:
                logger.info("agent %s was refused: %s", command.sender.id, outcome.code)
                return outcome
            await trio.sleep(wait)
