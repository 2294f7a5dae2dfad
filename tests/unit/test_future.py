"""A value to come: given once, awaited by turns and by tasks."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pykka
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from salon.actors.future import Breath, Future


def test_a_future_keeps_the_first_outcome_it_is_given() -> None:
    future: Future[int] = Future()
    future.set(1)
    future.set(2)
    future.set_exception(ValueError("late"))
    assert future.done
    assert future.get() == 1


def test_a_future_may_have_its_value_from_the_start() -> None:
    assert Future.of("there").get() == "there"


def test_getting_a_value_that_is_not_there_raises_instead_of_blocking() -> None:
    future: Future[int] = Future()
    with pytest.raises(pykka.Timeout):
        future.get()
    with pytest.raises(pykka.Timeout):
        future.get(timeout=60)


@pytest.mark.parametrize(
    "given", [ValueError("no"), (ValueError, ValueError("no"), None)], ids=["error", "exc_info"]
)
def test_an_exception_is_raised_where_the_value_is_wanted(given: Any) -> None:
    future: Future[int] = Future()
    future.set_exception(given)
    with pytest.raises(ValueError, match="no"):
        future.get()


def test_a_failure_without_a_reason_is_still_a_failure() -> None:
    future: Future[int] = Future()
    future.set_exception()
    with pytest.raises(RuntimeError):
        future.get()


def test_listeners_are_called_once_in_order_and_late_ones_at_once() -> None:
    future: Future[int] = Future()
    called: list[str] = []
    future.when_done(lambda: called.append("first"))
    future.when_done(lambda: called.append("second"))
    assert called == []
    future.set(1)
    future.set(2)
    future.when_done(lambda: called.append("late"))
    assert called == ["first", "second", "late"]


def test_a_turn_that_awaits_hands_the_future_out_and_goes_on_with_its_value() -> None:
    future: Future[int] = Future()

    async def turn() -> int:
        return await future + 1

    going = turn()
    assert going.send(None) is future
    future.set(41)
    with pytest.raises(StopIteration) as end:
        going.send(None)
    assert end.value.value == 42


def test_a_turn_does_not_wait_for_what_is_there() -> None:
    async def turn() -> int:
        return await Future.of(1)

    with pytest.raises(StopIteration) as end:
        turn().send(None)
    assert end.value.value == 1


def test_a_breath_hands_out_nothing_and_goes_on() -> None:
    waiting: Generator[None, None, None] = Breath().__await__()
    assert next(waiting) is None
    with pytest.raises(StopIteration):
        next(waiting)


async def test_tasks_wait_until_the_value_is_there() -> None:
    future: Future[int] = Future()
    got: list[int] = []

    async def want() -> None:
        got.append(await future.wait())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(want)
        nursery.start_soon(want)
        await wait_all_tasks_blocked()
        assert got == []
        future.set(7)
    assert got == [7, 7]
    assert await future.wait() == 7


async def test_a_task_that_waits_gets_the_exception() -> None:
    future: Future[int] = Future()
    with pytest.RaisesGroup(ValueError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(future.wait)
            await wait_all_tasks_blocked()
            future.set_exception(ValueError("no"))


async def test_a_task_that_has_given_up_waiting_is_not_woken() -> None:
    future: Future[int] = Future()
    with trio.CancelScope() as scope:
        scope.cancel()
        await future.wait()
    assert scope.cancelled_caught
    future.set(1)
    assert await future.wait() == 1
