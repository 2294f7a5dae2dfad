"""The hosted agents at work: what is asked is answered one at a time in each conversation, in tasks of their own."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import trio

from salon.actors.runtime import ActorDied
from salon.actors.store import StoreError

from ..settings import ToolSettings
from .answer import PAUSE, Answer, Outcome
from .budget import Ledger
from .endpoint import Endpoint
from .job import Job
from .member import HostedAgent
from .tools_agent import ToolsAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence

    from salon.actors.agent_host import Answering
    from salon.actors.directory import Directory
    from salon.actors.model import Participant
    from salon.actors.signals import ApprovalDecided, RunRequested

    from ..settings import AgentSettings
    from .toolbox import ToolServer
    from .upstream import Upstream

BUSY_RETRY = 30.0  # seconds after which people may ask again an agent that has too much to do

logger = logging.getLogger(__name__)


class Work(NamedTuple):
    """What is being done for a run, and how it is stopped."""

    agent_id: str
    scope: trio.CancelScope
    job: Job


class HostedAgents:
    """The `AgentHost` of a server. `run` has to run; until then nothing is answered."""

    def __init__(
        self, directory: Directory, agents: Sequence[tuple[AgentSettings, Upstream]]
    ) -> None:
        self.ledger = Ledger(directory.store, directory.sources)
        self._directory = directory
        self._agents: dict[str, HostedAgent] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._keepers: dict[str, trio.CancelScope] = {}  # of tools' sessions, by the agent's id
        self._work: dict[tuple[str, str], Work] = {}  # by conversation and run
        self._nursery: trio.Nursery | None = None
        for settings, upstream in agents:
            self.add(settings, upstream)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                for agent in self._agents.values():
                    self._keep(agent)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            with trio.move_on_after(PAUSE, shield=True):
                for agent in self._agents.values():
                    await agent.upstream.close()

    # --- the agents -------------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[HostedAgent]:
        return iter(self._agents.values())

    def get(self, agent_id: str) -> HostedAgent | None:
        """The agent with an id."""
        return self._agents.get(agent_id)

    def jobs(self) -> Iterator[Job]:
        """What is being worked on, or waits."""
        return (work.job for work in self._work.values())

    def add(
        self, settings: AgentSettings, upstream: Upstream, *, added: bool = False
    ) -> HostedAgent:
        """Host an agent, which the configuration has, or an operator has `added`; one with its id must have been removed."""
        limits = settings.limits
        endpoint = self._endpoints.setdefault(
            settings.endpoint or settings.id, Endpoint(limits.runs, limits.failures, limits.pause)
        )
        endpoint.allow(limits.runs)
        agent = HostedAgent(settings, upstream, endpoint, added=added)
        self._agents[settings.id] = agent
        if self._nursery is not None:
            self._keep(agent)
        return agent

    async def remove(self, agent_id: str) -> None:
        """Stop hosting an agent: what it works on is interrupted."""
        agent = self._agents.pop(agent_id)
        hosts = self._agents.values()
        if not any(each.endpoint is agent.endpoint for each in hosts):
            del self._endpoints[agent.settings.endpoint or agent_id]
        if agent_id in self._keepers:
            self._keepers.pop(agent_id).cancel()
        stopped = [work for work in self._work.values() if work.agent_id == agent_id]
        for work in stopped:  # all before the first wait: what waits for its turn would begin
            work.scope.cancel()
        async with trio.open_nursery() as nursery:
            for work in stopped:
                nursery.start_soon(work.job.fail, Outcome("interrupted"))
        await agent.upstream.close()

    def _keep(self, agent: HostedAgent) -> None:
        if isinstance(agent.upstream, ToolsAgent):
            assert self._nursery is not None, "it runs"
            scope = self._keepers[agent.settings.id] = trio.CancelScope()
            self._nursery.start_soon(_run_in, scope, agent.upstream.server.run)

    def servers_of(self, settings: AgentSettings) -> list[tuple[ToolSettings, ToolServer]]:
        """The servers whose tools an agent may use now."""
        own = [ToolSettings(mcp=settings.id, allow=("*",))] if settings.kind == "mcp" else []
        return [
            (tools, agent.upstream.server)
            for tools in (*own, *settings.tools)
            if (agent := self._agents.get(tools.mcp)) is not None
            and isinstance(agent.upstream, ToolsAgent)
        ]

    # --- what conversations ask -------------------------------------------------------------------------------------------

    def defaults(self) -> Sequence[Participant]:
        """The agents that are members of each conversation that is created with AI."""
        return [each.settings.participant for each in self if each.settings.default]

    def participant(self, agent_id: str) -> Participant | None:
        """An agent as conversations show it; None for all whom this server does not host."""
        agent = self._agents.get(agent_id)
        return None if agent is None else agent.settings.participant

    def answering(self, agent_id: str) -> Answering | None:
        """How an agent begins in a conversation; None for all whom this server does not host."""
        agent = self._agents.get(agent_id)
        return None if agent is None else agent.answering

    def busy(self, conversation_id: str, agent_id: str) -> bool:
        """Whether an agent is at work for a conversation."""
        agent = self._agents.get(agent_id)
        return agent is not None and agent.busy(conversation_id)

    def at_work(self) -> Mapping[str, Collection[Participant]]:
        """The agents that are at work, by the conversation that they work for."""
        found: dict[str, dict[str, Participant]] = {}
        for (conversation_id, _), work in self._work.items():
            agent = self._agents.get(work.agent_id)
            if agent is not None:
                found.setdefault(conversation_id, {})[work.agent_id] = agent.settings.participant
        return {id: tuple(agents.values()) for id, agents in found.items()}

    def ask(self, conversation_id: str, agent_id: str, request: RunRequested) -> bool:
        """Have an agent answer; False where it has too much to do."""
        agent = self._agents.get(agent_id)
        if agent is None or not self._is_new(conversation_id, request.run_id):
            return True
        place = agent.line_up(conversation_id)
        job = self._job(agent, conversation_id, request.run_id)
        self._begin(agent_id, job, partial(self._take, agent, request, job, place))
        return place is not None

    def finish(self, conversation_id: str, agent_id: str, run_id: str) -> None:
        """End a run that is open in the log, unless it is being worked on: a restart has cut it."""
        agent = self._agents.get(agent_id)
        if agent is not None and self._is_new(conversation_id, run_id):
            job = self._job(agent, conversation_id, run_id)
            self._begin(agent_id, job, partial(self._cut, job))

    def cancel(self, conversation_id: str, run_id: str) -> None:
        """Stop the work on a run that was ended by somebody else."""
        work = self._work.get((conversation_id, run_id))
        if work is not None:
            work.job.cancelled = True
            work.scope.cancel()

    def decided(self, conversation_id: str, decision: ApprovalDecided) -> None:
        """Take a person's decision about a tool call that a run waits for."""
        work = self._work.get((conversation_id, decision.run_id))
        if work is not None:
            work.job.answer.decided(decision)

    def leave(self, conversation_id: str, agent_id: str) -> None:
        """Stop all work for a conversation that an agent has left."""
        for (conversation, _), work in self._work.items():
            if (conversation, work.agent_id) == (conversation_id, agent_id):
                work.scope.cancel()

    # --- one answer -------------------------------------------------------------------------------------------------------

    def _is_new(self, conversation_id: str, run_id: str) -> bool:
        return self._nursery is not None and (conversation_id, run_id) not in self._work

    def _job(self, agent: HostedAgent, conversation_id: str, run_id: str) -> Job:
        who = agent.settings.participant
        answer = Answer(self._directory, who, conversation_id, run_id)
        return Job(self._directory, self.ledger, agent, answer, self.servers_of(agent.settings))

    def _begin(self, agent_id: str, job: Job, work: Callable[[], Awaitable[None]]) -> None:
        assert self._nursery is not None, "it was asked for new work only"
        key = job.answer.conversation_id, job.answer.run_id
        self._work[key] = Work(agent_id, trio.CancelScope(), job)
        self._nursery.start_soon(self._do, key, work)

    async def _do(self, key: tuple[str, str], work: Callable[[], Awaitable[None]]) -> None:
        try:
            await _run_in(self._work[key].scope, work)
        finally:
            del self._work[key]

    async def _take(
        self, agent: HostedAgent, request: RunRequested, job: Job, place: trio.Event | None
    ) -> None:
        if place is None:
            if await job.answer.begin(request):
                await job.fail(Outcome("budget", BUSY_RETRY))
            return
        async with agent.turn(job.answer.conversation_id, place):
            if not self._wanted(job.answer.conversation_id, agent.settings.id, request.run_id):
                return
            try:
                await job.make(request)
            except (
                Exception
            ):  # a fault of ours ends one answer, and neither the others nor the server
                logger.exception("agent %s has failed", agent.settings.id)
                await job.fail(Outcome("upstream"))

    async def _cut(self, job: Job) -> None:
        try:
            await job.cut()
        except (StoreError, ActorDied) as error:
            logger.warning("agent %s cannot read what a restart has cut: %s", job.agent_id, error)
            await job.fail(Outcome("interrupted"))

    def _wanted(self, conversation_id: str, agent_id: str, run_id: str) -> bool:
        """Whether a request that has waited still stands; the owner may have told the agent to be silent since."""
        actor = self._directory.active(conversation_id)
        if actor is None or actor.state is None:
            return True
        return any(each.run_id == run_id for each in actor.agents.requests.of(agent_id))


async def _run_in(scope: trio.CancelScope, work: Callable[[], Awaitable[None]]) -> None:
    with scope:
        await work()
