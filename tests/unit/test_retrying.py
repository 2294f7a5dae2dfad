"""What has failed for a moment is tried again, unless something was said already."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from email.utils import formatdate

import pytest
import trio
from trio.testing import MockClock

from salon.web.agents import Piece, UpstreamError
from salon.web.agents.retrying import LONGEST_PAUSE, LONGEST_WAIT, Passing, refused, retried


def failing(
    *failures: UpstreamError | None, first: str = ""
) -> Callable[[], AsyncGenerator[Piece]]:
    """Fails so; None succeeds."""
    left = list(failures)

    async def pieces() -> AsyncGenerator[Piece]:
        await trio.lowlevel.checkpoint()
        if first:
            yield first
        failure = left.pop(0)
        if failure is not None:
            raise failure
        yield "fish"

    return pieces


async def said(pieces: Callable[[], AsyncGenerator[Piece]]) -> tuple[list[Piece], float]:
    """What is said, and after how many seconds."""
    began = trio.current_time()
    return [piece async for piece in retried(pieces)], trio.current_time() - began


async def test_it_waits_longer_each_time(autojump_clock: MockClock) -> None:
    pieces, seconds = await said(failing(Passing("a"), Passing("b"), None))
    assert pieces == ["fish"]
    assert 0.75 * 1.5 <= seconds <= 1.5


async def test_it_waits_as_long_as_it_is_told(autojump_clock: MockClock) -> None:
    pieces, seconds = await said(failing(Passing("a", 100.0), Passing("b", 0.0), None))
    assert (pieces, round(seconds)) == (["fish"], 100)


async def test_it_gives_up_after_three_times(autojump_clock: MockClock) -> None:
    with pytest.raises(UpstreamError, match="c"):
        await said(failing(Passing("a"), Passing("b"), Passing("c"), None))


@pytest.mark.parametrize("failure", [UpstreamError("a"), Passing("a", LONGEST_PAUSE + 1)])
async def test_it_does_not_try_what_is_of_no_use(
    failure: UpstreamError, autojump_clock: MockClock
) -> None:
    with pytest.raises(UpstreamError) as caught:
        await said(failing(failure, None))
    assert caught.value is failure
    assert trio.current_time() == 0


async def test_what_was_said_is_not_said_again(autojump_clock: MockClock) -> None:
    pieces = retried(failing(Passing("a"), None, first="Well, "))
    assert await anext(pieces) == "Well, "
    with pytest.raises(Passing):
        await anext(pieces)


@pytest.mark.parametrize(
    ("status", "passing"),
    [
        (408, True),
        (409, True),
        (429, True),
        (500, True),
        (599, True),
        (307, False),
        (400, False),
        (404, False),
    ],
)
def test_some_statuses_may_be_over_soon(status: int, passing: bool) -> None:
    error = refused(status)
    assert isinstance(error, Passing) is passing
    assert (str(error), error.retry_after) == (f"HTTP {status}", None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("0", 0),
        ("-1", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("1e9", LONGEST_WAIT),
    ],
)
def test_the_wait_is_a_number_of_seconds(text: str, seconds: float | None) -> None:
    assert refused(429, text).retry_after == seconds


def test_the_wait_may_be_a_date() -> None:
    wait = refused(503, formatdate(time.time() + 600, usegmt=True)).retry_after
    assert wait is not None
    assert 0 < wait <= 600
    assert refused(503, formatdate(0, usegmt=True)).retry_after == 0
