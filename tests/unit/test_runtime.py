"""Actors on trio: turns, batches, crashes, timers, and what an idle one costs."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import pykka
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from salon.actors.future import Breath, Future
from salon.actors.mailbox import Letter
from salon.actors.model import Participant
from salon.actors.run_messages import ExtendRun
from salon.actors.runtime import DEFERRED_A_PASS, TURNS_A_PASS, ActorDied, System, TrioActor
from tests.unit.engine import ADA, BEN, CLEO, open_engine, run_seeded


@dataclass(frozen=True, slots=True)
class Note:
    """What these actors are told."""

    is_command: ClassVar[bool] = True

    text: str
    sender: Participant


def note(text: str = "", sender: Participant = ADA) -> Any:
    """The types of the engine's own messages are closed; to the runtime any message will do."""
    return Note(text, sender)


class Diary(TrioActor):
    """Writes down each batch, and waits at a gate before it ends its turn."""

    def __init__(self, system: System, key: str = "diary", **bounds: int) -> None:
        super().__init__(system, key, **bounds)
        self.batches: list[list[str]] = []
        self.gate: Future[None] = Future.of(None)
        self.ended: list[str] = []

    async def on_batch(self, batch: Sequence[Letter]) -> None:
        self.batches.append([letter.message.text for letter in batch])
        await self.gate
        for letter in batch:
            letter.answer(letter.message.text.upper())

    def on_stop(self) -> None:
        self.ended.append("stopped")

    def on_failure(self, *_: Any) -> None:
        self.ended.append("failed")


class Parrot(TrioActor):
    """Does what it is told to, message by message."""

    def on_receive(self, message: Note) -> Any:
        match message.text:
            case "fail":
                raise ValueError("as told")
            case "stop":
                self.stop()
        return message.text


@pytest.fixture
async def system() -> AsyncIterator[System]:
    system = System()
    async with trio.open_nursery() as nursery:
        await nursery.start(system.run)
        yield system
        nursery.cancel_scope.cancel()


async def outcome(question: Callable[[], Awaitable[Any]]) -> Any:
    """What is answered, or the exception."""
    try:
        return await question()
    except Exception as error:
        return error


# --- messages -------------------------------------------------------------------------------------------------------------


async def test_who_asks_gets_the_answer(system: System) -> None:
    ref = Parrot.start(system, "polly")
    assert await ref.ask(note("hello")) == "hello"


async def test_what_is_told_is_done_in_order_and_nobody_waits_for_it(system: System) -> None:
    diary = Diary(system)
    for text in "abc":
        diary.actor_ref.tell(note(text))
    assert diary.batches == []
    await wait_all_tasks_blocked()
    assert diary.batches == [["a", "b", "c"]]


async def test_a_turn_takes_all_that_waits(system: System) -> None:
    diary = Diary(system)
    diary.gate = Future()
    diary.actor_ref.tell(note("first"))
    await wait_all_tasks_blocked()
    for n in range(100):
        diary.actor_ref.tell(note(str(n)))
        await wait_all_tasks_blocked()
    assert diary.batches == [["first"]]
    assert diary.busy
    diary.gate.set(None)
    await wait_all_tasks_blocked()
    assert diary.batches == [["first"], [str(n) for n in range(100)]]
    assert diary.idle
    assert diary.turns == 2


async def test_a_message_that_comes_as_a_turn_ends_gets_a_turn_of_its_own(system: System) -> None:
    class Restless(Diary):
        async def on_batch(self, batch: Sequence[Letter]) -> None:
            await super().on_batch(batch)
            if len(self.batches) < 3:
                self.actor_ref.tell(note(f"after {len(self.batches)}"))

    diary = Restless(system)
    diary.actor_ref.tell(note("begin"))
    await wait_all_tasks_blocked()
    assert diary.batches == [["begin"], ["after 1"], ["after 2"]]


async def test_one_who_waits_lets_the_others_have_their_turns(system: System) -> None:
    waits, works = Diary(system, "waits"), Diary(system, "works")
    waits.gate = Future()
    waits.actor_ref.tell(note())
    await wait_all_tasks_blocked()
    assert await works.actor_ref.ask(note("go")) == "GO"
    assert waits.busy
    assert not works.busy


