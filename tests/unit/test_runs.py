"""Runs: an agent's answer in the making, from its start to its one end."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from salon.actors.conversation import RELOAD_AFTER
from salon.actors.events import Posted, RunFailed, RunStarted
from salon.actors.limits import Limits
from salon.actors.messages import Leave
from salon.actors.model import Participant
from salon.actors.refusals import Code, Refusal
from salon.actors.run_messages import (
    CancelRun,
    EndRun,
    ExtendRun,
    RunReceipt,
    SetRunState,
    StartRun,
)
from salon.actors.runs import SAVES
from salon.actors.signals import Cancel, CaughtUp, Delta, RunStatus
from salon.actors.turn import Turn
from tests.examples import examples

from .engine import ADA, BEN, CLEO, Engine, Reader, open_engine, refused

BOT = Participant("bot", "Bot", "agent")
OTHER = Participant("other", "Other", "agent")
LIMITS = Limits(run_grace=30, run_timeout=300, open_runs=3, message_rate=0)


@pytest.fixture
async def engine(autojump_clock: MockClock) -> AsyncIterator[Engine]:
    async with open_engine(LIMITS) as engine:
        yield engine


@pytest.fixture
async def talk(engine: Engine) -> str:
    return await engine.create(ADA, BEN, BOT, OTHER)


async def start(engine: Engine, talk: str, run_id: str = "r", **options: Any) -> Any:
    return await engine.do(StartRun(talk, options.pop("agent", BOT), run_id, **options))


async def say(engine: Engine, talk: str, offset: int, text: str, run_id: str = "r") -> Any:
    return await engine.do(ExtendRun(talk, BOT, run_id, offset, text))


async def end(engine: Engine, talk: str, run_id: str = "r", **options: Any) -> Any:
    return await engine.do(EndRun(talk, BOT, run_id, **options))


def read(reader: Reader, run_id: str = "r") -> str:
    """The text of a run, as its deltas give it to a reader who follows the rule: keep up to the offset, then add."""
    text = ""
    for delta in reader.of(Delta):
        if delta.run_id == run_id:
            assert delta.offset <= len(text), "a delta is missing"
            text = text[: delta.offset] + delta.text
    return text


def ends(engine: Engine, talk: str, run_id: str = "r") -> list[Any]:
    return [
        event
        for event in engine.log(talk)
        if isinstance(event, Posted | RunFailed) and event.run_id == run_id
    ]


# --- from start to end ----------------------------------------------------------------------------------------------------


async def test_an_answer_is_started_said_and_ends_as_one_message(engine: Engine, talk: str) -> None:
    ada = await engine.connect(talk, ADA)
    asked = await engine.post(talk, ADA, "what is for dinner?")
    begun = await start(engine, talk, reply_to=asked.message_id)
    assert begun[:4] == (talk, "r", "open", 0)
    await say(engine, talk, 0, "Fish ")
    assert (await say(engine, talk, 5, "and chips")).offset == 14
    done = await end(engine, talk, offset=14, usage='{"tokens":3}')
    assert (done.status, done.offset, done.duplicate) == ("complete", 14, False)

    started, message = ada.of(RunStarted)[0], ada.of(Posted)[-1]
    assert started == RunStarted(
        talk, 3, started.at, "r", BOT.id, reply_to=asked.message_id, asked_by=ADA.id
    )
    assert (message.sender, message.content, message.status) == (BOT, "Fish and chips", "complete")
    assert (message.run_id, message.reply_to) == ("r", asked.message_id)
    assert (message.usage, message.message_id) == ('{"tokens":3}', done.message_id)
    assert read(ada) == "Fish and chips"
    assert engine.log(talk)[-2:] == [started, message]
    state = engine.conversation(talk).state
    assert state is not None
    assert state.runs == {}


async def test_all_that_was_said_is_with_a_reader_before_the_message_is(
    engine: Engine, talk: str
) -> None:
    ada = await engine.connect(talk, ADA)
    await start(engine, talk)
    for offset in range(10):
        await say(engine, talk, offset, "x")
    await end(engine, talk)
    kinds = [type(each) for each in ada.heard]
    assert max(n for n, kind in enumerate(kinds) if kind is Delta) < kinds.index(Posted)
    assert read(ada) == "x" * 10


async def test_deltas_are_gathered_to_twenty_a_second(engine: Engine, talk: str) -> None:
    ada = await engine.connect(talk, ADA)
    await start(engine, talk)
    for offset in range(1000):
        await say(engine, talk, offset, "x")
        await trio.sleep(0.002)
    await trio.sleep(0.1)
    assert read(ada) == "x" * 1000
    assert 30 < len(ada.of(Delta)) <= 42  # in two seconds


async def test_an_agent_that_speaks_as_often_as_deltas_leave_is_not_kept_waiting_for_ever(
    engine: Engine, talk: str
) -> None:
    ada = await engine.connect(talk, ADA)
    await start(engine, talk)
    await say(engine, talk, 0, "x")
    await trio.sleep(
        0.01
    )  # the second is early: from then on each comes while the one before it has just left
    late = []
    for offset in range(1, 100):
        await say(engine, talk, offset, "x")
        late.append(len(read(ada)) <= offset)
        await trio.sleep(0.05)
    assert late[0]
    assert not any(late[20:])


async def test_text_makes_no_entry_in_the_recorder_but_where_it_is_refused(
    engine: Engine, talk: str
) -> None:
    await start(engine, talk)
    for offset in range(50):
        await say(engine, talk, offset, "x")
        await trio.sleep(0.1)
    refused(await say(engine, talk, 60, "x"), Code.OFFSET_MISMATCH)
    recorder = engine.conversation(talk).recorder
    assert [each.command for each in recorder.envelopes] == ["Create", "StartRun", "ExtendRun"]
    assert recorder.envelopes[-1].refusal is not None


@pytest.mark.parametrize(
    ("options", "reason", "temporary", "retry_after"),
    [
        ({}, "upstream", True, None),
        ({"status": "cancelled"}, "cancelled", False, None),
        ({"status": "interrupted"}, "interrupted", True, None),
        ({"reason": "budget", "retry_after": 60.0}, "budget", True, 60.0),
        ({"reason": "timeout"}, "timeout", True, None),
        ({"reason": "cancelled", "retry_after": 1.0}, "cancelled", False, None),
    ],
)
@pytest.mark.parametrize("text", ["", " \n\u200b"])
async def test_where_not_a_word_was_said_the_run_has_failed(
    engine: Engine,
    talk: str,
    text: str,
    options: dict[str, Any],
    reason: str,
    temporary: bool,
    retry_after: float | None,
) -> None:
    ada = await engine.connect(talk, ADA)
    await start(engine, talk)
    if text:
        await say(engine, talk, 0, text)
    done = await end(engine, talk, **options)
    assert (done.status, done.reason) == ("failed", reason)
    (failed,) = ada.of(RunFailed)
    assert (failed.reason, failed.temporary, failed.retry_after) == (reason, temporary, retry_after)
    assert ada.of(Posted) == []


async def test_what_a_run_does_meanwhile_is_shown_and_kept_for_who_comes(
    engine: Engine, talk: str
) -> None:
    ada = await engine.connect(talk, ADA)
    await start(engine, talk)
    await engine.do(SetRunState(talk, BOT, "r", "tool", "looks at the menu"))
    assert ada.of(RunStatus) == [RunStatus("r", "tool", "looks at the menu")]
    ben = await engine.connect(talk, BEN)
    assert ben.of(RunStatus) == ada.of(RunStatus)
    await say(engine, talk, 0, "Fish")
    await trio.sleep(0.1)
    cleo = await engine.connect(talk, ADA)
    assert cleo.of(RunStatus) == [], "it speaks by now"


async def test_names_in_an_answer_are_mentions(engine: Engine, talk: str) -> None:
    await start(engine, talk)
    await say(engine, talk, 0, "ask @Ben")
    await end(engine, talk)
    assert ends(engine, talk)[0].mentions == (BEN.id,)


async def test_what_it_does_after_it_has_spoken_is_shown_as_well(engine: Engine, talk: str) -> None:
    ada, bot = await engine.connect(talk, ADA), await engine.connect(talk, BOT)
    await start(engine, talk)
    for command in (
        ExtendRun(talk, BOT, "r", 0, "Let me "),
        ExtendRun(talk, BOT, "r", 7, "look."),
        SetRunState(talk, BOT, "r", "tool"),
    ):
        bot.tell(command)
        await engine.settle()
    await trio.sleep(1)
    kinds = [type(each) for each in ada.of(Delta, RunStatus)]
    assert (read(ada), kinds[-1]) == ("Let me look.", RunStatus)
    late = await engine.connect(talk, ADA)
    assert late.of(RunStatus) == [RunStatus("r", "tool")]


async def test_what_it_does_is_told_no_faster_than_text(engine: Engine, talk: str) -> None:
    ada = await engine.connect(talk, ADA)
    await start(engine, talk)
    for number in range(100):
        await engine.do(SetRunState(talk, BOT, "r", "tool", str(number)))
    await trio.sleep(1)
    assert len(ada.of(RunStatus)) <= 3
    assert ada.of(RunStatus)[-1].label == "99"


async def test_a_turn_with_runs_leaves_nothing_for_the_garbage_collector(
    engine: Engine, talk: str
) -> None:
    await start(engine, talk)
    gc.collect()
    gc.disable()
    try:
        for offset in range(20):
            await say(engine, talk, offset, "x")
            await engine.post(talk, ADA, "hello")
        turns = [each for each in gc.get_objects() if isinstance(each, Turn)]
        assert len(turns) <= 1
    finally:
        gc.enable()


# --- who may, and what is refused -----------------------------------------------------------------------------------------


async def test_only_an_agent_who_is_a_member_starts_a_run(engine: Engine, talk: str) -> None:
    refused(await start(engine, talk, agent=ADA), Code.FORBIDDEN)
    stranger = Participant("x", "X", "agent")
    refused(await start(engine, talk, agent=stranger), Code.NOT_PARTICIPANT)


async def test_a_run_answers_a_message_of_the_conversation(engine: Engine, talk: str) -> None:
    refused(await start(engine, talk, reply_to=f"{talk}-1"), Code.INVALID_FORMAT)
    refused(await start(engine, talk, reply_to=f"{talk}-9"), Code.INVALID_FORMAT)


async def test_an_agent_has_only_so_many_runs_open(engine: Engine, talk: str) -> None:
    for number in range(3):
        await start(engine, talk, f"r{number}")
    refusal = refused(await start(engine, talk, "r3"), Code.TOO_MANY_RUNS)
    assert refusal.facts == {"limit": 3, "run_id": "r3"}
    assert isinstance(await start(engine, talk, "o", agent=OTHER), RunReceipt)
    await end(engine, talk, "r0")
    assert isinstance(await start(engine, talk, "r3"), RunReceipt)


async def test_nobody_speaks_in_the_run_of_another(engine: Engine, talk: str) -> None:
    await start(engine, talk)
    for command in (ExtendRun(talk, OTHER, "r", 0, "x"), EndRun(talk, OTHER, "r")):
        refused(await engine.do(command), Code.FORBIDDEN)
    refused(await start(engine, talk, agent=OTHER), Code.KEY_REUSED)
    await end(engine, talk)
    refused(await start(engine, talk, agent=OTHER), Code.KEY_REUSED)


async def test_a_run_that_was_never_started_is_not_found(engine: Engine, talk: str) -> None:
    for answer in (await say(engine, talk, 0, "x"), await end(engine, talk)):
        assert refused(answer, Code.RUN_NOT_FOUND).facts == {"run_id": "r"}


async def test_a_gap_is_refused_with_the_place_to_go_on_from(engine: Engine, talk: str) -> None:
    await start(engine, talk)
    await say(engine, talk, 0, "😀b")
    refusal = refused(await say(engine, talk, 3, "x"), Code.OFFSET_MISMATCH)
    assert refusal.facts == {"run_id": "r", "expected_offset": 2}
    refused(await end(engine, talk, offset=3), Code.OFFSET_MISMATCH)
    assert (await end(engine, talk, offset=2)).status == "complete"


async def test_other_words_in_place_of_those_said_are_refused(engine: Engine, talk: str) -> None:
    await start(engine, talk)
    await say(engine, talk, 0, "abc")
    refused(await say(engine, talk, 1, "xy"), Code.OFFSET_MISMATCH)
    refused(await say(engine, talk, 0, "abx and more"), Code.OFFSET_MISMATCH)
    assert (await say(engine, talk, 1, "bcd")).offset == 4


async def test_an_answer_is_no_longer_than_a_message_may_be(engine: Engine, talk: str) -> None:
    await start(engine, talk)
    await say(engine, talk, 0, "x" * 9_999)
    refusal = refused(await say(engine, talk, 9_999, "yz"), Code.MESSAGE_TOO_LARGE)
    assert refusal.facts == {"run_id": "r", "actual_size": 10_001, "max_size": 10_000}
    assert (await say(engine, talk, 9_999, "y")).offset == 10_000


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), max_size=12))
@settings(max_examples=examples(100))
def test_deltas_repeated_cut_and_mixed_up_make_the_one_text(
    pieces: list[tuple[int, int]],
) -> None:
    whole = "0123456789ab"

    async def play() -> None:
        async with open_engine(LIMITS) as engine:
            talk = await engine.create(ADA, BOT)
            ada = await engine.connect(talk, ADA)
            await start(engine, talk)
            length = 0
            for offset, size in pieces:
                text = whole[offset : offset + size]
                if text:
                    outcome = await say(engine, talk, offset, text)
                    if offset > length:
                        assert refused(outcome, Code.OFFSET_MISMATCH)
                    else:
                        assert outcome.duplicate == (offset + len(text) <= length)
                        length = max(length, offset + len(text))
            await end(engine, talk)
            assert read(ada) == whole[:length]

    trio.run(play, clock=MockClock(autojump_threshold=0))


# --- the same again -------------------------------------------------------------------------------------------------------


async def test_a_start_again_says_where_the_run_is(engine: Engine, talk: str) -> None:
    first = await start(engine, talk)
    await say(engine, talk, 0, "abc")
    again = await start(engine, talk)
    assert (again.status, again.offset, again.duplicate) == ("open", 3, True)
    assert again.sequence == first.sequence
    assert sum(isinstance(event, RunStarted) for event in engine.log(talk)) == 1


@pytest.mark.parametrize("passivated", [False, True])
async def test_an_end_again_is_the_same_end_for_ever(
    engine: Engine, talk: str, passivated: bool
) -> None:
    await start(engine, talk)
    await say(engine, talk, 0, "abc")
    first = await end(engine, talk)
    if passivated:
        assert engine.directory.passivate(engine.conversation(talk))
    again = first._replace(duplicate=True)
    assert await end(engine, talk, status="cancelled") == again
    assert await start(engine, talk) == again
    assert await engine.do(CancelRun(talk, ADA, "r")) == again
    refusal = refused(await say(engine, talk, 3, "d"), Code.RUN_ENDED)
    assert refusal.facts == {"run_id": "r", "run_status": "complete"}
    assert len(ends(engine, talk)) == 1


async def test_in_one_turn_as_well_a_run_ends_once(engine: Engine, talk: str) -> None:
    bot = await engine.connect(talk, BOT)
    for command in (
        StartRun(talk, BOT, "r"),
        ExtendRun(talk, BOT, "r", 0, "abc"),
        EndRun(talk, BOT, "r"),
        EndRun(talk, BOT, "r"),
        StartRun(talk, BOT, "r"),
    ):
        bot.tell(command)
    await engine.settle()
    said = bot.of(RunReceipt)
    assert [each.status for each in said] == ["open", "open", *["complete"] * 3]
    assert said[2]._replace(duplicate=True) == said[3] == said[4]
    assert len(ends(engine, talk)) == 1


# --- cancelling -----------------------------------------------------------------------------------------------------------


async def test_who_asked_an_owner_and_the_agent_itself_may_cancel_and_nobody_else(
    engine: Engine,
) -> None:
    talk = await engine.create(ADA, BEN, CLEO, BOT)
    asked = await engine.post(talk, BEN, "well?")
    for number, who in enumerate((ADA, BEN, BOT)):
        await start(engine, talk, f"r{number}", reply_to=asked.message_id)
        refused(await engine.do(CancelRun(talk, CLEO, f"r{number}")), Code.FORBIDDEN)
        outcome = await engine.do(CancelRun(talk, who, f"r{number}"))
        assert (outcome.status, outcome.reason) == ("failed", "cancelled")
    refused(await engine.do(CancelRun(talk, ADA, "r9")), Code.RUN_NOT_FOUND)


async def test_what_was_said_before_a_cancel_stays_and_the_agent_hears_of_it(
    engine: Engine, talk: str
) -> None:
    ada, bot = await engine.connect(talk, ADA), await engine.connect(talk, BOT)
    await start(engine, talk)
    await say(engine, talk, 0, "I would say")
    done = await engine.do(CancelRun(talk, ADA, "r"))
    assert done.status == "cancelled"
    assert (ada.of(Posted)[-1].content, ada.of(Posted)[-1].status) == ("I would say", "cancelled")
    await engine.settle()
    assert bot.of(Cancel) == [Cancel("r")]
    assert ada.of(Cancel) == []


async def test_an_agent_that_leaves_has_ended_its_runs(engine: Engine, talk: str) -> None:
    await start(engine, talk, "r")
    await say(engine, talk, 0, "I must")
    await start(engine, talk, "s")
    await engine.do(Leave(talk, BOT))
    kinds = [type(event).__name__ for event in engine.log(talk)[-3:]]
    assert kinds == ["Posted", "RunFailed", "Left"]
    assert ends(engine, talk)[0].status == "interrupted"


# --- readers --------------------------------------------------------------------------------------------------------------


async def test_who_comes_late_gets_the_whole_text_after_caught_up_and_then_the_rest(
    engine: Engine, talk: str
) -> None:
    asked = await engine.post(talk, ADA, "well?")
    await start(engine, talk, reply_to=asked.message_id)
    await say(engine, talk, 0, "so far")
    ben = await engine.connect(talk, BEN)
    kinds = [type(each) for each in ben.heard]
    assert kinds.index(CaughtUp) == kinds.index(Delta) - 1
    assert ben.of(Delta) == [Delta("r", BOT.id, 0, "so far", asked.message_id, ADA.id)]
    await say(engine, talk, 6, ", so good")
    await end(engine, talk)
    assert read(ben) == "so far, so good"


async def test_who_had_no_room_for_a_delta_is_given_the_whole_text_later(
    engine: Engine, talk: str
) -> None:
    ben = await engine.connect(talk, BEN)
    await start(engine, talk)
    ben.room = 0
    for offset in range(5):
        await say(engine, talk, offset, str(offset))
        await trio.sleep(0.1)
    assert ben.of(Delta) == []
    ben.drain()
    await engine.settle()
    assert read(ben) == "01234"
    await say(engine, talk, 5, "5")
    await trio.sleep(0.1)
    assert read(ben) == "012345"


async def test_an_agent_hears_no_deltas_of_its_own(engine: Engine, talk: str) -> None:
    bot = await engine.connect(talk, BOT)
    await start(engine, talk)
    await say(engine, talk, 0, "x")
    later = await engine.connect(talk, BOT)
    assert bot.of(Delta) == later.of(Delta) == []


# --- silence --------------------------------------------------------------------------------------------------------------


async def test_a_run_waits_for_an_agent_that_has_dropped_and_then_ends_as_interrupted(
    engine: Engine, talk: str
) -> None:
    bot = await engine.connect(talk, BOT)
    await start(engine, talk)
    await say(engine, talk, 0, "I was")
    await trio.sleep(100)
    bot.close(1006)
    await trio.sleep(29)
    assert ends(engine, talk) == []
    back = await engine.connect(talk, BOT)
    assert (await start(engine, talk)).offset == 5
    await trio.sleep(60)
    assert ends(engine, talk) == []
    back.close(1006)
    await trio.sleep(31)
    (message,) = ends(engine, talk)
    assert (message.content, message.status) == ("I was", "interrupted")


async def test_an_agent_without_a_socket_keeps_its_run_by_speaking(
    engine: Engine, talk: str
) -> None:
    await start(engine, talk)
    for offset in range(5):
        await trio.sleep(25)
        await say(engine, talk, offset, "x")
    await trio.sleep(31)
    assert (ends(engine, talk)[0].content, ends(engine, talk)[0].status) == ("xxxxx", "interrupted")


async def test_a_run_that_is_forgotten_ends_though_its_agent_is_busy_with_others(
    engine: Engine, talk: str
) -> None:
    bot = await engine.connect(talk, BOT)
    await start(engine, talk, "forgotten")
    for number in range(40):
        await trio.sleep(10)
        await start(engine, talk, f"r{number}")
        await end(engine, talk, f"r{number}")
        if number % 10 == 5:  # nor does its coming back keep the run
            bot.close(1006)
            bot = await engine.connect(talk, BOT)
    assert len(ends(engine, talk, "forgotten")) == 1


async def test_the_timers_of_a_run_that_goes_on_do_not_pile_up(engine: Engine, talk: str) -> None:
    await engine.connect(talk, BOT)
    await start(engine, talk)
    for offset in range(400):
        await say(engine, talk, offset, "x")
        await trio.sleep(0.5)
    assert len(engine.system._timers) < 20


async def test_an_agent_that_is_there_and_silent_has_its_time(engine: Engine, talk: str) -> None:
    bot = await engine.connect(talk, BOT)
    await start(engine, talk)
    await trio.sleep(290)
    await engine.do(SetRunState(talk, BOT, "r", "thinking"))
    await trio.sleep(290)
    assert ends(engine, talk) == []
    await trio.sleep(11)
    (failed,) = ends(engine, talk)
    assert (failed.reason, bot.of(Cancel)) == ("timeout", [Cancel("r")])


# --- the store ------------------------------------------------------------------------------------------------------------


async def test_what_is_said_is_stored_every_second_while_it_grows(
    engine: Engine, talk: str
) -> None:
    await start(engine, talk)
    before = len(engine.store.appended)
    for offset in range(100):
        await say(engine, talk, offset, "x")
        await trio.sleep(0.05)
        state = engine.store.load(talk).get()
        assert len(state.runs["r"].text) >= offset - 20
    await trio.sleep(5)
    assert engine.store.load(talk).get().runs["r"].text == "x" * 100
    assert len(engine.store.appended) - before <= 8


async def test_conversations_whose_runs_begin_together_do_not_all_store_together(
    engine: Engine,
) -> None:
    talks = [await engine.create(ADA, BOT) for _ in range(64)]
    for talk in talks:
        await start(engine, talk)
    for talk in talks:
        await say(engine, talk, 0, "x")
    most, before = 0, len(engine.store.appended)
    for _ in range(20):
        await trio.sleep(0.05)
        most, before = max(most, len(engine.store.appended) - before), len(engine.store.appended)
    stored = [engine.store.load(talk).get().runs["r"].text for talk in talks]
    assert stored == ["x"] * 64, "within a second"
    assert 64 / SAVES <= most < 64 / 2


async def test_a_store_that_fails_while_text_is_stored_loses_none_of_it(
    engine: Engine, talk: str
) -> None:
    ada = await engine.connect(talk, ADA)
    await start(engine, talk)
    for offset in range(40):
        if offset == 10:
            engine.store.fail("append")
        if isinstance(said := await say(engine, talk, offset, "x"), Refusal):
            assert said.code is Code.STORE_UNAVAILABLE
            break
        await trio.sleep(0.05)
    await trio.sleep(RELOAD_AFTER + 1)
    told = read(ada)
    assert engine.store.load(talk).get().runs["r"].text == told
    await say(engine, talk, len(told), "!")
    await end(engine, talk)
    assert read(ada) == ends(engine, talk)[0].content == told + "!"


async def test_a_server_that_starts_again_goes_on_with_the_runs_or_ends_them(
    autojump_clock: MockClock,
) -> None:
    async with open_engine(LIMITS) as engine:
        talk = await engine.create(ADA, BOT)
        await start(engine, talk)
        await say(engine, talk, 0, "I was about to")
        await trio.sleep(1)
        await say(engine, talk, 14, " say")
        engine.restart()
        await engine.directory.resume_runs()
        await engine.settle()
        again = await start(engine, talk)
        assert (again.status, again.offset) == ("open", 14)
        refused(await say(engine, talk, 18, "!"), Code.OFFSET_MISMATCH)
        await say(engine, talk, 14, " say")
        engine.restart()
        await engine.directory.resume_runs()
        await trio.sleep(31)
        (message,) = ends(engine, talk)
        assert (message.content, message.status) == ("I was about to", "interrupted")


async def test_a_server_that_stops_in_order_stores_what_was_said(engine: Engine, talk: str) -> None:
    await start(engine, talk)
    await say(engine, talk, 0, "a word")
    assert engine.store.load(talk).get().runs["r"].text == ""
    engine.directory.save_runs()
    await engine.settle()
    assert engine.store.load(talk).get().runs["r"].text == "a word"


async def test_no_run_ends_while_the_server_drains(engine: Engine, talk: str) -> None:
    await start(engine, talk)
    engine.directory.draining = lambda: 1.0
    await trio.sleep(100)
    assert ends(engine, talk) == []


@pytest.mark.parametrize("call", ["append", "senders_among"])
async def test_where_the_store_fails_for_a_moment_nothing_that_was_said_is_lost(
    engine: Engine, talk: str, call: Any
) -> None:
    ada = await engine.connect(talk, ADA)
    await start(engine, talk)
    await say(engine, talk, 0, "stored")
    await trio.sleep(1)
    await say(engine, talk, 6, " and not")
    engine.store.fail(call)
    for _ in range(60):
        await engine.post(talk, ADA, "x", reply_to=None if call == "append" else f"{talk}-2")
    assert (await say(engine, talk, 14, " yet")).offset == 18
    await trio.sleep(0.1)
    await end(engine, talk)
    assert read(ada) == ends(engine, talk)[0].content == "stored and not yet"


async def test_a_run_that_ended_by_a_commit_that_failed_and_took_effect_is_heard_whole(
    engine: Engine, talk: str
) -> None:
    ada, agent = await engine.connect(talk, ADA), await engine.connect(talk, BOT)
    await start(engine, talk)
    await say(engine, talk, 0, "Half a")
    await say(engine, talk, 6, " word")
    assert read(ada) == "Half a"
    engine.store.fail("append", afterwards=True)
    refused(await end(engine, talk), Code.STORE_UNAVAILABLE)
    await trio.sleep(2 * RELOAD_AFTER + 0.1)
    assert read(ada) == "Half a word"
    assert ada.contents == ["Half a word"]
    assert agent.of(Cancel) == []


async def test_an_agent_hears_of_a_cancel_by_a_commit_that_failed_and_took_effect(
    engine: Engine, talk: str
) -> None:
    agent = await engine.connect(talk, BOT)
    await start(engine, talk)
    await say(engine, talk, 0, "Half a")
    engine.store.fail("append", afterwards=True)
    refused(await engine.do(CancelRun(talk, ADA, "r")), Code.STORE_UNAVAILABLE)
    await trio.sleep(2 * RELOAD_AFTER + 0.1)
    assert agent.of(Cancel) == [Cancel("r")]
    assert agent.contents == ["Half a"]


async def test_readers_whose_text_is_longer_than_what_is_left_are_given_that(
    engine: Engine, talk: str
) -> None:
    ada = await engine.connect(talk, ADA)
    await start(engine, talk)
    await say(engine, talk, 0, "stored")
    await trio.sleep(1)
    await say(engine, talk, 6, " and not")
    await trio.sleep(0.1)
    actor = engine.conversation(talk)
    actor.agents._kept = {}
    actor.state = None  # as after a failure, but what was said is gone
    await engine.settle()
    refusal = refused(await say(engine, talk, 14, " yet"), Code.OFFSET_MISMATCH)
    assert refusal.facts == {"run_id": "r", "expected_offset": 6}
    await trio.sleep(0.1)
    assert read(ada) == "stored"
    await say(engine, talk, 6, " now")
    await end(engine, talk)
    assert read(ada) == ends(engine, talk)[0].content == "stored now"


async def test_a_run_of_a_conversation_that_crashed_ends_though_nobody_comes(
    engine: Engine, talk: str
) -> None:
    await start(engine, talk)
    await say(engine, talk, 0, "I was")
    await trio.sleep(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.directory.sweep)
        engine.conversation(talk).on_failure()
        assert engine.directory.active(talk) is None
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert ends(engine, talk)[0].content == "I was"


async def test_a_run_of_a_conversation_that_cannot_be_loaded_at_the_start_ends_later(
    engine: Engine, talk: str
) -> None:
    await start(engine, talk)
    engine.restart()
    engine.store.fail("load")
    await engine.directory.resume_runs()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.directory.sweep)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert len(ends(engine, talk)) == 1


async def test_a_conversation_with_an_open_run_stays_in_memory(engine: Engine, talk: str) -> None:
    await start(engine, talk)
    await engine.settle()
    assert not engine.directory.passivate(engine.conversation(talk))
    await end(engine, talk)
    assert engine.directory.passivate(engine.conversation(talk))
