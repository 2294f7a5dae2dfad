"""The events of an HTTP response, which leave nothing behind however the reading of them ends."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

# What the library lets out of a response that is not what it should be
FAULTS = (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, ValueError, TypeError)


async def events(response: httpx2.Response, largest: int) -> AsyncGenerator[httpx2.ServerSentEvent]:
    """The events, of at most `largest` bytes each. Raises `FAULTS`. The response is closed at the end."""
    response.encoding = "utf-8"  # whatever its header says
    text = response.aiter_text()
    response.aiter_text = lambda chunk_size=None: text  # type: ignore[method-assign]
    source: Any = aiter(httpx2.EventSource(response, largest))
    try:
        async with aclosing(source):
            async for event in source:
                yield event
    finally:
        await response.aclose()
        with suppress(*FAULTS):
            # to its end, or the library's generators would be left to the garbage collector
            async for _ in text:
                pass


async def body(response: httpx2.Response, largest: int) -> bytes | None:
    """All of it; None if it is larger. Raises `FAULTS`."""
    found = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            found += chunk
            if len(found) > largest:
                await response.aclose()  # the next read fails; `break` would leave generators open
    except FAULTS:
        if len(found) <= largest:
            raise
    return bytes(found) if len(found) <= largest else None