async def test_one_who_takes_breath_lets_the_others_have_their_turns(system: System) -> None:
    trace: list[str] = []

    class Runner(TrioActor):
        async def on_batch(self, batch: Sequence[Letter]) -> None:
            for step in range(3):
                trace.append(f"{self.key}{step}")
                await Breath()

    for key in "ab":
        Runner.start(system, key).tell(note())
    await wait_all_tasks_blocked()
    assert trace == ["a0", "b0", "a1", "b1", "a2", "b2"]


async def test_actors_that_never_rest_do_not_starve_the_tasks(system: System) -> None:
    class Hot(TrioActor):
        async def on_batch(self, batch: Sequence[Letter]) -> None:
            self.actor_ref.tell(note())

    for n in range(TURNS_A_PASS * 2):
        Hot.start(system, str(n)).tell(note())
    for _ in range(10):
        before = system.turns
        await trio.lowlevel.checkpoint()
        assert system.turns - before <= 2 * TURNS_A_PASS, "trio may run the one task twice in a row"
    assert system.turns > 0


async def test_receivers_may_be_asynchronous(system: System) -> None:
    later: Future[str] = Future()

    class Patient(TrioActor):
        async def on_receive(self, message: Note) -> str:
            return message.text + await later

    ref = Patient.start(system, "patient")
    later.set(" later")
    assert await ref.ask(note("see you")) == "see you later"


async def test_what_an_actor_has_no_use_for_is_logged_and_answered_with_none(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    assert await TrioActor.start(system, "nobody").ask(note("hello?")) is None
    assert "Unexpected message" in caplog.text


# --- beginning and end ----------------------------------------------------------------------------------------------------


async def test_an_actor_is_told_when_it_begins_and_when_it_ends_each_once(system: System) -> None:
    hooks: list[str] = []

    class Hooked(TrioActor):
        def on_start(self) -> None:
            hooks.append("start")

        def on_stop(self) -> None:
            hooks.append("stop")

    ref = Hooked.start(system, "hooked")
    assert hooks == ["start"]
    assert ref.is_alive()
    ref.stop()
    ref.stop()
    assert hooks == ["start", "stop"]
    assert not ref.is_alive()


async def test_an_actor_that_cannot_begin_is_stopped(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(TrioActor):
        def on_start(self) -> None:
            raise ValueError("no")

        def on_stop(self) -> None:
            raise ValueError("neither")

    ref = Broken.start(system, "broken")
    assert not ref.is_alive()
    assert "on_start of actor:broken failed" in caplog.text
    assert "on_stop of actor:broken failed" in caplog.text


async def test_who_is_stopped_takes_nothing_more(system: System) -> None:
    diary = Diary(system)
    diary.stop()
    with pytest.raises(ActorDied):
        diary.actor_ref.tell(note())
    with pytest.raises(ActorDied):
        diary.actor_ref.forward(Letter(note(), None, 0))
    with pytest.raises(ActorDied):
        await diary.actor_ref.ask(note())
    assert diary.batches == []


async def test_what_waited_when_an_actor_stopped_is_answered_with_its_death(system: System) -> None:
    diary = Diary(system)
    answers: list[Future[Any]] = [Future() for _ in range(3)]
    for answer in answers:
        diary.actor_ref.tell(note(), answer)
    diary.stop()
    for answer in answers:
        with pytest.raises(ActorDied, match="actor:diary has stopped"):
            answer.get()
    await wait_all_tasks_blocked()
    assert diary.batches == []


async def test_what_a_waiting_turn_had_taken_when_its_actor_stopped_is_answered_too(
    system: System,
) -> None:
    diary = Diary(system)
    diary.gate = Future()
    answers: list[Any] = []

    async def ask(text: str) -> None:
        answers.append(await outcome(lambda: diary.actor_ref.ask(note(text))))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "taken")
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, "waiting")
        await wait_all_tasks_blocked()
        diary.stop()
        await wait_all_tasks_blocked()
        assert [type(answer) for answer in answers] == [ActorDied] * 2
    diary.gate.set(None)
    await wait_all_tasks_blocked()
    assert diary.batches == [["taken"]], "the turn is not taken up again"
    assert diary.idle


async def test_one_that_stops_itself_answers_what_it_has_done_and_the_rest_hears_of_its_death(
    system: System,
) -> None:
    ref = Parrot.start(system, "polly")
    futures: list[Future[Any]] = [Future() for _ in range(3)]
    for text, future in zip(("one", "stop", "three"), futures, strict=True):
        ref.tell(note(text), future)
    await wait_all_tasks_blocked()
    assert [future.get() for future in futures[:2]] == ["one", "stop"]
    with pytest.raises(ActorDied):
        futures[2].get()


