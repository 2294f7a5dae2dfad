"""Trying again what has failed for a moment, as long as nothing was said yet."""

from __future__ import annotations

import random
import time
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import trio

from .pieces import REQUEST_AT_FAULT, UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from .pieces import Piece

RETRIES = 2  # after 408, 409, 429, 5xx and lost connections
PAUSE = 0.5  # seconds before the first, twice as long before the next; a little less, so that not all come at once
LONGEST_PAUSE = 120.0  # seconds: who says more in Retry-After is not asked again
LONGEST_WAIT = 3600.0  # seconds that are passed on of a longer Retry-After
BUSY = (408, 409, 429)


class Passing(UpstreamError):
    """A failure that may be over soon."""


async def retried(pieces: Callable[[], AsyncGenerator[Piece]]) -> AsyncGenerator[Piece]:
    """The pieces of the first try that says something. Raises the `UpstreamError` of the last."""
    for attempt in range(RETRIES + 1):
        silent = True
        try:
            async with aclosing(pieces()) as said:
                async for piece in said:
                    silent = False
                    yield piece
            return
        except Passing as failure:
            wait = failure.retry_after
            if not silent or attempt == RETRIES or (wait or 0) > LONGEST_PAUSE:
                raise
        if wait is None:
            wait = PAUSE * 2**attempt * (1 - random.random() / 4)
        await trio.sleep(wait)


def refused(status: int, retry_after: str = "") -> UpstreamError:
    """The error of an answer with that status and `Retry-After`: a `Passing` if it may be over soon."""
    kind = Passing if status in BUSY or status >= 500 else UpstreamError
    of_request = status in REQUEST_AT_FAULT
    return kind(f"HTTP {status}", seconds_in(retry_after), of_request=of_request)


def seconds_in(text: str) -> float | None:
    """The seconds of a `Retry-After`, which may be a date; None where it says nothing sensible."""
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
        wait = max(0.0, wait)
    return min(wait, LONGEST_WAIT) if wait >= 0 else None
