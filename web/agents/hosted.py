"""The hosted agents at work: what is asked is answered one at a time in each conversation, in tasks of their own."""

from __future__ import annotations

import logging
from collections import deque
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from salon.actors.agent_host import Answering
from salon.actors.requests import OPEN_REQUESTS

from .answer import PAUSE, Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from salon.actors.directory import Directory
    from salon.actors.signals import ApprovalDecided, RunRequested

    from ..settings import AgentSettings
    from .upstream import Upstream

logger = logging.getLogger(__name__)


class HostedAgent:
    """One hosted agent: its settings, its upstream, and what it may do at the same time."""

    def __init__(self, settings: AgentSettings, upstream: Upstream) -> None:
        self.settings = settings
        self.upstream = upstream
        self.answering = Answering(settings.trigger, settings.agents_may_call, settings.steering)
        self._limiter = trio.CapacityLimiter(settings.limits.runs)
        # By conversation: what has to be answered there, the first of it now
        self._queues: dict[str, deque[trio.Event]] = {}

    def busy(self, conversation_id: str) -> bool:
        """Whether it has something to do there."""
        return conversation_id in self._queues

    def line_up(self, conversation_id: str) -> trio.Event | None:
        """The next place in a conversation's queue, in the order of asking; None if it has too much to do already."""
        queue, limits = self._queues.get(conversation_id), self.settings.limits
        if queue is None:
            if len(self._queues) >= limits.runs + limits.waiting:
                return None
            queue = self._queues[conversation_id] = deque()
        elif len(queue) >= OPEN_REQUESTS:
            return None
        mine = trio.Event()
        queue.append(mine)
        queue[0].set()
        return mine

    @asynccontextmanager
    async def turn(self, conversation_id: str, mine: trio.Event) -> AsyncIterator[None]:
        """Wait until it has answered what it was asked before in the conversation, then for one of its places."""
        queue = self._queues[conversation_id]
        try:
            await mine.wait()
            async with self._limiter:
                yield
        finally:
            queue.remove(mine)
            if queue:
                queue[0].set()
            else:
                del self._queues[conversation_id]


class HostedAgents:
    """The `AgentHost` of a server. `run` has to run; until then nothing is answered."""

    def __init__(
        self, directory: Directory, agents: Sequence[tuple[AgentSettings, Upstream]]
    ) -> None:
        self._directory = directory
        self._agents: Mapping[str, HostedAgent] = {
            each.id: HostedAgent(each, up) for each, up in agents
        }
        # By conversation and run: whose work it is, and how it is stopped
        self._work: dict[tuple[str, str], tuple[str, trio.CancelScope]] = {}
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
                for agent in self._agents.values():
                    await agent.upstream.close()

    def answering(self, agent_id: str) -> Answering | None:
        """How an agent begins in a conversation; None for all whom this server does not host."""
        agent = self._agents.get(agent_id)
        return None if agent is None else agent.answering

    def busy(self, conversation_id: str, agent_id: str) -> bool:
        """Whether an agent is at work for a conversation."""
        agent = self._agents.get(agent_id)
        return agent is not None and agent.busy(conversation_id)

    def ask(self, conversation_id: str, agent_id: str, request: RunRequested) -> bool:
        """Have an agent answer; False where it has too much to do."""
        agent = self._agents.get(agent_id)
        if agent is None or not self._is_new(conversation_id, request.run_id):
            return True
        answer = self._answer(agent, conversation_id, request.run_id)
        place = agent.line_up(conversation_id)
        work = partial(self._take, agent, conversation_id, request, answer, place)
        self._begin(conversation_id, agent_id, request.run_id, work)
        return place is not None

    def finish(self, conversation_id: str, agent_id: str, run_id: str) -> None:
        """End a run that is open in the log, unless it is being worked on: a restart has cut it."""
        agent = self._agents.get(agent_id)
        if agent is not None and self._is_new(conversation_id, run_id):
            work = partial(self._answer(agent, conversation_id, run_id).end, Outcome("interrupted"))
            self._begin(conversation_id, agent_id, run_id, work)

    def cancel(self, conversation_id: str, run_id: str) -> None:
        """Stop the work on a run that was ended by somebody else."""
        if (conversation_id, run_id) in self._work:
            self._work[conversation_id, run_id][1].cancel()

    def decided(self, conversation_id: str, decision: ApprovalDecided) -> None:
        """Take a person's decision about a tool call that a run waits for."""
        key = conversation_id, decision.run_id
        if key in self._work:
            self._work[key][2].decided(decision)

    def leave(self, conversation_id: str, agent_id: str) -> None:
        """Stop all work for a conversation that an agent has left."""
        if agent_id in self._agents:
            for (conversation, _), (whose, scope) in self._work.items():
                if (conversation, whose) == (conversation_id, agent_id):
                    scope.cancel()

    # --- one answer -------------------------------------------------------------------------------------------------------

    def _is_new(self, conversation_id: str, run_id: str) -> bool:
        return self._nursery is not None and (conversation_id, run_id) not in self._work

    def _answer(self, agent: HostedAgent, conversation_id: str, run_id: str) -> Answer:
        return Answer(self._directory, agent.settings, conversation_id, run_id)

    def _begin(
        self,
        conversation_id: str,
        agent_id: str,
        run_id: str,
        work: Callable[[], Awaitable[None]],
    ) -> None:
        assert self._nursery is not None, "it was asked for new work only"
        key, scope = (conversation_id, run_id), trio.CancelScope()
        self._work[key] = agent_id, scope
        self._nursery.start_soon(self._do, key, work, scope)

    async def _do(
        self, key: tuple[str, str], work: Callable[[], Awaitable[None]], scope: trio.CancelScope
    ) -> None:
        try:
            with scope:
                await work()
        finally:
            del self._work[key]

    async def _take(
        self,
        agent: HostedAgent,
        conversation_id: str,
        request: RunRequested,
        answer: Answer,
        place: trio.Event | None,
    ) -> None:
        if place is None:
            await answer.refuse(request)
            return
        async with agent.turn(conversation_id, place):
            if not self._wanted(conversation_id, agent.settings.id, request.run_id):
                return
            try:
                await answer.make(request, agent.upstream)
            except (
                Exception
            ):  # a fault of ours ends one answer, and neither the others nor the server
                logger.exception("agent %s has failed", agent.settings.id)
                await answer.end(Outcome("upstream"))

    def _wanted(self, conversation_id: str, agent_id: str, run_id: str) -> bool:
        """Whether a request that has waited still stands; the owner may have told the agent to be silent since."""
        actor = self._directory.active(conversation_id)
        if actor is None or actor.state is None:
            return True
        return any(each.run_id == run_id for each in actor.agents.requests.of(agent_id))