# --- crashes --------------------------------------------------------------------------------------------------------------


async def test_a_crash_takes_one_actor_its_callers_hear_of_it_and_the_neighbours_never_notice(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    neighbour = Diary(system, "neighbour")
    ref = Parrot.start(system, "polly")
    futures: list[Future[Any]] = [Future() for _ in range(4)]
    for text, future in zip(("one", "fail", "three"), futures[:3], strict=True):
        ref.tell(note(text), future)
    neighbour.actor_ref.tell(note("before"))
    await wait_all_tasks_blocked()

    assert futures[0].get() == "one"
    for future in futures[1:3]:
        with pytest.raises(ActorDied, match="actor:polly crashed"):
            future.get()
    assert not ref.is_alive()
    assert system.crashes == 1
    assert "as told" in caplog.text
    assert await neighbour.actor_ref.ask(note("after")) == "AFTER"
    assert neighbour.ended == []


async def test_who_crashes_is_asked_for_its_last_will_and_not_stopped_as_well(
    system: System,
) -> None:
    diary = Diary(system)
    diary.gate = Future()
    diary.actor_ref.tell(note())
    await wait_all_tasks_blocked()
    waiting: Future[Any] = Future()
    diary.actor_ref.tell(note("waiting"), waiting)
    diary.gate.set_exception(ValueError("the gate fell down"))
    await wait_all_tasks_blocked()
    assert diary.ended == ["failed"]
    with pytest.raises(ActorDied):
        waiting.get()
    diary.stop()
    assert diary.ended == ["failed"]


async def test_a_last_will_that_fails_and_a_caller_that_cannot_be_told_harm_nobody(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    class Clumsy(Parrot):
        def on_failure(self, *_: Any) -> None:
            raise ValueError("this too")

    class Deaf(Future[Any]):
        def set_exception(self, exc_info: Any = None) -> None:
            raise OSError("gone")

    ref = Clumsy.start(system, "clumsy")
    heard: Future[Any] = Future()
    ref.tell(note("fail"), Deaf())
    ref.tell(note("next"), heard)
    await wait_all_tasks_blocked()
    with pytest.raises(ActorDied):
        heard.get()
    assert "on_failure of actor:clumsy failed" in caplog.text
    assert await Parrot.start(system, "polly").ask(note("alive")) == "alive"


async def test_a_turn_that_waits_for_what_only_tasks_may_wait_for_crashes_alone(
    system: System, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    cleaned: list[str] = []

    class Confused(TrioActor):
        async def on_batch(self, batch: Sequence[Letter]) -> None:
            try:
                await trio.sleep(1)
            finally:
                cleaned.append(self.key)

    ref = Confused.start(system, "confused")
    assert isinstance(await outcome(lambda: ref.ask(note())), ActorDied)
    assert cleaned == ["confused"]
    assert "a turn may await a Future or a Breath" in caplog.text
    await trio.sleep(2)
    assert await Parrot.start(system, "polly").ask(note("alive")) == "alive"


# --- turns that let all others pass ---------------------------------------------------------------------------------------


class Clerk(TrioActor):
    """Writes down, with all other clerks, whose turn it was and over how many letters."""

    def __init__(self, system: System, key: str, book: list[tuple[str, int]]) -> None:
        super().__init__(system, key)
        self.book = book

    async def on_batch(self, batch: Sequence[Letter]) -> None:
        self.book.append((self.key, len(batch)))


def token() -> ExtendRun:
    return ExtendRun("c", ADA, "run", 0, "token")


async def test_text_of_runs_lets_all_other_messages_pass(system: System) -> None:
    book: list[tuple[str, int]] = []
    with system:
        for key in "abc":
            Clerk.start(system, key, book).tell(token())
        Clerk.start(system, "person", book).tell(note())
    await wait_all_tasks_blocked()
    assert book == [("person", 1), ("a", 1), ("b", 1), ("c", 1)]


async def test_text_of_runs_is_taken_together_with_what_came_after_it(system: System) -> None:
    book: list[tuple[str, int]] = []
    with system:
        Clerk.start(system, "other", book).tell(token())
        talk = Clerk.start(system, "talk", book)
        talk.tell(token())
        talk.tell(note())
        talk.tell(token())
    await wait_all_tasks_blocked()
    assert book == [("talk", 3), ("other", 1)]
    talk.tell(token())
    await wait_all_tasks_blocked()
    assert book[2:] == [("talk", 1)]


async def test_a_message_waits_for_a_bounded_number_of_texts(system: System) -> None:
    book: list[tuple[str, int]] = []
    person = Clerk.start(system, "person", book)
    with system:
        for number in range(3 * DEFERRED_A_PASS):
            Clerk.start(system, str(number), book).tell(token())
    person.tell(note())
    await wait_all_tasks_blocked()
    assert book.index(("person", 1)) <= DEFERRED_A_PASS
    assert len(book) == 3 * DEFERRED_A_PASS + 1


async def test_a_turn_that_waits_is_not_gone_on_with_though_text_and_more_had_called_for_it(
    system: System,
) -> None:
    """Where more turns are due than one pass has, an actor may stand in both lines when its turn comes."""
    book: list[tuple[str, int]] = []
    diary = Diary(system)
    diary.gate = Future()
    with system:
        diary.actor_ref.tell(token())
        for number in range(TURNS_A_PASS):
            Clerk.start(system, str(number), book).tell(note())
        diary.actor_ref.tell(note("more"))
    await wait_all_tasks_blocked()
    assert (diary.batches, diary.ended) == ([["token", "more"]], [])
    diary.gate.set()
    await wait_all_tasks_blocked()
    assert (diary.batches, diary.ended) == ([["token", "more"]], [])


async def test_text_that_comes_during_a_turn_is_taken_after_it(system: System) -> None:
    diary = Diary(system)
    diary.gate = Future()
    diary.actor_ref.tell(note("first"))
    await wait_all_tasks_blocked()
    diary.actor_ref.tell(token())
    await wait_all_tasks_blocked()
    assert diary.batches == [["first"]]
    diary.gate.set()
    await wait_all_tasks_blocked()
    assert diary.batches == [["first"], ["token"]]


# --- timers ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ring:
    """What these timers say."""

    is_command: ClassVar[bool] = False

    text: str


def ring(text: str) -> Any:
    return Ring(text)


class Listener(TrioActor):
    """Writes down when it was told what."""

    def __init__(self, system: System, key: str = "listener") -> None:
        super().__init__(system, key)
        self.heard: list[tuple[float, str]] = []

    def on_receive(self, message: Ring) -> None:
        self.heard.append((trio.current_time() - self.started_at, message.text))


async def test_timers_ring_at_their_times_whatever_the_order_they_were_set_in(
    system: System, autojump_clock: MockClock
) -> None:
    listener = Listener(system)
    for seconds in (3, 1, 2, 1, 0):
        system.later(seconds, listener.actor_ref, ring(f"after {seconds}"))
    await trio.sleep(1.5)
    system.later(0.25, listener.actor_ref, ring("set later, rings before"))
    await trio.sleep(10)
    assert listener.heard == [
        (0, "after 0"),
        (1, "after 1"),
        (1, "after 1"),
        (1.75, "set later, rings before"),
        (2, "after 2"),
        (3, "after 3"),
    ]


async def test_timers_of_the_same_time_ring_in_the_order_they_were_set(
    system: System, autojump_clock: MockClock
) -> None:
    listener = Listener(system)
    for text in "abcde":
        system.later(1, listener.actor_ref, ring(text))
    await trio.sleep(2)
    assert [text for _, text in listener.heard] == list("abcde")


async def test_a_timer_does_not_ring_for_who_is_gone(
    system: System, autojump_clock: MockClock
) -> None:
    listener, other = Listener(system), Listener(system, "other")
    system.later(1, listener.actor_ref, ring("too late"))
    system.later(1, other.actor_ref, ring("in time"))
    listener.stop()
    await trio.sleep(2)
    assert listener.heard == []
    assert other.heard == [(1, "in time")]


# --- what an idle actor costs ---------------------------------------------------------------------------------------------


class Sleeper(TrioActor):
    """Counts how often it is compared: whoever looks for it in a list or a deque does that."""

    compared: ClassVar[int] = 0

    def __eq__(self, other: object) -> bool:
        Sleeper.compared += 1
        return self is other

    __hash__ = TrioActor.__hash__

    async def on_batch(self, batch: Sequence[Letter]) -> None:
        pass


async def calls_of_one_life(system: System) -> list[str]:
    """Every function that is called to start, tell, run and stop one actor."""
    calls: list[str] = []

    def count(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            calls.append(frame.f_code.co_qualname)
        elif event == "c_call":
            calls.append(argument.__qualname__)

    sys.setprofile(count)
    try:
        ref = Sleeper.start(system, "one more")
        ref.tell(note())
        system.run_pass()
        ref.stop()
    finally:
        sys.setprofile(None)
    return calls


async def test_starting_and_stopping_one_of_many_actors_costs_no_more_than_one_of_few() -> None:
    system = System()
    few = [Sleeper(system, str(n)) for n in range(10)]
    await calls_of_one_life(system)  # what is done only once is done now
    tasks = trio.lowlevel.current_statistics().tasks_living
    of_few = await calls_of_one_life(system)

    many = few + [Sleeper(system, str(n)) for n in range(100_000)]
    for sleeper in many[::10]:
        sleeper.actor_ref.tell(note())
    while not many[-10].turns:
        system.run_pass()
    of_many = await calls_of_one_life(system)

    assert of_many == of_few
    assert Sleeper.compared == 0, "nobody looks through a list of actors"
    assert trio.lowlevel.current_statistics().tasks_living == tasks, "and none has a task"
    assert pykka.ActorRegistry.get_all() == []


# --- the same again -------------------------------------------------------------------------------------------------------


def trace_of(seed: int) -> list[str]:
    """Everything that three people hear who talk, come and go as the seed has it."""
    trace: list[str] = []

    async def scenario() -> None:
        async with open_engine(seed=seed) as engine, trio.open_nursery() as nursery:
            conversation = await engine.create(ADA, BEN, CLEO)

            async def talk(who: Participant) -> None:
                chance = Random(f"{seed} {who.id}")
                for n in range(5):
                    reader = await engine.connect(conversation, who)
                    reader.room = chance.randrange(4)
                    await trio.sleep(chance.randrange(3))
                    reader.post(f"{who.id} {n}")
                    await trio.sleep(chance.randrange(3))
                    reader.drain()
                    reader.close(1000)
                    trace.extend(map(repr, reader.heard))

            for who in (ADA, BEN, CLEO):
                nursery.start_soon(talk, who)

    run_seeded(seed, scenario)
    return trace


def test_the_same_seed_gives_the_same_trace() -> None:
    traces = [trace_of(seed) for seed in range(5)]
    assert traces == [trace_of(seed) for seed in range(5)]
    assert len({tuple(trace) for trace in traces}) == 5, "and another seed another one"


def test_a_quiet_system_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "salon"):
        trace_of(0)
    assert caplog.records == []


# --- turns in the task that tells -----------------------------------------------------------------------------------------


async def test_what_is_told_in_a_block_of_the_systems_is_done_when_the_block_ends(
    system: System,
) -> None:
    first, second = Diary(system, "first"), Diary(system, "second")
    await wait_all_tasks_blocked()
    with system:
        for word in ("a", "b"):
            first.actor_ref.tell(note(word))
            second.actor_ref.tell(note(word))
        assert first.batches == []
    assert first.batches == second.batches == [["a", "b"]], "one turn each, and no checkpoint"


async def test_what_a_turn_in_such_a_block_tells_others_is_done_with_it(system: System) -> None:
    heard: list[str] = []

    class Echo(TrioActor):
        async def on_batch(self, batch: Sequence[Letter]) -> None:
            heard.extend(letter.message.text for letter in batch)
            if self.key == "near":
                far.tell(note("passed on"))

    near, far = Echo.start(system, "near"), Echo.start(system, "far")
    await wait_all_tasks_blocked()
    with system:
        near.tell(note("said"))
    assert heard == ["said", "passed on"]


async def test_a_turn_that_takes_breath_in_such_a_block_goes_on_after_it(system: System) -> None:
    steps: list[int] = []

    class Runner(TrioActor):
        async def on_batch(self, batch: Sequence[Letter]) -> None:
            for step in range(3):
                steps.append(step)
                await Breath()

    ref = Runner.start(system, "runner")
    await wait_all_tasks_blocked()
    with system:
        ref.tell(note())
    assert steps == [0], "the others' tasks come between"
    await wait_all_tasks_blocked()
    assert steps == [0, 1, 2]


async def test_a_block_that_makes_more_ready_than_a_pass_takes_leaves_the_rest_to_the_system(
    system: System,
) -> None:
    diaries = [Diary(system, str(n)) for n in range(TURNS_A_PASS + 10)]
    await wait_all_tasks_blocked()
    with system:
        for diary in diaries:
            diary.actor_ref.tell(note("x"))
    assert sum(len(diary.batches) for diary in diaries) == TURNS_A_PASS
    await wait_all_tasks_blocked()
    assert all(diary.batches == [["x"]] for diary in diaries)
