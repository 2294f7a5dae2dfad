"""What a provider publishes is fetched once for all, and again when it is time; in virtual time."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from salon.web.identity.cached import AGAIN, LIFE, Cached
from salon.web.identity.provider_fault import Unreachable


class Source:
    """Gives 1, 2, 3 …, each after a second; a test may make it fail."""

    def __init__(self) -> None:
        self.fetched = 0
        self.fails = False

    async def fetch(self) -> int:
        self.fetched += 1
        await trio.sleep(1)
        if self.fails:
            raise Unreachable("down")
        return self.fetched


@pytest.fixture
def source() -> Source:
    return Source()


async def test_it_is_fetched_when_it_is_needed_and_kept_for_its_life(
    source: Source, autojump_clock: MockClock
) -> None:
    kept = Cached(source.fetch)
    assert source.fetched == 0
    assert (await kept.get())[0] == 1
    await trio.sleep(LIFE - 1)
    assert (await kept.get())[0] == 1
    await trio.sleep(2)
    assert (await kept.get())[0] == 2


async def test_all_who_ask_at_once_share_one_fetch(
    source: Source, autojump_clock: MockClock
) -> None:
    kept = Cached(source.fetch)
    found: list[int] = []

    async def ask() -> None:
        found.append((await kept.get())[0])

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    assert found == [1] * 5


async def test_where_the_first_who_asked_is_gone_another_goes_on(
    source: Source, autojump_clock: MockClock
) -> None:
    kept = Cached(source.fetch)
    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()

        async def impatient() -> None:
            with first:
                await kept.get()

        async def patient() -> None:
            assert (await kept.get())[0] == 2

        nursery.start_soon(impatient)
        await wait_all_tasks_blocked()
        nursery.start_soon(patient)
        await wait_all_tasks_blocked()
        first.cancel()


async def test_a_failure_is_remembered_for_a_moment_so_that_nobody_waits_for_it(
    source: Source, autojump_clock: MockClock
) -> None:
    kept = Cached(source.fetch)
    source.fails = True
    for _ in range(5):
        with pytest.raises(Unreachable, match="down"):
            await kept.get()
    assert source.fetched == 1
    source.fails = False
    await trio.sleep(AGAIN)
    assert (await kept.get())[0] == 2


async def test_a_newer_one_is_looked_for_if_it_is_not_too_soon(
    source: Source, autojump_clock: MockClock
) -> None:
    kept = Cached(source.fetch)
    _, at = await kept.get()
    assert await kept.get(newer_than=at) == (1, at)
    await trio.sleep(AGAIN)
    newer, later = await kept.get(newer_than=at)
    assert newer == 2
    # Who found the older one wanting meanwhile is given this one.
    assert await kept.get(newer_than=at) == (2, later)
    source.fails = True
    await trio.sleep(AGAIN)
    with pytest.raises(Unreachable):
        await kept.get(newer_than=later)
    assert (await kept.get())[0] == 2, "what was good a moment ago is good enough for others"
