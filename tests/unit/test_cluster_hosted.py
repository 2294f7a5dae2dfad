"""Hosted agents on several nodes: an answer goes on where it was begun, whoever owns its conversation by then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock

from salon.actors.cluster.view import Node, View, owner_of
from salon.actors.events import Posted, RunFailed, RunStarted
from salon.actors.run_messages import CancelRun, DecideApproval
from salon.web.agents import HostedAgents
from salon.web.agents.tools_agent import ToolsAgent
from salon.web.settings import AgentSettings, ToolSettings
from tests.unit.cluster_engine import EngineCluster, EngineNode, open_cluster
from tests.unit.engine import ADA
from tests.unit.test_hosted import COOK, LIMITS, Handy, Slow, Wrench, answers

WORDS = [f"word{n} " for n in range(10)]


class Kitchen:
    """Nodes that each host the same agent. `models` has what answers, by the name of its node."""

    def __init__(self, cluster: EngineCluster, tools: Wrench | None) -> None:
        self.cluster = cluster
        self.models: dict[str, Slow] = {}
        self._tools = tools

    async def add(self, name: str) -> EngineNode:
        """One more node that hosts it."""
        return await self.cluster.add(name, self.host)

    async def host(self, node: EngineNode) -> None:
        """Have the agent hosted at a node."""
        name = node.node.node.name
        fields = {"id": "cook", "name": "Cook", "kind": "echo"}
        model = self.models[name] = Slow(*WORDS) if self._tools is None else Handy()
        agents = []
        if self._tools is not None:
            box = {"id": "wrench", "name": "Wrench", "kind": "mcp", "endpoint": "http://h/mcp"}
            tools = ToolsAgent(self._tools, ToolSettings(mcp="wrench"))
            agents.append((AgentSettings.model_validate(box), tools))
            fields |= {"kind": "openai", "endpoint": "http://h/v1", "model": "m"}
            settings = AgentSettings.model_validate({**fields, "tools": [{"mcp": "wrench"}]})
        else:
            settings = AgentSettings.model_validate(fields)
        hosted = HostedAgents(node.directory, [(settings, model), *agents])
        await self.cluster.nursery.start(hosted.run)
        node.directory.agent_host = hosted

    async def talk(self) -> str:
        """A conversation of node `one` that node `three` owns once it has joined."""
        one = self.cluster.nodes["one"]
        view = self.cluster.store.view()
        then = View(0, (*view.nodes, Node("three-id-1", "", "")))
        while True:
            id = await one.create(ADA, COOK)
            if self.cluster.owner(id) is one and owner_of(then, id) == "three-id-1":
                return id

    @property
    def asked(self) -> int:
        """How often any of them was asked."""
        return sum(len(model.asked) for model in self.models.values())


@asynccontextmanager
async def kitchen(tools: Wrench | None = None) -> AsyncIterator[Kitchen]:
    """Two nodes that host the agent."""
    async with open_cluster("one", "two", limits=LIMITS) as cluster:
        made = Kitchen(cluster, tools)
        for node in cluster.nodes.values():
            await made.host(node)
        yield made


async def test_a_node_that_joins_cuts_no_answer_and_asks_no_agent_again(
    autojump_clock: MockClock,
) -> None:
    async with kitchen() as made:
        id = await made.talk()
        one = made.cluster.nodes["one"]
        await one.post(id, ADA, "first?")
        await one.post(id, ADA, "second?")  # which waits until the first has its answer
        await trio.sleep(3.5)
        three = await made.add("three")
        assert made.cluster.owner(id) is three
        await trio.sleep(30)
        assert answers(one, id) == ["".join(WORDS)] * 2
        assert made.asked == 2
        assert not [each for each in one.log(id) if isinstance(each, RunFailed)]


async def test_an_answer_of_a_killed_node_is_ended_as_it_is_and_its_next_question_is_answered(
    autojump_clock: MockClock,
) -> None:
    async with kitchen() as made:
        id = await made.talk()
        one = made.cluster.nodes["one"]
        await one.post(id, ADA, "first?")
        await one.post(id, ADA, "second?")
        await trio.sleep(3.5)
        await made.add("three")
        del made.cluster.nodes["one"]
        one.kill()
        one.directory.agent_host.leave(id, COOK.id)
        await trio.sleep(30)
        first, second = (
            event
            for event in made.cluster.log(id)
            if isinstance(event, Posted) and event.run_id is not None
        )
        assert first.status == "interrupted"
        assert "".join(WORDS).startswith(first.content)
        assert (second.status, second.content) == ("complete", "".join(WORDS))
        began = [event for event in made.cluster.log(id) if isinstance(event, RunStarted)]
        assert len(began) == 2


async def test_a_cancel_reaches_the_node_that_works_on_the_answer(
    autojump_clock: MockClock,
) -> None:
    async with kitchen() as made:
        id = await made.talk()
        one = made.cluster.nodes["one"]
        made.models["one"].pause = 20  # it says nothing by which it could hear of it
        await one.post(id, ADA, "first?")
        await made.add("three")
        await trio.sleep(5)
        (run_id,) = made.cluster.owner(id).conversation(id).state.runs  # type: ignore[union-attr]
        assert made.models["one"].open == 1
        await one.do(CancelRun(id, ADA, run_id))
        await made.cluster.settle()
        assert made.models["one"].open == 0
        assert made.asked == 1


async def test_a_decision_reaches_the_node_that_waits_to_call_a_tool(
    autojump_clock: MockClock,
) -> None:
    wrench = Wrench()
    async with kitchen(wrench) as made:
        id = await made.talk()
        one = made.cluster.nodes["one"]
        await one.post(id, ADA, "turn it")
        await trio.sleep(1)
        three = await made.add("three")
        await trio.sleep(20)  # it asks again, since the new owner has not heard it
        state = three.conversation(id).state
        assert state is not None
        (run,) = state.runs.values()
        assert run.approval is not None
        await three.do(DecideApproval(id, ADA, run.id, run.approval.id, True))
        await trio.sleep(1)
        assert wrench.calls == [{"way": "left"}]
        assert answers(one, id) == ['{"result": "turned"}']
