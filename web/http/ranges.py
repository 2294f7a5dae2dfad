"""Conditional requests and ranges of a content that never changes (RFC 9110, 13 and 14)."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from quart import Response
from werkzeug.http import quote_etag
from werkzeug.sansio.http import is_resource_modified

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from quart import Request


class Part(NamedTuple):
    """What of a content is to be sent: bytes from `start` up to `end`; `partial` if a range was asked for."""

    start: int
    end: int
    partial: bool


def wanted(request: Request, etag: str, size: int) -> Part | int:
    """The part that a request asks for; or the status of an answer without a body: 304 or 416.

    Several ranges at once are answered by the whole, as a server may.
    """
    headers = request.headers
    if not is_resource_modified(
        http_if_none_match=headers.get("If-None-Match"), etag=etag, ignore_if_range=True
    ):
        return 304
    asked = request.range
    condition = headers.get("If-Range")
    if (
        asked is None
        or asked.units != "bytes"
        or len(asked.ranges) != 1
        or (condition is not None and condition.strip() != quote_etag(etag))
    ):
        return Part(0, size, False)
    found = asked.range_for_length(size)
    return 416 if found is None else Part(*found, True)


async def content_answer(
    request: Request,
    etag: str,
    size: int,
    read: Callable[[int, int], AsyncGenerator[bytes]],
    headers: dict[str, str],
) -> Response:
    """The answer with the content, with a part of it, or without, as the request asks. `read` gives the bytes of a part.

    What `read` raises before its first piece is raised here: it can still be answered by a refusal.
    """
    part = wanted(request, etag, size)
    if isinstance(part, int):
        response = Response(b"", part)
        response.headers.pop("Content-Type", None)
        if part == 416:
            response.headers["Content-Range"] = f"bytes */{size}"
    else:
        status = 206 if part.partial else 200
        if request.method == "HEAD":
            response = Response(b"", status)
        else:
            pieces = read(part.start, part.end)
            response = Response(_all(await anext(pieces, b""), pieces), status)
        response.headers["Content-Length"] = str(part.end - part.start)
        if part.partial:
            response.headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size}"
        response.headers.update(headers)
    response.timeout = None  # a slow reader may take long; each piece has its own bound
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = quote_etag(etag)
    response.headers["Cache-Control"] = (
        "private, no-cache"  # asked again each time: may the caller still see it?
    )
    return response


async def _all(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece
