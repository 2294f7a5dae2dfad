"""Hosted agents and the engine: whatever the store does, each question has one answer, and nobody starves the others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import MockClock

from salon.actors.events import AgentUpdated, Posted, RunFailed, RunStarted
from salon.actors.limits import Limits
from salon.actors.model import Participant
from salon.actors.requests import OPEN_REQUESTS
from salon.actors.signals import RunRequested
from salon.web.agents import HostedAgents, Prompt
from salon.web.settings import AgentSettings

from .engine import ADA, BEN, Engine, open_engine

COOK = Participant("cook", "Cook", "agent")
LIMITS = Limits(run_grace=30, run_timeout=300, open_runs=3, message_rate=0)


class Slow:
    """Says what it is told after some time, and counts."""

    def __init__(self, *words: str, pause: float = 1.0) -> None:
        self.words, self.pause = words, pause
        self.asked: list[str] = []
        self.open = 0

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | dict[str, Any]]:
        self.asked.append(prompt.asked)
        self.open += 1
        try:
            for word in self.words:
                await trio.sleep(self.pause)
                yield word
        finally:
            self.open -= 1

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def hosting(
    upstream: Slow, kind: type[HostedAgents] = HostedAgents, **settings: Any
) -> AsyncIterator[Engine]:
    """An engine with one hosted agent."""
    agent = {"id": "cook", "name": "Cook", "kind": "echo", **settings}
    async with open_engine(LIMITS) as engine, trio.open_nursery() as nursery:
        hosted = kind(engine.directory, [(AgentSettings.model_validate(agent), upstream)])
        engine.directory.agent_host = hosted
        await nursery.start(hosted.run)
        yield engine
        nursery.cancel_scope.cancel()


def answers(engine: Engine, talk: str) -> list[str]:
    """What the agent has said, and why it has failed."""
    said = []
    for event in engine.log(talk):
        if isinstance(event, Posted) and event.run_id:
            said.append(event.content)
        elif isinstance(event, RunFailed):
            said.append(event.reason)
    return said


async def test_a_start_that_was_stored_and_reported_as_failed_is_answered_all_the_same(
    autojump_clock: MockClock,
) -> None:
    class Lied(HostedAgents):
        def ask(self, conversation_id: str, agent_id: str, request: RunRequested) -> bool:
            if not upstream.asked:
                engine.store.fail("append", afterwards=True)
            return super().ask(conversation_id, agent_id, request)

    upstream = Slow("yes")
    async with hosting(upstream, Lied) as engine:
        talk = await engine.create(ADA, COOK)
        await engine.post(talk, ADA, "hello?")
        await trio.sleep(10)
        assert answers(engine, talk) == ["yes"]
        assert sum(isinstance(event, RunStarted) for event in engine.log(talk)) == 1


async def test_what_a_crash_has_lost_of_an_answer_is_said_again(autojump_clock: MockClock) -> None:
    async with hosting(Slow("one ", "two ", "three", pause=0.3)) as engine:
        talk = await engine.create(ADA, COOK)
        await engine.post(talk, ADA, "hello?")
        await trio.sleep(0.5)
        actor = engine.conversation(talk)
        actor.agents._kept = {}
        actor.state = None  # as after a failure, but what was said is gone
        await trio.sleep(10)
        assert answers(engine, talk) == ["one two three"]


async def test_an_agent_that_leaves_stops_at_once(autojump_clock: MockClock) -> None:
    upstream = Slow("never", pause=100)
    async with hosting(upstream) as engine:
        talk = await engine.create(ADA, COOK)
        await engine.post(talk, ADA, "one")
        await engine.post(talk, ADA, "two")
        await trio.sleep(1)
        assert upstream.open == 1
        await engine.leave(talk, COOK)
        await engine.settle()
        assert upstream.open == 0
        await trio.sleep(300)
        assert upstream.asked == ["one"]


async def test_one_conversation_that_asks_much_takes_no_place_of_another(
    autojump_clock: MockClock,
) -> None:
    upstream = Slow("yes")
    async with hosting(upstream, limits={"runs": 1, "waiting": 1}) as engine:
        greedy, other = await engine.create(ADA, COOK), await engine.create(BEN, COOK)
        for number in range(3 * OPEN_REQUESTS):
            await engine.post(greedy, ADA, str(number))
        await engine.post(other, BEN, "mine")
        await trio.sleep(200)
        assert answers(engine, other) == ["yes"]
        assert upstream.asked.index("mine") <= 2
        said = answers(engine, greedy)
        assert set(said) == {"yes", "budget"}
        assert said.count("yes") == OPEN_REQUESTS


async def test_how_an_agent_answers_is_recorded_with_its_coming(autojump_clock: MockClock) -> None:
    async with hosting(Slow(), trigger="mention", agents_may_call=2) as engine:
        talk = await engine.create(ADA, BEN, COOK)
        (updated,) = (event for event in engine.log(talk) if isinstance(event, AgentUpdated))
        assert (updated.participant_id, updated.by) == ("cook", "ada")
        assert (updated.trigger, updated.agents_may_call) == ("mention", 2)
        engine.restart()
        assert engine.log(talk)[-1] == updated
