"""The mailbox: what finds room, who is turned away, and with which figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pykka
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from salon.actors.future import Future
from salon.actors.mailbox import Letter, MailboxFull
from salon.actors.messages import Detach
from salon.actors.model import Participant
from salon.actors.rates import PROMISED
from salon.actors.runtime import Ref, System, TrioActor
from tests.unit.engine import ADA, BEN, CLEO


@dataclass(frozen=True, slots=True)
class Work:
    """A command."""

    is_command: ClassVar[bool] = True

    sender: Participant


def work(sender: Participant = ADA) -> Any:
    """The types of the engine's own messages are closed; to a mailbox any message will do."""
    return Work(sender)


CONTROL = Detach("talk", None)  # type: ignore[arg-type]


class Worker(TrioActor):
    """Ends each turn when it is let."""

    def __init__(self, system: System, **bounds: int) -> None:
        super().__init__(system, "worker", **bounds)
        self.batches: list[int] = []
        self.gate: Future[None] = Future.of(None)

    async def on_batch(self, batch: Sequence[Letter]) -> None:
        self.batches.append(len(batch))
        await self.gate


def worker(**bounds: int) -> Worker:
    """A worker whose turns never come: what it is told stays in the mailbox."""
    return Worker(System(), **bounds)


def refusal(ref: Ref[Any], sender: Participant = ADA) -> MailboxFull:
    with pytest.raises(MailboxFull) as full:
        ref.tell(work(sender))
    return full.value


async def test_a_mailbox_takes_as_many_commands_as_it_has_places() -> None:
    actor = worker(limit=3)
    for _ in range(3):
        actor.actor_ref.tell(work())
    full = refusal(actor.actor_ref)
    assert (full.waiting, full.limit, full.shared) == (3, 3, False)
    assert str(full) == "3 of 3 places are taken"
    assert len(actor.actor_inbox) == actor.actor_inbox.commands == 3, (
        "who is refused leaves nothing"
    )


async def test_no_sender_takes_more_than_their_share() -> None:
    actor = worker(limit=4, share=2)
    for sender in (ADA, ADA, BEN):
        actor.actor_ref.tell(work(sender))
    full = refusal(actor.actor_ref, ADA)
    assert (full.waiting, full.limit, full.shared) == (2, 2, True)
    actor.actor_ref.tell(work(BEN))
    assert refusal(actor.actor_ref, CLEO).shared is False, "the whole mailbox is full now"


async def test_controls_always_find_room_and_take_none() -> None:
    actor = worker(limit=1, share=1)
    actor.actor_ref.tell(work())
    for _ in range(10):
        actor.actor_ref.tell(CONTROL)
    assert actor.actor_inbox.commands == 1
    assert len(actor.actor_inbox) == 11


async def test_a_mailbox_without_limits_takes_everything() -> None:
    actor = worker()
    for _ in range(5000):
        actor.actor_ref.tell(work())
    assert actor.actor_inbox.commands == 5000


async def test_a_letter_that_is_handed_on_counts_where_it_arrives() -> None:
    first, second = worker(limit=1), worker(limit=1)
    letter = Letter(work(), None, enqueued_at=-7)
    first.actor_ref.forward(letter)
    second.actor_ref.forward(letter)
    assert second.actor_inbox.take() == [letter]
    assert letter.enqueued_at == -7, "its age counts from where it came in"
    with pytest.raises(MailboxFull):
        first.actor_ref.forward(letter)


async def test_taking_all_makes_room_for_everybody(autojump_clock: MockClock) -> None:
    system = System()
    async with trio.open_nursery() as nursery:
        await nursery.start(system.run)
        actor = Worker(system, limit=4, share=2)
        actor.gate = Future()
        for sender in (ADA, ADA, BEN, BEN):
            actor.actor_ref.tell(work(sender))
        await wait_all_tasks_blocked()
        for sender in (ADA, ADA, BEN, BEN):
            actor.actor_ref.tell(work(sender))
        assert refusal(actor.actor_ref).waiting == 4
        actor.gate.set(None)
        await wait_all_tasks_blocked()
        assert actor.batches == [4, 4]
        nursery.cancel_scope.cancel()


async def test_the_time_to_come_back_is_the_time_it_takes_to_serve_who_waits(
    autojump_clock: MockClock,
) -> None:
    system = System()
    async with trio.open_nursery() as nursery:
        await nursery.start(system.run)
        actor = Worker(system, limit=10)
        for _ in range(5):  # five turns of ten commands in half a second each
            actor.gate = Future()
            for _ in range(10):
                actor.actor_ref.tell(work())
            await trio.sleep(0.5)
            actor.gate.set(None)
            await wait_all_tasks_blocked()
        actor.gate = Future()
        for _ in range(10):
            actor.actor_ref.tell(CONTROL)
            await wait_all_tasks_blocked()
        actor.gate.set(None)
        await wait_all_tasks_blocked()

        actor.gate = Future()
        actor.actor_ref.tell(work())
        await wait_all_tasks_blocked()
        for _ in range(10):
            actor.actor_ref.tell(work())
        first, second = refusal(actor.actor_ref), refusal(actor.actor_ref)
        assert first.rate == pytest.approx(20), "turns over controls alone count for nothing"
        assert first.retry_after == pytest.approx(10 / 20 / PROMISED)
        assert second.retry_after == pytest.approx(11 / 20 / PROMISED), "one by one"
        nursery.cancel_scope.cancel()


# --- letters --------------------------------------------------------------------------------------------------------------


def test_a_letter_is_answered_once() -> None:
    future: Future[Any] = Future()
    letter = Letter(work(), future, 0)
    letter.answer("first")
    letter.answer("second")
    letter.fail(pykka.ActorDeadError("late"))
    assert future.get() == "first"


def test_a_letter_that_failed_is_answered_too() -> None:
    future: Future[Any] = Future()
    letter = Letter(work(), future, 0)
    letter.fail(pykka.ActorDeadError("dead"))
    letter.answer("late")
    with pytest.raises(pykka.ActorDeadError, match="dead"):
        future.get()


def test_nobody_needs_to_wait_for_an_answer() -> None:
    letter = Letter(work(), None, 0)
    letter.answer("into the air")
    letter.fail(pykka.ActorDeadError("dead"))
