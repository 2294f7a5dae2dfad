"""What an answer of a hosted agent counts as: for its budgets, and for the breaker of its endpoint."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from salon.actors.store import RunAccount
from salon.web.agents import Prompt
from salon.web.agents.job import LARGEST
from salon.web.agents.pieces import Offer, UpstreamError
from salon.web.agents.toolbox import RESULT_LENGTH, ToolResult
from salon.web.settings import PriceSettings

from .engine import ADA, BEN, Engine
from .test_hosted import (
    COOK,
    Handy,
    Slow,
    Wrench,
    answers,
    ask_handy,
    decide,
    hosting,
    workshop,
)

ALLOWED = [{"mcp": "wrench", "allow": ["*"]}]


async def accounts(engine: Engine) -> Sequence[RunAccount]:
    return (await engine.store.accounts().wait()).accounts


async def test_to_wait_for_its_turn_is_no_answering(autojump_clock: MockClock) -> None:
    model = Slow("yes", pause=10)
    async with hosting(model, limits={"runs": 1}) as engine:
        for who in (ADA, BEN):
            talk = await engine.create(who, COOK)
            await engine.post(talk, who, "hello?")
        await trio.sleep(60)
        assert [each.duration for each in await accounts(engine)] == [10_000, 10_000]


async def test_to_wait_for_people_is_no_answering(autojump_clock: MockClock) -> None:
    budgets = [{"per": "person", "seconds": 30}]
    async with workshop(Handy(), Wrench(pause=5), budgets=budgets) as engine:
        talk, run_id = await ask_handy(engine)
        await trio.sleep(60)
        await decide(engine, talk, run_id)
        await trio.sleep(6)
        assert answers(engine, talk) == ['{"result": "turned"}']
        (account,) = await accounts(engine)
        assert account.duration == 5000


class Wordy(Wrench):
    """Its tool has much to say, and so has the description of it."""

    async def tools(self) -> list[Offer]:
        return [Offer("turn", "Turns a screw." * 60, {})]

    async def call(self, name: str, arguments: Any) -> ToolResult:
        await super().call(name, arguments)
        return ToolResult("x" * 2 * RESULT_LENGTH)


async def test_what_tools_give_counts_as_told_where_the_endpoint_does_not_count(
    autojump_clock: MockClock,
) -> None:
    async with workshop(Handy(calls=3), Wordy(), tools=ALLOWED) as engine:
        talk = await engine.create(ADA, COOK)
        await engine.post(talk, ADA, "turn it")
        await trio.sleep(1)
        (account,) = await accounts(engine)
        assert account.input_tokens > (1 + 2 + 3) * RESULT_LENGTH / 3


async def test_a_budget_that_results_use_up_ends_the_answer_before_the_model_is_asked_again(
    autojump_clock: MockClock,
) -> None:
    model = Handy(calls=3)
    budgets = [{"per": "agent", "tokens": RESULT_LENGTH // 3}]
    async with workshop(model, Wordy(), tools=ALLOWED, budgets=budgets) as engine:
        talk = await engine.create(ADA, COOK)
        await engine.post(talk, ADA, "turn it")
        await trio.sleep(1)
        assert answers(engine, talk) == ["budget"]
        assert model.rounds == [0]


async def test_commands_to_tools_that_are_down_say_nothing_about_the_models_endpoint(
    autojump_clock: MockClock,
) -> None:
    class Down(Wrench):
        async def tools(self) -> list[Offer]:
            raise UpstreamError("down")

    async with workshop(Handy(), Down(), limits={"failures": 2}) as engine:
        talk = await engine.create(ADA, COOK)
        for said in ("/tool turn", "/tool turn", "/tool turn", "hello"):
            await engine.post(talk, ADA, said)
            await trio.sleep(1)
        assert answers(engine, talk) == ["upstream"] * 3 + ["nothing"]


@pytest.mark.parametrize("of_request", [True, False])
async def test_requests_that_are_at_fault_themselves_close_no_endpoint_to_others(
    autojump_clock: MockClock, of_request: bool
) -> None:
    class Strict(Slow):
        async def stream(self, prompt: Prompt) -> AsyncGenerator[Any]:
            if "bad" in prompt.asked:
                raise UpstreamError("HTTP 400", of_request=of_request)
            async for piece in super().stream(prompt):
                yield piece

    async with hosting(Strict("yes"), limits={"failures": 2}) as engine:
        talk = await engine.create(ADA, COOK)
        for said in ("bad", "bad", "good"):
            await engine.post(talk, ADA, said)
            await trio.sleep(2)
        last = "yes" if of_request else "upstream"
        assert answers(engine, talk) == ["upstream", "upstream", last]


async def test_what_an_absurd_count_costs_is_kept(autojump_clock: MockClock) -> None:
    class Absurd(Slow):
        async def stream(self, prompt: Prompt) -> AsyncGenerator[Any]:
            yield "yes"
            yield {"input_tokens": 10**30, "output_tokens": 10**9}

    async with hosting(Absurd(), price={"input": 10**8, "output": 10**8}) as engine:
        talk = await engine.create(ADA, COOK)
        await engine.post(talk, ADA, "hello?")
        await trio.sleep(1)
        (account,) = await accounts(engine)
        assert (account.input_tokens, account.cost) == (LARGEST, LARGEST)


@pytest.mark.parametrize("price", [-1, 10**9, float("inf"), float("nan")])
def test_a_price_is_a_sane_figure(price: float) -> None:
    with pytest.raises(ValueError, match="input"):
        PriceSettings(input=price, output=1)


# --- agents that come and go ----------------------------------------------------------------------------------------------


async def test_of_a_removed_agent_nothing_that_waits_begins(autojump_clock: MockClock) -> None:
    model = Slow("never", pause=100)
    async with hosting(model, limits={"runs": 1}) as engine:
        hosted: Any = engine.directory.agent_host
        talks = [await engine.create(who, COOK) for who in (ADA, BEN)]
        for talk, who in zip(talks, (ADA, BEN), strict=True):
            await engine.post(talk, who, who.name)
            await engine.settle()
        assert model.asked == ["Ada"]
        await hosted.remove("cook")
        await trio.sleep(1000)
        assert (model.asked, model.open) == (["Ada"], 0)
        assert answers(engine, talks[0]) == ["interrupted"]
        assert list(hosted.jobs()) == []


async def test_an_agent_that_is_added_again_begins_with_an_endpoint_that_has_not_failed(
    autojump_clock: MockClock,
) -> None:
    async with hosting(Slow(), limits={"failures": 1, "pause": 3600}) as engine:
        hosted: Any = engine.directory.agent_host
        before = hosted.get("cook")
        before.endpoint.breaker.failed()
        await hosted.remove("cook")
        hosted.add(before.settings, Slow())
        after = hosted.get("cook")
        assert (before.endpoint.breaker.state, after.endpoint.breaker.state) == ("open", "closed")
