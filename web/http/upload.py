"""Bodies that are read as they come, never whole in memory: those of uploads.

Quart keeps all of a body that has come and was not read, and takes it as fast as it comes. So a gate lets the connection wait
until the route has taken what is there; the client's TCP then waits, too.
"""

from __future__ import annotations

import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

import trio
from quart_trio.wrappers.request import TrioRequest
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, File, MultipartDecoder, NeedData

from salon.actors.refusals import Code, Refusal

from .request import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from quart import Request

STREAMED = re.compile("/chat/[^/]+/files")  # the paths whose POST is an upload
UNREAD = 262_144  # bytes of a body that have come and were not taken: four pieces of the network
FORM = 65_536  # bytes of a form around its file: names and headers
DECODED = 1_048_576  # bytes in the decoder of a form: several times what one piece has
GATE = "salon_body_gate"


class BodyGate:
    """Bounds how much of a body has come and was not taken."""

    def __init__(self) -> None:
        self._unread = 0
        self._dropped = False
        self._room = trio.Event()

    async def room(self) -> None:
        """Wait until more of the body may come."""
        while self._unread > UNREAD and not self._dropped:
            self._room = trio.Event()
            await self._room.wait()

    def passed(self, message: Any) -> Any:
        """A piece of the body as Quart may have it: without bytes, once the body is dropped."""
        if self._dropped:
            return {**message, "body": b""}
        self._unread += len(message.get("body", b""))
        return message

    def drop(self) -> None:
        """Let the rest of the body come, and drop it: Hypercorn cannot close a connection whose body nobody takes."""
        self._dropped = True
        self._unread = 0
        self._room.set()

    def took(self, size: int) -> None:
        """Record that bytes were taken."""
        self._unread -= size
        if self._unread <= UNREAD:
            self._room.set()


class SalonRequest(TrioRequest):
    """A request; the body of an upload has the limit of its own that its route sets."""

    def __init__(self, method: str, scheme: str, path: str, *args: Any, **options: Any) -> None:
        if is_upload(method, path):
            options["max_content_length"] = None
        super().__init__(method, scheme, path, *args, **options)


class Sent(NamedTuple):
    """A file in a body: its name, if the client has given one, and its bytes as they come."""

    name: str
    pieces: AsyncGenerator[bytes]
    announced: int | None  # bytes


def is_upload(method: str | None, path: str) -> bool:
    """Whether a request is an upload, whose body goes through a gate."""
    return method == "POST" and STREAMED.fullmatch(path) is not None


def gate_of(scope: Any) -> BodyGate | None:
    """A new gate for a request that is an upload; None for any other."""
    if not is_upload(scope.get("method"), scope["path"]):
        return None
    gate = scope["state"][GATE] = BodyGate()
    return gate


def gate_before(request: Request) -> BodyGate | None:
    """The gate that this request's body goes through, if it is an upload."""
    gate: BodyGate | None = request.scope["state"].get(GATE)
    return gate


async def taken(request: Request) -> AsyncGenerator[bytes]:
    """The pieces of a body as they come. After the end there are none."""
    gate = gate_before(request)
    async for piece in request.body:
        if gate is not None:
            gate.took(len(piece))
        yield piece


async def sent_file(request: Request, name: str | None, most: int) -> Sent:
    """The file in a request: the whole body, or the first file of a form.

    `name` is what the query has given; `most` bounds the bytes of the file, 0 for no bound. Raises the refusal of a broken form.
    """
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    if kind != "multipart/form-data":
        return Sent(name or "", taken(request), request.content_length)
    boundary = options.get("boundary", "")
    if not boundary:
        raise _broken("its Content-Type has no boundary")
    decoder = MultipartDecoder(boundary.encode(), max_form_memory_size=DECODED, max_parts=100)
    source = taken(request)
    try:
        filename = await _find_file(decoder, source)
    except Refused:
        await source.aclose()
        raise
    whole = request.content_length
    # What is around the file is not known: only a body that is too large in any case is refused at once.
    too_large = most and whole is not None and whole > most + FORM
    return Sent(name or filename, _file_pieces(decoder, source), whole if too_large else None)


async def _find_file(decoder: MultipartDecoder, source: AsyncGenerator[bytes]) -> str:
    while True:
        event = await _next_event(decoder, source)
        if isinstance(event, File):
            return event.filename
        if isinstance(event, Epilogue):
            raise _broken("the form has no file in it")


async def _file_pieces(
    decoder: MultipartDecoder, source: AsyncGenerator[bytes]
) -> AsyncGenerator[bytes]:
    more = True
    async with aclosing(source):
        while more:
            event = await _next_event(decoder, source)
            if not isinstance(event, Data):
                raise _broken("the form ends within its file")
            more = event.more_data
            if event.data:
                yield bytes(event.data)


async def _next_event(decoder: MultipartDecoder, source: AsyncGenerator[bytes]) -> object:
    try:
        while isinstance(event := decoder.next_event(), NeedData):
            decoder.receive_data(await anext(source, None))
    except (ValueError, RequestEntityTooLarge):
        raise _broken("the form is not one of RFC 7578") from None
    return event


def _broken(problem: str) -> Refused:
    return Refused(Refusal(Code.MALFORMED_REQUEST, {"problem": problem}))
