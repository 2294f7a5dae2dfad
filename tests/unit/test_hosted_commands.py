"""What people write after `/tool`, and who may: a call is a person's decision, of arguments that are plain JSON."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from salon.actors.model import Participant
from salon.actors.refusals import Code
from salon.actors.run_messages import RegenerateRun
from salon.web.agents.pieces import Offer
from salon.web.agents.toolbox import Command, Tool, obey, plain_arguments

from .engine import ADA, refused
from .test_hosted import COOK, Handy, Wrench, answers, workshop

BOT = Participant("bot", "Bot", "agent")


async def test_an_agents_message_is_no_command(autojump_clock: MockClock) -> None:
    wrench = Wrench()
    async with workshop(Handy(calls=0), wrench, agents_may_call=3) as engine:
        talk = await engine.create(ADA, COOK, BOT)
        await engine.post(talk, BOT, "@Cook /tool turn way=left")
        await trio.sleep(1)
        assert answers(engine, talk) == ["nothing"], "the model has answered it"
        await engine.post(talk, ADA, "@Cook /tool turn way=left")
        await trio.sleep(1)
        assert wrench.calls == [{"way": "left"}]


async def test_an_agent_that_owns_the_conversation_has_no_persons_command_obeyed_again(
    autojump_clock: MockClock,
) -> None:
    wrench = Wrench()
    async with workshop(Handy(), wrench) as engine:
        talk = await engine.create(BOT, ADA, COOK)
        await engine.post(talk, ADA, "@Cook /tool turn way=left")
        await trio.sleep(1)
        (run_id,) = {run for event in engine.log(talk) if (run := getattr(event, "run_id", None))}
        refused(await engine.do(RegenerateRun(talk, BOT, run_id, "again")), Code.FORBIDDEN)
        await trio.sleep(1)
        assert len(wrench.calls) == 1


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_a_number_that_json_has_no_word_for_makes_arguments_none(number: str) -> None:
    assert plain_arguments(f'{{"a": {number}}}') is None


@pytest.mark.parametrize(
    ("word", "called"),
    [
        ("a=5", {"a": 5}),
        ("a=" + "[" * 5000, {"a": "[" * 5000}),
        ("a=\ud800", {"a": "?"}),
        ("a=NaN", None),
        ("a=1e999", None),
        ("a=" + "[" * 25 + "]" * 25, None),
    ],
)
async def test_what_a_person_writes_as_key_and_value_is_as_plain_as_an_object(
    word: str, called: dict[str, Any] | None
) -> None:
    wrench = Wrench()
    offer = Offer("turn", "Turns.", {"properties": {"a": {"type": "number"}}})
    said = await obey(Command("turn", word), {"turn": Tool("turn", offer, wrench, True)})
    assert wrench.calls == ([] if called is None else [called])
    assert ("are no JSON object" in said) is (called is None)
