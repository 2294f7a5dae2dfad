"""Hosted agents and the engine: whatever the store does, each question has one answer, and nobody starves the others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from salon.actors.change_messages import DeleteMessage
from salon.actors.events import AgentUpdated, Posted, RunFailed, RunStarted
from salon.actors.limits import Limits
from salon.actors.model import Participant
from salon.actors.refusals import Code
from salon.actors.requests import OPEN_REQUESTS
from salon.actors.run_messages import CancelRun, DecideApproval
from salon.actors.signals import RunRequested
from salon.web.agents import HostedAgents, Prompt
from salon.web.agents.answer import ARGUMENTS_LENGTH, ASK_AGAIN
from salon.web.agents.pieces import Offer, ToolCall
from salon.web.agents.tool_use import CALLS
from salon.web.agents.toolbox import ToolResult
from salon.web.agents.tools_agent import ToolsAgent
from salon.web.settings import AgentSettings, ToolSettings

from .engine import ADA, BEN, Engine, open_engine, refused

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


# --- tools ----------------------------------------------------------------------------------------------------------------


class Wrench:
    """A server with one tool, which takes its time."""

    def __init__(self, pause: float = 0) -> None:
        self.pause = pause
        self.calls: list[Mapping[str, Any]] = []

    async def run(self) -> None:
        """There is no session."""
        await trio.sleep_forever()

    async def tools(self) -> list[Offer]:
        return [Offer("turn", "Turns a screw.", {})]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        await trio.sleep(self.pause)
        self.calls.append(arguments)
        return ToolResult("turned")


class Handy(Slow):
    """Calls the tool, so often, and then says what it has given."""

    def __init__(self, calls: int = 1, at_once: int = 1) -> None:
        super().__init__()
        self.calls, self.at_once = calls, at_once
        self.rounds: list[int] = []
        self.told: list[str] = []

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Any]:
        self.rounds.append(len(prompt.rounds))
        self.told.append("\n".join(each.text for each in prompt.messages))
        if prompt.tools and len(prompt.rounds) < self.calls:
            for number in range(self.at_once):
                yield ToolCall(f"c{len(prompt.rounds)}.{number}", "turn", '{"way": "left"}')
        else:
            yield " ".join(result for made in prompt.rounds for result in made.results) or "nothing"


@asynccontextmanager
async def workshop(model: Handy, wrench: Wrench, **settings: Any) -> AsyncIterator[Engine]:
    """An engine with a hosted model that may use the wrench."""
    fields = {"id": "cook", "name": "Cook", "kind": "openai", "endpoint": "http://h/v1"}
    cook = {**fields, "model": "m", "tools": [{"mcp": "wrench"}], **settings}
    box = {"id": "wrench", "name": "Wrench", "kind": "mcp", "endpoint": "http://h/mcp"}
    agents = [AgentSettings.model_validate(each) for each in (cook, box)]
    async with open_engine(LIMITS) as engine, trio.open_nursery() as nursery:
        tools = ToolsAgent(wrench, ToolSettings(mcp="wrench"))
        hosted = HostedAgents(engine.directory, [(agents[0], model), (agents[1], tools)])
        engine.directory.agent_host = hosted
        await nursery.start(hosted.run)
        yield engine
        nursery.cancel_scope.cancel()


async def ask_handy(engine: Engine) -> tuple[str, str]:
    """A conversation whose agent waits for a person, and its run."""
    talk = await engine.create(ADA, COOK)
    await engine.post(talk, ADA, "turn it")
    await engine.settle()
    (run,) = engine.conversation(talk).state.runs.values()
    return talk, run.id


async def decide(engine: Engine, talk: str, run_id: str, *, approved: bool = True) -> None:
    run = engine.conversation(talk).state.runs[run_id]
    assert run.approval is not None
    await engine.do(DecideApproval(talk, ADA, run_id, run.approval.id, approved))


async def test_the_time_in_which_people_decide_is_not_the_answers(
    autojump_clock: MockClock,
) -> None:
    wrench = Wrench()
    times = {"first_word_timeout": 5, "timeout": 10, "approval_timeout": 100}
    async with workshop(Handy(), wrench, **times) as engine:
        talk, run_id = await ask_handy(engine)
        await trio.sleep(60)
        await decide(engine, talk, run_id)
        await trio.sleep(1)
        assert answers(engine, talk) == ['{"result": "turned"}']
        assert wrench.calls == [{"way": "left"}]


async def test_a_tool_has_the_time_of_the_answer_and_no_more(autojump_clock: MockClock) -> None:
    times = {"first_word_timeout": 5, "timeout": 10, "tools": [{"mcp": "wrench", "allow": ["*"]}]}
    async with workshop(Handy(), Wrench(pause=1000), **times) as engine:
        talk, _ = await ask_handy(engine)
        await trio.sleep(20)
        assert answers(engine, talk) == ["timeout"]


async def test_a_model_is_told_nothing_that_was_deleted_while_it_waited_for_a_person(
    autojump_clock: MockClock,
) -> None:
    model = Handy()
    async with workshop(model, Wrench()) as engine:
        talk = await engine.create(ADA, COOK)
        said = await engine.post(talk, ADA, "a secret")
        await engine.settle()
        await trio.sleep(1)
        await engine.do(CancelRun(talk, ADA, next(iter(engine.conversation(talk).state.runs))))
        await engine.post(talk, ADA, "turn it")
        await engine.settle()
        (run,) = engine.conversation(talk).state.runs.values()
        assert "a secret" in model.told[-1]
        await engine.do(DeleteMessage(talk, ADA, said.message_id))
        await decide(engine, talk, run.id)
        await trio.sleep(1)
        assert "a secret" not in model.told[-1]
        assert "turn it" in model.told[-1]
        assert answers(engine, talk)[-1] == '{"result": "turned"}'


async def test_a_question_that_is_deleted_is_answered_no_more(autojump_clock: MockClock) -> None:
    model, wrench = Handy(), Wrench()
    async with workshop(model, wrench) as engine:
        talk = await engine.create(ADA, COOK)
        said = await engine.post(talk, ADA, "turn it")
        await engine.settle()
        (run,) = engine.conversation(talk).state.runs.values()
        await engine.do(DeleteMessage(talk, ADA, said.message_id))
        await decide(engine, talk, run.id)
        await trio.sleep(1)
        assert model.rounds == [0], "it is not told of the result"
        assert answers(engine, talk) == ["cancelled"]


async def test_after_its_time_nobody_has_allowed_it(autojump_clock: MockClock) -> None:
    wrench = Wrench()
    async with workshop(Handy(), wrench, approval_timeout=30) as engine:
        talk, _ = await ask_handy(engine)
        await trio.sleep(29)
        assert answers(engine, talk) == []
        await trio.sleep(2)
        (said,) = answers(engine, talk)
        assert "Nobody has allowed this call" in said
        assert wrench.calls == []


async def test_people_may_take_longer_than_a_run_may_be_silent(autojump_clock: MockClock) -> None:
    wrench = Wrench()
    async with workshop(Handy(), wrench, approval_timeout=10 * LIMITS.run_timeout) as engine:
        talk, run_id = await ask_handy(engine)
        await trio.sleep(9 * LIMITS.run_timeout)
        await decide(engine, talk, run_id)
        await trio.sleep(1)
        assert answers(engine, talk) == ['{"result": "turned"}']


async def test_a_conversation_that_has_crashed_is_asked_for_the_approval_again(
    autojump_clock: MockClock,
) -> None:
    wrench = Wrench()
    async with workshop(Handy(), wrench) as engine:
        talk, run_id = await ask_handy(engine)
        before = engine.conversation(talk)
        before.on_failure()
        await trio.sleep(ASK_AGAIN + 1)
        assert engine.conversation(talk) is not before
        await decide(engine, talk, run_id)
        await trio.sleep(1)
        assert answers(engine, talk) == ['{"result": "turned"}']
        assert len(wrench.calls) == 1


async def test_a_decision_that_comes_too_late_is_refused(autojump_clock: MockClock) -> None:
    async with workshop(Handy(calls=2), Wrench(), approval_timeout=30) as engine:
        talk, run_id = await ask_handy(engine)
        first = engine.conversation(talk).state.runs[run_id].approval
        await trio.sleep(30.01)
        late = await engine.do(DecideApproval(talk, ADA, run_id, first.id, True))
        refused(late, Code.APPROVAL_NOT_FOUND)


async def test_each_call_is_allowed_by_itself(autojump_clock: MockClock) -> None:
    wrench = Wrench()
    async with workshop(Handy(at_once=2), wrench) as engine:
        talk, run_id = await ask_handy(engine)
        await decide(engine, talk, run_id)
        await trio.sleep(1)
        await decide(engine, talk, run_id, approved=False)
        await trio.sleep(1)
        (said,) = answers(engine, talk)
        assert '{"result": "turned"}' in said
        assert "Nobody has allowed" in said
        assert len(wrench.calls) == 1


async def test_a_model_that_calls_too_much_at_once_gets_some_of_it(
    autojump_clock: MockClock,
) -> None:
    wrench = Wrench()
    allowed = {"tools": [{"mcp": "wrench", "allow": ["turn"]}]}
    async with workshop(Handy(at_once=100), wrench, **allowed) as engine:
        talk = await engine.create(ADA, COOK)
        await engine.post(talk, ADA, "turn it")
        await trio.sleep(1)
        assert len(wrench.calls) == CALLS
        assert len(answers(engine, talk)) == 1


async def test_a_call_whose_arguments_nobody_could_be_shown_is_not_made(
    autojump_clock: MockClock,
) -> None:
    class Wordy(Handy):
        async def stream(self, prompt: Prompt) -> AsyncGenerator[Any]:
            async for piece in super().stream(prompt):
                long = '{"way": "' + "x" * ARGUMENTS_LENGTH + '"}'
                yield piece._replace(arguments=long) if isinstance(piece, ToolCall) else piece

    wrench = Wrench()
    async with workshop(Wordy(), wrench) as engine:
        talk = await engine.create(ADA, COOK)
        await engine.post(talk, ADA, "turn it")
        await trio.sleep(1)
        assert "Nobody has allowed" in answers(engine, talk)[0]
        assert wrench.calls == []


@pytest.mark.parametrize(
    "arguments",
    [
        "no json",
        "[1]",
        '{"a": NaN}',
        '{"a": ' + "[" * 30 + "]" * 30 + "}",
        "[" * 100_000,
        '{"id": 9007199254740993}',
        '{"id": ' + "9" * 5000 + "}",
    ],
)
async def test_a_call_whose_arguments_are_no_object_is_not_asked_for(
    autojump_clock: MockClock, arguments: str
) -> None:
    class Broken(Handy):
        async def stream(self, prompt: Prompt) -> AsyncGenerator[Any]:
            async for piece in super().stream(prompt):
                yield piece._replace(arguments=arguments) if isinstance(piece, ToolCall) else piece

    async with workshop(Broken(), Wrench()) as engine:
        talk = await engine.create(ADA, COOK)
        await engine.post(talk, ADA, "turn it")
        await trio.sleep(1)
        assert "are no JSON object" in answers(engine, talk)[0]


async def test_half_a_character_in_arguments_harms_nobody(autojump_clock: MockClock) -> None:
    class Half(Handy):
        async def stream(self, prompt: Prompt) -> AsyncGenerator[Any]:
            async for piece in super().stream(prompt):
                cut = '{"way": "\\ud800"}'
                yield piece._replace(arguments=cut) if isinstance(piece, ToolCall) else piece

    wrench = Wrench()
    async with workshop(Half(), wrench) as engine:
        talk, run_id = await ask_handy(engine)
        await decide(engine, talk, run_id)
        await trio.sleep(1)
        assert wrench.calls == [{"way": "?"}]


async def test_a_call_with_the_id_of_another_is_asked_for_by_itself(
    autojump_clock: MockClock,
) -> None:
    class Sly(Handy):
        async def stream(self, prompt: Prompt) -> AsyncGenerator[Any]:
            async for piece in super().stream(prompt):
                yield piece._replace(id="same") if isinstance(piece, ToolCall) else piece

    wrench = Wrench()
    async with workshop(Sly(calls=2), wrench) as engine:
        talk, run_id = await ask_handy(engine)
        await decide(engine, talk, run_id)
        await trio.sleep(60)
        assert len(wrench.calls) == 1
        assert answers(engine, talk) == []


# --- the endpoint that is left alone --------------------------------------------------------------------------------------


async def test_a_store_that_cannot_be_read_is_no_fault_of_the_endpoint(
    autojump_clock: MockClock,
) -> None:
    upstream = Slow("yes", pause=0.1)
    async with hosting(upstream, limits={"failures": 1, "pause": 3600}) as engine:
        talk = await engine.create(ADA, COOK)
        engine.store.fail("read")
        await engine.post(talk, ADA, "hello?")
        await trio.sleep(5)
        await engine.post(talk, ADA, "and now?")
        await trio.sleep(5)
        assert answers(engine, talk) == ["upstream", "yes"]
