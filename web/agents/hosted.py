"""The hosted agents at work: requests are taken one at a time in each conversation, and answered from the agent's upstream."""

from __future__ import annotations

import json
import logging
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

from salon.actors.agent_host import Answering
from salon.actors.mailbox import MailboxFull
from salon.actors.messages import EndRun, ExtendRun, StartRun
from salon.actors.refusals import Code, Refusal
from salon.actors.runtime import ActorDied
from salon.actors.store import StoreError

from .prompt import prompt_for
from .speech import Speech
from .upstream import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

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


class Post:
    """An agent at its place of work: its settings, its upstream, and what it may do at the same time."""

    def __init__(self, settings: AgentSettings, upstream: Upstream) -> None:
        self.settings = settings
        self.upstream = upstream
        self.answering = Answering(settings.trigger, settings.agents_may_call, settings.steering)
        self.limiter = trio.CapacityLimiter(settings.limits.runs)
        self.tasks = 0  # answers that are being made or wait
        self._turns: dict[
            str, list[trio.Event]
        ] = {}  # those at work in a conversation, the first speaks

    def busy(self, conversation_id: str) -> bool:
        """Whether it has something to do there."""
        return conversation_id in self._turns

    @asynccontextmanager
    async def turn(self, conversation_id: str) -> AsyncIterator[None]:
        """Wait until it has answered what it was asked before in the conversation, then for one of its places."""
        queue = self._turns.setdefault(conversation_id, [])
        mine = trio.Event()
        queue.append(mine)
        try:
            if queue[0] is not mine:
                await mine.wait()
            async with self.limiter:
                yield
        finally:
            queue.remove(mine)
            if queue:
                queue[0].set()
            else:
                del self._turns[conversation_id]


