"""Ten times what a conversation can take, in virtual time: who obeys `retry_after` is served, and no time is wasted.

The store takes so long over each record that the capacity is known exactly; all else is the engine as it is. `make prove`
runs it with SALON_TEST_BURST=10.
"""

from __future__ import annotations

import os
from random import Random

import pytest
import trio
from trio.testing import MockClock

from salon.actors.events import Posted
from salon.actors.future import Future
from salon.actors.limits import Limits
from salon.actors.messages import Receipt
from salon.actors.model import Participant
from salon.actors.refusals import Code
from salon.actors.store import Appended, Changes, KeysTaken, StaleView
from tests.unit.engine import ADA, Engine, copy, open_engine, refused, run_seeded

CAPACITY = 100  # messages a second
COMMIT = 0.005  # seconds more for each commit
QUEUE = 50
ON_THE_WAY = 0.05  # seconds at most between a caller and the server
PEOPLE = 1000
BURST = float(os.environ.get("SALON_TEST_BURST", "4"))  # seconds


class Overload:
    """Callers who come `times` as fast as they can be served; `steady` is false where the store's speed varies by a third."""

    def __init__(self, engine: Engine, *, steady: bool, gives_up: float = 0.0) -> None:
        self.engine = engine
        self.tries: dict[str, int] = {}  # callers that were served
        self.sent = self.refused = self.deepest = 0
        self.served_at: list[float] = []
        self._random = Random(7)
        self._steady = steady
        self._gives_up = gives_up
        self._append = engine.store.append
        self._conversation_id = ""
        self._people = [Participant(f"p{n}", f"Person {n}") for n in range(PEOPLE)]

    async def open(self, nursery: trio.Nursery) -> None:
        """Make the conversation on a store that takes its time."""

        def append(changes: Changes) -> Future[Appended | KeysTaken | StaleView]:
            future: Future[Appended | KeysTaken | StaleView] = Future()
            nursery.start_soon(self._commit, changes, future)
            return future

        self.engine.store.append = append  # type: ignore[method-assign]
        self._conversation_id = await self.engine.create(ADA, *self._people[:9])
        for person in self._people[9:]:
            await self.engine.join(self._conversation_id, person)

    async def _commit(
        self, changes: Changes, future: Future[Appended | KeysTaken | StaleView]
    ) -> None:
        speed = CAPACITY if self._steady else CAPACITY * self._random.uniform(0.67, 1.33)
        await trio.sleep(COMMIT + len(changes.records) / speed)
        copy(self._append(changes), future)

    async def burst(self, times: float) -> None:
        """All come on schedule, whatever the server does; returns when the last of them has been served."""
        start, count = trio.current_time(), round(times * CAPACITY * BURST)
        async with trio.open_nursery() as callers:
            for number in range(count):
                await trio.sleep_until(start + number / (times * CAPACITY))
                callers.start_soon(self._call, f"key {number}")
            self.served_in_burst = len(self.served_at)

    async def crowd(self, people: int, each: int) -> None:
        """So many people say so much, one thing after the other, as fast as they are let."""

        async def talk(number: int) -> None:
            for n in range(each):
                await self._call(f"{number}: {n}", self._people[number])

        async with trio.open_nursery() as callers:
            for number in range(people):
                callers.start_soon(talk, number)

    async def _call(self, key: str, who: Participant | None = None) -> None:
        random, self.sent = self._random, self.sent + 1
        who = who or self._people[random.randrange(PEOPLE)]
        for attempt in range(1, 100):
            await trio.sleep(random.random() * ON_THE_WAY)
            outcome = await self.engine.post(self._conversation_id, who, key, key)
            inbox = self.engine.conversation(self._conversation_id).actor_inbox
            self.deepest = max(self.deepest, inbox.commands)
            if isinstance(outcome, Receipt):
                self.tries[key] = attempt
                self.served_at.append(trio.current_time())
                return
            retry_after = refused(outcome, Code.QUEUE_FULL).retry_after
            assert retry_after is not None
            self.refused += attempt == 1
            if random.random() < self._gives_up:
                return
            await trio.sleep(retry_after)
        raise AssertionError(f"{key} starves")

    @property
    def at_first_retry(self) -> float:
        """The share of those who were refused and came back, who were served when they did."""
        again = [tries for tries in self.tries.values() if tries > 1]
        return sum(tries == 2 for tries in again) / len(again)

    def check(self) -> None:
        """Accepted is stored, once; and the mailbox has kept its bound."""
        log = self.engine.log(self._conversation_id)
        assert sorted(e.key or "" for e in log if isinstance(e, Posted)) == sorted(self.tries)
        assert self.deepest <= QUEUE


LIMITS = Limits(queue_size=QUEUE, queue_share=QUEUE // 4, max_participants=0, message_rate=0)


@pytest.mark.parametrize("steady", [True, False], ids=["steady", "unsteady"])
def test_after_a_burst_of_ten_times_the_capacity_nearly_all_are_served_at_their_first_retry(
    steady: bool,
) -> None:
    async def main() -> None:
        async with open_engine(LIMITS) as engine, trio.open_nursery() as nursery:
            overload = Overload(engine, steady=steady)
            await overload.open(nursery)
            start = trio.current_time()
            await overload.burst(10)
            overload.check()
            assert len(overload.tries) == overload.sent == 10 * CAPACITY * BURST
            assert overload.refused > 0.9 * overload.sent
            if steady:
                assert overload.at_first_retry >= 0.99
                assert overload.served_in_burst >= CAPACITY * (BURST - 0.5)
                most = overload.sent / CAPACITY / 0.95 + 1
                assert trio.current_time() - start <= most, "no time is wasted"
            else:
                assert overload.at_first_retry >= 0.95
                assert overload.served_in_burst >= 0.85 * CAPACITY * BURST

    run_seeded(7, main)  # trio chooses the same each time, so these figures are no matter of luck


async def test_those_who_do_not_come_back_hold_up_nobody_for_long(
    autojump_clock: MockClock,
) -> None:
    async with open_engine(LIMITS) as engine, trio.open_nursery() as nursery:
        overload = Overload(engine, steady=True, gives_up=1.0)
        await overload.open(nursery)
        await overload.burst(3)
        overload.check()
        assert overload.served_in_burst >= 0.5 * CAPACITY * BURST
        await trio.sleep(60)
        newcomers = Overload(engine, steady=True)
        newcomers._conversation_id = overload._conversation_id
        await newcomers.crowd(50, 1)
        assert newcomers.refused == 0


async def test_where_there_is_always_too_much_nobody_starves(autojump_clock: MockClock) -> None:
    async with open_engine(LIMITS) as engine, trio.open_nursery() as nursery:
        overload = Overload(engine, steady=True)
        await overload.open(nursery)
        start = trio.current_time()
        await overload.crowd(400, 10)
        overload.check()
        assert len(overload.tries) == 4000
        assert max(overload.tries.values()) <= 5, "everybody's turn comes"
        assert trio.current_time() - start <= 4000 / CAPACITY / 0.9
