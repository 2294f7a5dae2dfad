"""Files on their way to a server and from it: one HTTP exchange each, of which no more than a piece is in memory."""

from __future__ import annotations

import math
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import NamedTuple

import anyio
import h11

from .rules import Unreachable
from .wire import (
    LEAST_REFUSAL,
    Dial,
    Headers,
    Response,
    Stream,
    Target,
    close_at_once,
    next_bytes,
    open_stream,
    reaching,
)

# What is uploaded: a file by its path, bytes, or pieces of bytes as they come
Source = str | os.PathLike[str] | bytes | AsyncIterable[bytes]
# Called after each piece with the bytes sent or received so far, and with all of them, None where nobody knows
Progress = Callable[[int, int | None], object]

PIECE = 65_536  # bytes
PARTIAL = 206  # status of HTTP


class Download(NamedTuple):
    """A file on its way: the bytes that it has in all, what it is, and its bytes as they come."""

    size: int
    media_type: str
    pieces: AsyncIterator[bytes]


class Exchange:
    """One request on a stream of its own. Each step takes `patience` seconds at most."""

    def __init__(self, stream: Stream, target: Target, patience: float) -> None:
        self._stream = stream
        self._target = target
        self._patience = patience
        self._connection = h11.Connection(h11.CLIENT)
        self._answer_time = anyio.CancelScope()

    async def ask(self, method: str, headers: Headers) -> None:
        """Send the head of the request."""
        named = [("Host", self._target.authority), *headers, ("Connection", "close")]
        line = self._target.request_line
        await self._send(h11.Request(method=method, target=line, headers=named))

    async def send(self, source: AsyncIterable[bytes], size: int | None, told: Progress) -> None:
        """Send the body, as fast as it is taken."""
        sent = 0
        async for piece in source:
            for at in range(0, len(piece), PIECE):
                part = piece[at : at + PIECE]
                await self._send(h11.Data(part))
                sent += len(part)
                told(sent, size)
        await self.finish()

    async def finish(self) -> None:
        """End the request."""
        await self._send(h11.EndOfMessage())

    def has_sent(self) -> None:
        """Bound the time for the answer: the request has been sent."""
        self._answer_time.deadline = anyio.current_time() + self._patience

    async def head(self) -> h11.Response:
        """The head of the answer; waits without a bound before `has_sent`."""
        with reaching(self._target, math.inf), self._answer_time:
            while True:
                event = await self._event()
                if isinstance(event, h11.Response):
                    return event
        raise Unreachable(f"{self._target.authority}: no answer in time")

    @asynccontextmanager
    async def got(self, headers: Headers, start: int) -> AsyncIterator[Download]:
        """What a GET is answered with, from byte `start` on. Raises Refused."""
        await self.ask("GET", headers)
        await self.finish()
        self.has_sent()
        head = await self.head()
        if head.status_code >= LEAST_REFUSAL:
            raise (await self._response(head)).refused()
        named = {n.decode("latin-1").lower(): v.decode("latin-1") for n, v in head.headers}
        if start and head.status_code != PARTIAL:
            raise Unreachable(f"{self._target.authority}: no part of the file is given out")
        size = start + int(named.get("content-length", 0))
        async with aclosing(self.pieces()) as pieces:
            yield Download(size, named.get("content-type", ""), pieces)

    async def answer(self) -> Response:
        """The answer with all of its body, for one that is small."""
        return await self._response(await self.head())

    async def _response(self, head: h11.Response) -> Response:
        body = b"".join([piece async for piece in self.pieces()])
        headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in head.headers)
        return Response(head.status_code, headers, body)

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body of the answer. Raises Unreachable where it ends too early."""
        while True:
            with reaching(self._target, self._patience):
                event = await self._event()
            if isinstance(event, h11.EndOfMessage):
                return
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    async def _send(self, event: h11.Event) -> None:
        try:
            data = self._connection.send(event)
        except h11.LocalProtocolError:
            raise ValueError("the body is not as long as was said, or a header is none") from None
        if data:
            with reaching(self._target, self._patience):
                await self._stream.send(data)

    async def _event(self) -> object:
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            self._connection.receive_data(await next_bytes(self._stream))
        return event


@asynccontextmanager
async def exchange(
    url: str, dial: Dial | None, tls: ssl.SSLContext | None, patience: float
) -> AsyncIterator[Exchange]:
    """A connection for one request."""
    target = Target.of(url)
    with reaching(target, patience):
        stream = await open_stream(target, dial, tls)
    try:
        yield Exchange(stream, target, patience)
    finally:
        await close_at_once(stream)


@asynccontextmanager
async def download(
    made: AbstractAsyncContextManager[Exchange], headers: Headers, start: int
) -> AsyncIterator[Download]:
    """The file that a GET on this connection is answered with, from byte `start` on. Raises Refused."""
    async with made as asked, asked.got(headers, start) as file:
        yield file


async def upload(
    asked: Exchange, headers: Headers, source: Source, size: int | None, progress: Progress
) -> Response:
    """Send a body while the answer is awaited: a server that refuses it need not read it all."""
    if isinstance(source, str | os.PathLike):
        size = (await anyio.Path(source).stat()).st_size
    elif isinstance(source, bytes):
        size = len(source)
    length = ("Transfer-Encoding", "chunked") if size is None else ("Content-Length", str(size))
    await asked.ask("POST", [*headers, ("Content-Type", "application/octet-stream"), length])
    failure: Exception | None = None
    response: Response | None = None
    async with anyio.create_task_group() as tasks:

        async def send() -> None:
            nonlocal failure
            try:
                async with aclosing(_pieces(source)) as pieces:
                    with suppress(Unreachable):  # perhaps there is an answer that says why
                        await asked.send(pieces, size, progress)
            except Exception as error:
                failure = error
                tasks.cancel_scope.cancel()
            asked.has_sent()

        tasks.start_soon(send)
        try:
            response = await asked.answer()
        except Unreachable as error:
            failure = failure or error
        tasks.cancel_scope.cancel()
    if response is None:
        raise failure or Unreachable("no answer in time")
    return response


async def _pieces(source: Source) -> AsyncGenerator[bytes]:
    if isinstance(source, bytes):
        yield source
    elif isinstance(source, AsyncGenerator):
        async with aclosing(source):
            async for piece in source:
                yield piece
    elif isinstance(source, AsyncIterable):
        async for piece in source:
            yield piece
    else:
        async with await anyio.open_file(source, "rb") as file:
            while piece := await file.read(PIECE):
                yield piece
