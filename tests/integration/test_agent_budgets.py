"""Budgets, prices and the endpoint that is left alone: on a real server, against a real HTTP server."""

from __future__ import annotations

import pytest

from salon.web.client import Client
from tests.agent_room import KEY, SAID, room

PRICE = {"input": 1, "output": 2, "currency": "EUR"}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MODEL_KEY", KEY)


async def test_who_has_used_up_their_answers_is_told_when_they_may_ask_again() -> None:
    budget = {"per": "person", "every": "month", "runs": 1}
    async with room(budgets=[budget], trigger="mention") as it, Client(it.url) as ben:
        await it.say("@Cook what is for dinner?")
        assert (await it.end())["content"] == SAID
        await it.say("@Cook and then?")
        failed = await it.end()
        assert (failed["reason"], failed["temporary"]) == ("budget", True)
        assert 0 < failed["retry_after"] <= 31 * 86400
        assert len(it.upstream.asked) == 1
        await ben.guest("Ben")
        await ben.join(it.id)
        await ben.post(it.id, "@Cook and for me?")
        assert (await it.end())["content"] == SAID


async def test_an_answer_that_uses_up_the_budget_ends_with_what_it_has_said() -> None:
    budget = {"per": "conversation", "every": "month", "tokens": 500}
    async with room("endless", budgets=[budget]) as it:
        await it.say("What is for dinner?")
        message = await it.end()
        assert message["status"] == "interrupted"
        assert message["metadata"] == {"reason": "budget"}
        assert message["content"].startswith("on and on and")


async def test_a_message_says_what_it_has_cost() -> None:
    async with room(price=PRICE) as it:
        await it.say("What is for dinner?")
        usage = (await it.end())["usage"]
        assert (usage["cost"], usage["currency"]) == (0.000013, "EUR")
        assert "estimated" not in usage


async def test_an_endpoint_that_counts_with_every_event_is_taken_at_its_last_word() -> None:
    async with room("counts all the time", price=PRICE) as it:
        await it.say("What is for dinner?")
        usage = (await it.end())["usage"]
        assert (usage["input_tokens"], usage["output_tokens"]) == (7, 3)
        assert (usage["cost"], usage["finish_reason"]) == (0.000013, "stop")


@pytest.mark.parametrize("how", ["does not count", "counts nothing"])
async def test_what_an_endpoint_does_not_count_is_estimated_and_says_so(how: str) -> None:
    async with room(how, price=PRICE) as it:
        await it.say("What is for dinner?")
        usage = (await it.end())["usage"]
        assert usage["estimated"] is True
        assert usage["input_tokens"] > 100
        assert usage["output_tokens"] == 7
        assert usage["cost"] > 0


async def test_an_endpoint_that_fails_and_fails_is_left_alone() -> None:
    async with room("error at once", limits={"failures": 2, "pause": 3600}) as it:
        for _ in range(2):
            await it.say("What is for dinner?")
            assert (await it.end())["reason"] == "upstream"
        asked = len(it.upstream.asked)
        await it.say("And now?")
        failed = await it.end()
        assert failed["reason"] == "upstream"
        assert 3000 < failed["retry_after"] <= 3600
        assert len(it.upstream.asked) == asked


async def test_fields_of_the_request_are_the_operators() -> None:
    options = {"temperature": 0.1, "max_tokens": None, "max_completion_tokens": 50}
    async with room(options=options) as it:
        await it.say("What is for dinner?")
        await it.end()
        (request,) = it.upstream.asked
        assert (request["temperature"], request["max_completion_tokens"]) == (0.1, 50)
        assert "max_tokens" not in request
