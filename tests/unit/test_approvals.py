"""Tool calls that wait for a person: who may decide, who hears of it, and what a decision is worth later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from salon.actors.conversation import RELOAD_AFTER
from salon.actors.events import Posted
from salon.actors.limits import Limits
from salon.actors.messages import Join
from salon.actors.model import Approval, Entrant, Participant
from salon.actors.refusals import Code
from salon.actors.run_messages import (
    DecideApproval,
    EndRun,
    ExtendRun,
    RunReceipt,
    SetRunState,
    StartRun,
)
from salon.actors.signals import ApprovalDecided, RunStatus

from .engine import ADA, BEN, CLEO, Engine, open_engine, refused

BOT = Participant("bot", "Bot", "agent")
OTHER = Participant("other", "Other", "agent")
CALL = Approval("a1", "pay", '{"amount":5}')


@pytest.fixture
async def engine(autojump_clock: MockClock) -> AsyncIterator[Engine]:
    async with open_engine(Limits(message_rate=0)) as engine:
        yield engine


@pytest.fixture
async def talk(engine: Engine) -> str:
    """Ada owns it, and Ben has asked: a run that answers him waits for a person."""
    talk = await engine.create(ADA, BEN, CLEO, BOT, OTHER)
    asked = await engine.post(talk, BEN, "@Bot pay the bill")
    await engine.do(StartRun(talk, BOT, "r", asked.message_id))
    await ask(engine, talk)
    return talk


async def ask(engine: Engine, talk: str, call: Approval = CALL) -> Any:
    return await engine.do(SetRunState(talk, BOT, "r", "waiting_for_approval", call.tool, call))


async def decide(engine: Engine, talk: str, who: Participant, *, approved: bool = True) -> Any:
    return await engine.do(DecideApproval(talk, who, "r", "a1", approved))


async def test_readers_see_the_call_and_who_comes_later_sees_it_too(
    engine: Engine, talk: str
) -> None:
    cleo = await engine.connect(talk, CLEO)
    assert cleo.of(RunStatus)[-1] == RunStatus("r", "waiting_for_approval", "pay", CALL)


@pytest.mark.parametrize("who", [ADA, BEN])
async def test_who_asked_and_an_owner_may_allow_it_and_the_agent_hears_who_it_was(
    engine: Engine, talk: str, who: Participant
) -> None:
    bot, cleo = await engine.connect(talk, BOT), await engine.connect(talk, CLEO)
    assert isinstance(await decide(engine, talk, who), RunReceipt)
    await trio.sleep(0.1)
    assert bot.of(ApprovalDecided)[-1] == ApprovalDecided("r", "a1", True, who.id)
    assert cleo.of(RunStatus)[-1] == RunStatus("r", "tool", "pay")
    assert not cleo.of(ApprovalDecided)


async def test_a_refusal_is_shown_as_thinking(engine: Engine, talk: str) -> None:
    bot, cleo = await engine.connect(talk, BOT), await engine.connect(talk, CLEO)
    await decide(engine, talk, BEN, approved=False)
    await trio.sleep(0.1)
    assert bot.of(ApprovalDecided)[-1].approved is False
    assert cleo.of(RunStatus)[-1] == RunStatus("r", "thinking")


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (CLEO, Code.FORBIDDEN),
        (BOT, Code.FORBIDDEN),
        (OTHER, Code.FORBIDDEN),
        (Participant("eve", "Eve"), Code.NOT_PARTICIPANT),
    ],
)
async def test_nobody_else_decides_and_never_an_agent(
    engine: Engine, talk: str, who: Participant, code: Code
) -> None:
    refused(await decide(engine, talk, who), code)


async def test_who_asked_and_has_come_back_as_an_observer_does_not_decide(
    engine: Engine, talk: str
) -> None:
    await engine.leave(talk, BEN)
    refused(await decide(engine, talk, BEN), Code.NOT_PARTICIPANT)
    await engine.do(Join(talk, ADA, Entrant(BEN, "observer")))
    refused(await decide(engine, talk, BEN), Code.FORBIDDEN)


async def test_the_same_decision_again_changes_nothing_and_another_one_comes_too_late(
    engine: Engine, talk: str
) -> None:
    bot = await engine.connect(talk, BOT)
    await decide(engine, talk, BEN)
    again = await decide(engine, talk, ADA)
    assert again.duplicate
    late = await decide(engine, talk, ADA, approved=False)
    refused(late, Code.APPROVAL_NOT_FOUND)
    await trio.sleep(0.1)
    assert len(bot.of(ApprovalDecided)) == 1


async def test_an_agent_that_was_away_asks_again_and_hears_the_decision(
    engine: Engine, talk: str
) -> None:
    await decide(engine, talk, BEN)
    bot, cleo = await engine.connect(talk, BOT), await engine.connect(talk, CLEO)
    await ask(engine, talk)
    await trio.sleep(0.1)
    assert bot.of(ApprovalDecided)[-1] == ApprovalDecided("r", "a1", True, BEN.id)
    assert cleo.of(RunStatus)[-1].state == "tool"


async def test_another_call_under_the_same_id_is_asked_for_by_itself(
    engine: Engine, talk: str
) -> None:
    await decide(engine, talk, BEN)
    bot, cleo = await engine.connect(talk, BOT), await engine.connect(talk, CLEO)
    await ask(engine, talk, CALL._replace(arguments='{"amount":5000}'))
    await trio.sleep(0.1)
    assert cleo.of(RunStatus)[-1].state == "waiting_for_approval"
    assert bot.of(ApprovalDecided) == []


async def test_an_agent_that_goes_on_without_it_waits_for_nobody(engine: Engine, talk: str) -> None:
    await engine.do(ExtendRun(talk, BOT, "r", 0, "I will not wait."))
    refused(await decide(engine, talk, BEN), Code.APPROVAL_NOT_FOUND)


async def test_a_run_that_has_ended_waits_for_nobody(engine: Engine, talk: str) -> None:
    await engine.do(EndRun(talk, BOT, "r"))
    refused(await decide(engine, talk, BEN), Code.RUN_ENDED)


async def test_of_a_run_that_was_never_started_nothing_is_decided(
    engine: Engine, talk: str
) -> None:
    outcome = await engine.do(DecideApproval(talk, BEN, "unknown", "a1", True))
    refused(outcome, Code.RUN_NOT_FOUND)


async def test_where_the_store_fails_for_a_moment_what_waits_is_still_known(
    engine: Engine, talk: str
) -> None:
    engine.store.fail("append")
    refused(await engine.post(talk, ADA, "lost"), Code.STORE_UNAVAILABLE)
    await trio.sleep(2 * RELOAD_AFTER)
    assert isinstance(await decide(engine, talk, BEN), RunReceipt)


async def test_what_an_answer_points_to_is_in_its_message(engine: Engine, talk: str) -> None:
    results = '[{"url":"https://example.com/a","name":"A"}]'
    await engine.do(ExtendRun(talk, BOT, "r", 0, "See A."))
    await engine.do(EndRun(talk, BOT, "r", results=results))
    message = engine.log(talk)[-1]
    assert isinstance(message, Posted)
    assert message.results == results
