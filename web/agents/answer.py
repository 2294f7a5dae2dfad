"""One answer of a hosted agent: the run is begun, filled from the upstream, and ended, whatever happens on the way."""

from __future__ import annotations

import json
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

from salon.actors.messages import EndRun, ExtendRun, StartRun
from salon.actors.refusals import Code, Refusal
from salon.actors.runtime import ActorDied
from salon.actors.store import StoreError

from .prompt import prompt_for
from .speech import Speech
from .upstream import UpstreamError

if TYPE_CHECKING:
    from salon.actors.directory import Directory
    from salon.actors.messages import RunCommand
    from salon.actors.model import FailureReason
    from salon.actors.signals import RunRequested

    from ..settings import AgentSettings
    from .prompt import Prompt
    from .upstream import Upstream

PATIENCE = 30.0  # seconds for which a command that is refused for a moment is tried again
PAUSE = 1.0  # seconds before it is, where the refusal does not say
BUSY_RETRY = 30.0  # seconds after which people may ask again an agent that has too much to do

logger = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """How an answer ended: as complete without a reason."""

    reason: FailureReason | None = None
    retry_after: float | None = None
    usage: dict[str, Any] | None = None


class Answer:
    """The answer to one request, in one conversation."""

    def __init__(
        self, directory: Directory, agent: AgentSettings, conversation_id: str, run_id: str
    ) -> None:
        self._directory = directory
        self._agent = agent
        self._conversation_id = conversation_id
        self._run_id = run_id
        self._speech = Speech()

    async def make(self, request: RunRequested, upstream: Upstream) -> None:
        """Answer a request."""
        if not await self._begin(request):
            return
        outcome = Outcome("timeout")
        with trio.move_on_after(self._agent.first_word_timeout) as scope:
            ends_at = trio.current_time() + self._agent.timeout
            try:
                prompt = await prompt_for(
                    self._directory, self._conversation_id, self._agent, request
                )
                if prompt is None:
                    outcome = Outcome("upstream")
                else:
                    outcome = await self._speak(upstream, prompt, scope, ends_at)
            except UpstreamError as error:
                logger.warning("agent %s: the upstream has failed: %s", self._agent.id, error)
                outcome = Outcome("upstream", error.retry_after)
            except (StoreError, ActorDied) as error:
                logger.warning("agent %s cannot read: %s", self._agent.id, error)
                outcome = Outcome("upstream", PAUSE)
        await self.end(outcome)

    async def refuse(self, request: RunRequested) -> None:
        """Say that there is too much to do."""
        if await self._begin(request):
            await self.end(Outcome("budget", BUSY_RETRY))

    async def end(self, outcome: Outcome) -> None:
        """End the run. A complete one has all that was said."""
        whole = outcome.reason is None
        end = EndRun(
            self._conversation_id,
            self._agent.participant,
            self._run_id,
            "complete" if whole else "interrupted",
            offset=len(self._speech.text) if whole else None,
            usage=None if outcome.usage is None else json.dumps(outcome.usage),
            reason=outcome.reason,
            retry_after=outcome.retry_after,
        )
        ended = await self._do(end)
        if isinstance(ended, Refusal) and ended.code is Code.OFFSET_MISMATCH:
            await self._say_again(ended)
            await self._do(end)

    async def _begin(self, request: RunRequested) -> bool:
        """Start the run. False where there is none to fill: refused for good, or ended."""
        start = StartRun(
            self._conversation_id, self._agent.participant, self._run_id, request.message_id
        )
        receipt = await self._do(start, patience=float("inf"))
        return not isinstance(receipt, Refusal) and receipt.status == "open"

    async def _speak(
        self, upstream: Upstream, prompt: Prompt, scope: trio.CancelScope, ends_at: float
    ) -> Outcome:
        """Say what the upstream says, as fast as the conversation takes it."""
        usage = None
        async with aclosing(upstream.stream(prompt)) as pieces:
            async for piece in pieces:
                if isinstance(piece, dict):
                    usage = piece
                    continue
                if not isinstance(piece, str):
                    scope.deadline = ends_at
                    continue
                text, offset = self._speech.take(piece)
                if not text:
                    continue
                scope.deadline = ends_at
                said = await self._say(offset, text)
                if isinstance(said, Refusal) and said.code is Code.OFFSET_MISMATCH:
                    said = await self._say_again(said)
                if isinstance(said, Refusal):
                    return Outcome("budget" if said.code is Code.MESSAGE_TOO_LARGE else "upstream")
        return Outcome(usage=usage)

    async def _say(self, offset: int, text: str) -> Any:
        who = self._agent.participant
        return await self._do(ExtendRun(self._conversation_id, who, self._run_id, offset, text))

    async def _say_again(self, refusal: Refusal) -> Any:
        """Say what a conversation has lost that crashed with text that was not stored yet."""
        offset = int((refusal.facts or {}).get("expected_offset", 0))
        return await self._say(offset, self._speech.text[offset:])

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
