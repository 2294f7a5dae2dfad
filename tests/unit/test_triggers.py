"""When an agent is asked to answer: the table of the rules, and what becomes of a request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from trio.testing import MockClock

from salon.actors.change_messages import EditMessage
from salon.actors.events import Posted, RunStarted
from salon.actors.limits import Limits
from salon.actors.messages import Leave, Post
from salon.actors.model import Member, Participant
from salon.actors.refusals import Code
from salon.actors.requests import OPEN_REQUESTS
from salon.actors.run_messages import EndRun, ExtendRun, RegenerateRun, StartRun, UpdateAgent
from salon.actors.signals import Cancel, CaughtUp, RunRequested
from salon.actors.triggers import judge, run_id_of

from .engine import ADA, BEN, CLEO, Engine, Reader, open_engine, refused

BOT = Participant("bot", "Bot", "agent")
OTHER = Participant("other", "Other", "agent")


def member(who: Participant, **settings: Any) -> Member:
    return Member(who, settings.pop("role", "member"), 0, **settings)


def asked(
    *others: Participant,
    sender: Participant = ADA,
    mentions: tuple[str, ...] = (),
    replied_to: str | None = None,
    hops: int = 0,
    **settings: Any,
) -> tuple[bool, str]:
    """What is decided about the agent Bot, who is in a conversation with Ada and the others."""
    agent = member(BOT, **settings)
    members = {who.id: member(who) for who in (ADA, *others)} | {BOT.id: agent}
    message = Posted("talk", 7, 0, sender, "hello", mentions=mentions)
    return judge(message, agent, members, replied_to, hops)


@pytest.mark.parametrize(
    ("trigger", "alone", "among_people", "mentioned", "replied_to", "others_mentioned"),
    [
        ("auto", "alone", None, "mention", "reply", None),
        ("mention", None, None, "mention", None, None),
        ("always", "always", "always", "mention", "always", None),
        ("never", None, None, None, None, None),
    ],
)
def test_a_persons_message_is_for_an_agent_by_its_setting(
    trigger: str,
    alone: str | None,
    among_people: str | None,
    mentioned: str | None,
    replied_to: str | None,
    others_mentioned: str | None,
) -> None:
    def why(*others: Participant, **message: Any) -> str | None:
        verdict = asked(*others, trigger=trigger, **message)
        return verdict[1] if verdict[0] else None

    assert why() == alone
    assert why(BEN) == among_people
    assert why(BEN, mentions=(BOT.id, BEN.id)) == mentioned
    assert why(BEN, replied_to=BOT.id) == replied_to
    assert why(BEN, mentions=(BEN.id,)) == others_mentioned
    assert why(mentions=(ADA.id,)) == others_mentioned
    assert why(BEN, mentions=(BEN.id,), replied_to=BOT.id) == others_mentioned


def test_two_agents_and_one_person_are_not_alone() -> None:
    assert asked(OTHER) == (False, "not alone")


def test_an_observer_makes_nobody_less_alone() -> None:
    agent = member(BOT)
    watcher = member(BEN, role="observer")
    members = {ADA.id: member(ADA), BOT.id: agent, BEN.id: watcher}
    assert judge(Posted("talk", 7, 0, ADA, "hello"), agent, members, None, 0).asked


@pytest.mark.parametrize("trigger", ["auto", "mention", "always"])
@pytest.mark.parametrize(
    ("allowed", "hops", "is_asked"), [(0, 1, False), (2, 2, True), (2, 3, False)]
)
def test_an_agents_message_is_for_an_agent_only_for_so_many_hops(
    trigger: str, allowed: int, hops: int, is_asked: bool
) -> None:
    verdict = asked(
        OTHER,
        sender=OTHER,
        mentions=(BOT.id,),
        hops=hops,
        trigger=trigger,
        agents_may_call=allowed,
    )
    assert verdict == ((True, "mention") if is_asked else (False, "agent spoke"))


def test_nobody_is_asked_about_their_own_message() -> None:
    assert asked(sender=BOT, trigger="always", hops=1, agents_may_call=9) == (False, "own")


# --- in a conversation ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def engine(autojump_clock: MockClock) -> AsyncIterator[Engine]:
    async with open_engine(Limits(message_rate=0)) as engine:
        yield engine


async def answer(
    engine: Engine, talk: str, agent: Participant, request: RunRequested, text: str
) -> None:
    await engine.do(StartRun(talk, agent, request.run_id, request.message_id))
    await engine.do(ExtendRun(talk, agent, request.run_id, 0, text))
    await engine.do(EndRun(talk, agent, request.run_id))
    await engine.settle()


def requests(reader: Reader) -> list[RunRequested]:
    found: list[RunRequested] = reader.of(RunRequested)
    return found


async def test_an_agent_hears_what_it_is_asked_after_the_message_and_nobody_else_does(
    engine: Engine,
) -> None:
    talk = await engine.create(ADA, BOT)
    ada, bot = await engine.connect(talk, ADA), await engine.connect(talk, BOT)
    receipt = await engine.post(talk, ADA, "well?")
    await engine.settle()
    run_id = run_id_of(receipt.message_id, BOT.id)
    assert requests(bot) == [RunRequested(run_id, receipt.message_id, (), "alone")]
    assert [type(each) for each in bot.heard[-2:]] == [Posted, RunRequested]
    assert requests(ada) == []


async def test_an_agent_that_comes_later_hears_what_it_has_not_begun(engine: Engine) -> None:
    talk = await engine.create(ADA, BEN, BOT)
    for text in ("@Bot one", "two", "@Bot three", "@Bot four"):
        await engine.post(talk, ADA, text)
    early = await engine.connect(talk, BOT)
    first, second, third = requests(early)
    await engine.do(StartRun(talk, BOT, first.run_id, first.message_id))
    await engine.do(Post(talk, BOT, "to the second", None, second.message_id))
    late = await engine.connect(talk, BOT)
    assert requests(late) == [third]
    kinds = [type(each) for each in late.heard]
    assert kinds.index(CaughtUp) < kinds.index(RunRequested)


@pytest.mark.parametrize("killed", [False, True])
async def test_what_was_asked_outlives_the_conversations_rest_and_a_kill(
    engine: Engine, killed: bool
) -> None:
    talk = await engine.create(ADA, BEN, BOT)
    await engine.post(talk, ADA, "@Bot one")
    await engine.post(talk, ADA, "@Bot two")
    bot = await engine.connect(talk, BOT)
    first, second = requests(bot)
    await answer(engine, talk, BOT, first, "done")
    bot.close(1006)
    await engine.settle()
    if killed:
        engine.restart()
    else:
        assert engine.directory.passivate(engine.conversation(talk))
    again = await engine.connect(talk, BOT)
    assert requests(again) == [second]


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("edits", [1, 2])
async def test_an_edit_asks_nobody_and_takes_no_question_back_whatever_happens(
    engine: Engine, killed: bool, edits: int
) -> None:
    talk = await engine.create(ADA, BEN, BOT)
    asked = await engine.post(talk, ADA, "@Bot one")
    to_ben = await engine.post(talk, ADA, "@Ben two")
    to_nobody = await engine.post(talk, ADA, "three")
    for number in range(edits):
        for receipt, text in ((asked, "@Ben one"), (to_ben, "@Bot two"), (to_nobody, "@Bot 3")):
            await engine.do(EditMessage(talk, ADA, receipt.message_id, f"{text} {number}"))
    await engine.settle()
    if killed:
        engine.restart()
    bot = await engine.connect(talk, BOT)
    run_id = run_id_of(asked.message_id, BOT.id)
    assert requests(bot) == [RunRequested(run_id, asked.message_id, (BOT.id,), "mention")]


async def test_a_message_that_is_edited_back_asks_as_it_was_sent(engine: Engine) -> None:
    talk = await engine.create(ADA, BEN, BOT)
    asked = await engine.post(talk, ADA, "@Bot one")
    for text in ("one", "@Bot one", "One", "@Bot one, please"):
        await engine.do(EditMessage(talk, ADA, asked.message_id, text))
    engine.restart()
    bot = await engine.connect(talk, BOT)
    assert [each.message_id for each in requests(bot)] == [asked.message_id]


async def test_old_talk_of_people_is_not_asked_about_when_one_of_them_has_left(
    engine: Engine,
) -> None:
    talk = await engine.create(ADA, BEN, BOT)
    for number in range(10):
        await engine.post(talk, ADA if number % 2 else BEN, str(number))
    await engine.leave(talk, BEN)
    engine.restart()
    bot = await engine.connect(talk, BOT)
    assert requests(bot) == []
    await engine.post(talk, ADA, "you?")
    await engine.settle()
    assert [each.why for each in requests(bot)] == ["alone"]


async def test_what_was_asked_alone_is_asked_again_though_somebody_has_come_in(
    engine: Engine,
) -> None:
    talk = await engine.create(ADA, BOT)
    asked = await engine.post(talk, ADA, "you?")
    await engine.join(talk, BEN)
    await engine.post(talk, BEN, "hello")
    engine.restart()
    bot = await engine.connect(talk, BOT)
    assert [each.message_id for each in requests(bot)] == [asked.message_id]


async def test_a_plain_message_answers_whom_the_agent_is_alone_with(engine: Engine) -> None:
    talk = await engine.create(ADA, BOT)
    await engine.post(talk, ADA, "you?")
    await engine.do(Post(talk, BOT, "me."))
    bot = await engine.connect(talk, BOT)
    assert requests(bot) == []


async def test_another_answer_that_was_asked_for_outlives_a_failure_of_the_store(
    engine: Engine,
) -> None:
    talk = await engine.create(ADA, BOT)
    await engine.post(talk, ADA, "you?")
    bot = await engine.connect(talk, BOT)
    (request,) = requests(bot)
    await answer(engine, talk, BOT, request, "me.")
    bot.close(1006)
    await engine.do(RegenerateRun(talk, ADA, request.run_id, "new"))
    engine.store.fail("append")
    refused(await engine.post(talk, ADA, "x"), Code.STORE_UNAVAILABLE)
    again = await engine.connect(talk, BOT)
    assert [each.run_id for each in requests(again)] == ["new"]


@pytest.mark.parametrize("leaves", [False, True])
async def test_agents_that_end_each_others_answers_end_each_once(
    engine: Engine, leaves: bool
) -> None:
    talk = await engine.create(ADA, BEN, BOT, OTHER)
    for agent in (BOT, OTHER):
        settings = UpdateAgent(talk, ADA, agent.id, "always", 9, "restart")
        await engine.do(settings)
    said = await engine.do(Post(talk, OTHER, "x"))
    told = await engine.do(Post(talk, BOT, "y"))
    for number in range(3):
        for agent, message in ((BOT, said), (OTHER, told)):
            run_id = f"{agent.id}{number}"
            await engine.do(StartRun(talk, agent, run_id, message.message_id))
            await engine.do(ExtendRun(talk, agent, run_id, 0, "well"))
    await engine.do(Leave(talk, BOT) if leaves else Post(talk, BOT, "z"))
    ended = [each.run_id for each in engine.log(talk) if isinstance(each, Posted) and each.run_id]
    assert len(ended) == len(set(ended)) > 0


async def test_no_more_than_so_many_requests_wait_for_an_agent(engine: Engine) -> None:
    talk = await engine.create(ADA, BOT)
    for number in range(OPEN_REQUESTS + 3):
        await engine.post(talk, ADA, str(number))
    bot = await engine.connect(talk, BOT)
    assert len(requests(bot)) == OPEN_REQUESTS
    assert requests(bot)[-1].message_id == f"{talk}-{OPEN_REQUESTS + 4}"


async def test_two_agents_that_may_call_each_other_three_times_stop_after_three(
    engine: Engine,
) -> None:
    talk = await engine.create(ADA, BEN, BOT, OTHER)
    for agent in (BOT, OTHER):
        await engine.do(UpdateAgent(talk, ADA, agent.id, agents_may_call=3))
    readers = {agent: await engine.connect(talk, agent) for agent in (BOT, OTHER)}
    names = {BOT: "@Other", OTHER: "@Bot"}
    await engine.post(talk, ADA, "@Bot, ask the other")
    await engine.settle()
    done: set[str] = set()
    while waiting := [
        (agent, request)
        for agent, reader in readers.items()
        for request in requests(reader)
        if request.run_id not in done
    ]:
        for agent, request in waiting:
            done.add(request.run_id)
            await answer(engine, talk, agent, request, f"over to {names[agent]}")
    spoken = [event.sender for event in engine.log(talk) if isinstance(event, Posted)]
    assert spoken == [ADA, BOT, OTHER, BOT, OTHER]  # the first answers a person, three an agent
    await engine.post(talk, ADA, "@Bot again")
    await engine.settle()
    assert requests(readers[BOT])[-1].message_id == f"{talk}-{len(engine.log(talk))}"


@pytest.mark.parametrize(("steering", "ended"), [("queue", []), ("restart", ["cancelled"])])
async def test_a_new_question_waits_or_ends_the_answer_to_the_last_one_as_the_owner_has_set(
    engine: Engine, steering: Any, ended: list[str]
) -> None:
    talk = await engine.create(ADA, BEN, BOT)
    await engine.do(UpdateAgent(talk, ADA, BOT.id, steering=steering))
    bot = await engine.connect(talk, BOT)
    for who in (ADA, BEN):
        await engine.post(talk, who, "@Bot well?")
    await engine.settle()
    for request in requests(bot):
        await engine.do(StartRun(talk, BOT, request.run_id, request.message_id))
        await engine.do(ExtendRun(talk, BOT, request.run_id, 0, "let me see"))
    await engine.post(talk, ADA, "@Bot, no: this")
    await engine.settle()
    first, second, third = requests(bot)
    state = engine.conversation(talk).state
    assert state is not None
    assert second.run_id in state.runs, "what somebody else is told goes on"
    assert third.message_id not in (first.message_id, second.message_id)
    last = [each for each in engine.log(talk) if isinstance(each, Posted) and each.run_id]
    assert [each.status for each in last] == ended
    assert [each.run_id for each in last] == [first.run_id] * len(ended)
    assert bot.of(Cancel) == [Cancel(first.run_id)] * len(ended)


async def test_only_an_owner_says_what_an_agent_answers(engine: Engine) -> None:
    talk = await engine.create(ADA, BEN, BOT)
    refused(await engine.do(UpdateAgent(talk, BEN, BOT.id, "never")), Code.FORBIDDEN)
    refused(await engine.do(UpdateAgent(talk, ADA, BEN.id, "never")), Code.NOT_FOUND)
    refused(await engine.do(UpdateAgent(talk, CLEO, BOT.id, "never")), Code.NOT_FOUND)
    bot = await engine.connect(talk, BOT)
    await engine.do(UpdateAgent(talk, ADA, BOT.id, "never"))
    await engine.post(talk, ADA, "@Bot?")
    assert requests(bot) == []
    assert engine.directory.passivate(engine.conversation(talk)) is False
    bot.close(1006)
    await engine.settle()
    assert engine.directory.passivate(engine.conversation(talk))
    again = await engine.connect(talk, BOT)
    await engine.do(UpdateAgent(talk, ADA, BOT.id, "always"))
    await engine.post(talk, ADA, "anybody?")
    await engine.settle()
    assert [request.why for request in requests(again)] == ["always"]


async def test_another_answer_is_asked_for_by_who_asked_or_an_owner(engine: Engine) -> None:
    talk = await engine.create(ADA, BEN, CLEO, BOT)
    bot = await engine.connect(talk, BOT)
    await engine.post(talk, BEN, "@Bot?")
    await engine.settle()
    (request,) = requests(bot)
    await engine.do(StartRun(talk, BOT, request.run_id, request.message_id))
    refused(await engine.do(RegenerateRun(talk, BEN, request.run_id, "new")), Code.INVALID_FORMAT)
    await engine.do(EndRun(talk, BOT, request.run_id))
    refused(await engine.do(RegenerateRun(talk, CLEO, request.run_id, "new")), Code.FORBIDDEN)
    refused(await engine.do(RegenerateRun(talk, BEN, "r9", "new")), Code.RUN_NOT_FOUND)
    for who, name in ((BEN, "new"), (ADA, "newer")):
        outcome = await engine.do(RegenerateRun(talk, who, request.run_id, name))
        assert outcome == RunRequested(name, request.message_id, (), "regenerate")
    await engine.settle()
    assert [each.run_id for each in requests(bot)[1:]] == ["new", "newer"]
    await answer(engine, talk, BOT, requests(bot)[1], "so")
    starts = [event for event in engine.log(talk) if isinstance(event, RunStarted)]
    assert {start.asked_by for start in starts} == {BEN.id}


async def test_who_is_brought_in_later_is_asked_only_from_then_on(engine: Engine) -> None:
    talk = await engine.create(ADA)
    await engine.post(talk, ADA, "anybody?")
    await engine.join(talk, BOT)
    bot = await engine.connect(talk, BOT)
    assert requests(bot) == []
    await engine.post(talk, ADA, "you?")
    await engine.settle()
    assert len(requests(bot)) == 1
    engine.restart()
    again = await engine.connect(talk, BOT)
    assert requests(again) == requests(bot)