class HostedAgents:
    """The `AgentHost` of a server. `run` has to run; until then nothing is answered."""

    def __init__(
        self, directory: Directory, agents: Sequence[tuple[AgentSettings, Upstream]]
    ) -> None:
        self._directory = directory
        self._posts: Mapping[str, Post] = {agent.id: Post(agent, up) for agent, up in agents}
        self._scopes: dict[str, trio.CancelScope] = {}  # by run id
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            with trio.move_on_after(PAUSE, shield=True):
                for post in self._posts.values():
                    await post.upstream.close()

    def answering(self, agent_id: str) -> Answering | None:
        """How an agent begins in a conversation; None for all whom this server does not host."""
        post = self._posts.get(agent_id)
        return None if post is None else post.answering

    def busy(self, conversation_id: str, agent_id: str) -> bool:
        """Whether an agent is at work for a conversation."""
        post = self._posts.get(agent_id)
        return post is not None and post.busy(conversation_id)

    def ask(self, conversation_id: str, agent_id: str, request: RunRequested) -> None:
        """Have an agent answer. The same request again changes nothing while it is being answered."""
        post = self._posts.get(agent_id)
        if post is None or self._nursery is None or request.run_id in self._scopes:
            return
        scope = self._scopes[request.run_id] = trio.CancelScope()
        self._nursery.start_soon(self._take, post, conversation_id, request, scope)

    def cancel(self, run_id: str) -> None:
        """Stop the work on a run that was ended by somebody else."""
        scope = self._scopes.get(run_id)
        if scope is not None:
            scope.cancel()

    # --- one answer -------------------------------------------------------------------------------------------------------

    async def _take(
        self, post: Post, conversation_id: str, request: RunRequested, scope: trio.CancelScope
    ) -> None:
        settings = post.settings
        post.tasks += 1
        try:
            with scope:
                if post.tasks > settings.limits.runs + settings.limits.waiting:
                    if await self._begin(settings, conversation_id, request):
                        outcome = Outcome("budget", BUSY_RETRY)
                        await self._end(settings, conversation_id, request.run_id, outcome)
                    return
                async with post.turn(conversation_id):
                    await self._answer(post, conversation_id, request)
        except Exception:  # a fault of ours ends one answer, and neither the others nor the server
            logger.exception("agent %s has failed in %s", settings.id, conversation_id)
            outcome = Outcome("upstream")
            await self._end(settings, conversation_id, request.run_id, outcome)
        finally:
            post.tasks -= 1
            del self._scopes[request.run_id]

    async def _answer(self, post: Post, conversation_id: str, request: RunRequested) -> None:
        settings, run_id = post.settings, request.run_id
        if not await self._begin(settings, conversation_id, request):
            return
        speech = Speech()
        outcome = Outcome("timeout")
        with trio.move_on_after(settings.first_word_timeout) as scope:
            ends_at = trio.current_time() + settings.timeout
            try:
                prompt = await prompt_for(self._directory, conversation_id, settings, request)
                if prompt is None:
                    outcome = Outcome("upstream")
                else:
                    outcome = await self._speak(
                        post, conversation_id, run_id, prompt, speech, scope, ends_at
                    )
            except UpstreamError as error:
                logger.warning("agent %s: the upstream has failed: %s", settings.id, error)
                outcome = Outcome("upstream", error.retry_after)
            except (StoreError, ActorDied) as error:
                logger.warning(
                    "agent %s could not read %s: %s", settings.id, conversation_id, error
                )
                outcome = Outcome("upstream", PAUSE)
        await self._end(settings, conversation_id, run_id, outcome)

    async def _speak(
        self,
        post: Post,
        conversation_id: str,
        run_id: str,
        prompt: Prompt,
        speech: Speech,
        scope: trio.CancelScope,
        ends_at: float,
    ) -> Outcome:
        """Say what the upstream says, as fast as the conversation takes it."""
        who, usage = post.settings.participant, None
        async with aclosing(post.upstream.stream(prompt)) as pieces:
            async for piece in pieces:
                if isinstance(piece, dict):
                    usage = piece
                    continue
                text, offset = speech.take(piece)
                if not text:
                    continue
                scope.deadline = ends_at
                said = await self._do(ExtendRun(conversation_id, who, run_id, offset, text))
                if isinstance(said, Refusal):
                    return Outcome("budget" if said.code is Code.MESSAGE_TOO_LARGE else "upstream")
        return Outcome(usage=usage)

    async def _begin(
        self, agent: AgentSettings, conversation_id: str, request: RunRequested
    ) -> bool:
        """Start the run. False where there is none to fill: refused, ended, or open since before a restart."""
        start = StartRun(conversation_id, agent.participant, request.run_id, request.message_id)
        receipt = await self._do(start)
        if isinstance(receipt, Refusal) or receipt.status != "open":
            return False
        if receipt.duplicate:
            await self._end(agent, conversation_id, request.run_id, Outcome("interrupted"))
        return not receipt.duplicate

    async def _end(
        self, agent: AgentSettings, conversation_id: str, run_id: str, outcome: Outcome
    ) -> None:
        await self._do(
            EndRun(
                conversation_id,
                agent.participant,
                run_id,
                "complete" if outcome.reason is None else "interrupted",
                usage=None if outcome.usage is None else json.dumps(outcome.usage),
                reason=outcome.reason,
                retry_after=outcome.retry_after,
            )
        )

    async def _do(self, command: RunCommand) -> Any:
        """The outcome of a command, sent through the agent's own actor; what is refused for a moment is tried again."""
        gives_up_at = trio.current_time() + PATIENCE
        while True:
            try:
                outcome = await self._directory.participant(command.sender.id).ask(command)
            except MailboxFull as full:
                outcome = Refusal(Code.QUEUE_FULL, retry_after=full.retry_after)
            except ActorDied:
                outcome = Refusal(Code.INTERNAL_ERROR, retry_after=PAUSE)
            if not isinstance(outcome, Refusal):
                return outcome
            wait = PAUSE if outcome.retry_after is None else outcome.retry_after
            again = outcome.reason.temporary and outcome.code is not Code.DRAINING
            if not again or trio.current_time() + wait > gives_up_at:
                logger.info("agent %s was refused: %s", command.sender.id, outcome.code)
                return outcome
            await trio.sleep(wait)
