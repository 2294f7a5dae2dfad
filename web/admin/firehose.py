"""The log of all conversations in the order of its commits, as lines of JSON that never end: for data warehouses.

The next page is read when the client has taken the last one. Nothing is queued for a client that reads slowly, and commits do
not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from quart import Blueprint, Response
from quart_schema import document_querystring, document_response, tag

from salon.actors.refusals import Code, Refusal
from salon.actors.store import StoreError

from ..http import LogLines, Refused, query, refusals
from ..socket import compact, timestamp
from .webhook_schemas import FirehoseQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from salon.actors.log import LogEntry

    from ..identity import Identity
    from .parts import AdminParts

READERS = 8  # each reads the whole log
RETRY = 5.0  # seconds until a refused reader retries: by then a write has detected any lost one
MOMENT = 0.02  # seconds between two reads: many commits are one page
BEAT = 10.0  # seconds without a line: proxies and the HTTP stream close silent connections


def firehose_routes(parts: AdminParts) -> Blueprint:
    """The route of the log."""
    routes = Blueprint("firehose", __name__, url_prefix="/admin")
    readers = 0

    @routes.get("/log")
    @tag(["admin"])
    @document_querystring(FirehoseQuery)
    @document_response(LogLines)
    @refusals(Code.FORBIDDEN, Code.TOO_MANY_CONNECTIONS)
    async def log() -> Response:
        """Stream the events of all conversations in the order of their commits, as JSON lines. The audit records this access."""
        operator, asked = parts.admin(), query(FirehoseQuery)
        if readers >= READERS:
            facts = {"limit": READERS}
            raise Refused(
                Refusal(Code.TOO_MANY_CONNECTIONS, facts, retry_after=RETRY, scope="server")
            )
        parts.audit.note_reading(operator, "the log of all conversations")
        response = Response(counted(operator, asked), content_type="application/x-ndjson")
        response.timeout = None
        response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the lines back
        return response

    async def counted(operator: Identity, asked: FirehoseQuery) -> AsyncIterator[bytes]:
        nonlocal readers
        readers += 1
        try:
            async for piece in _lines(parts, operator, asked):
                yield piece
        finally:
            readers -= 1

    return routes


async def _lines(
    parts: AdminParts, operator: Identity, asked: FirehoseQuery
) -> AsyncIterator[bytes]:
    after = asked.after
    while not parts.stop.is_set() and parts.identities.holds(operator):
        grown = parts.tail.grown
        try:
            page = await parts.log.common_log(after).wait()
        except StoreError as error:
            parts.directory.report(error)
            return  # the client goes on with the last position
        if page.entries:
            yield b"".join(map(_line, page.entries))
        if page.through == after:
            if not asked.follow:
                return
            with trio.move_on_after(BEAT) as waited:
                await grown.wait()
                await trio.sleep(MOMENT)
            if waited.cancelled_caught:
                yield _position(after)
        elif not page.entries:
            yield _position(page.through)
        after = page.through


def _line(entry: LogEntry) -> bytes:
    head = compact(
        {
            "position": entry.position,
            "conversation_id": entry.conversation_id,
            "sequence_id": entry.record.sequence,
            "timestamp": timestamp(entry.record.at),
        }
    )
    return b'%b,"data":%b}\n' % (head[:-1].encode(), entry.record.body)


def _position(position: int) -> bytes:
    """A line without an event: everything up to this place has been sent."""
    return f'{{"position":{position}}}\n'.encode()
