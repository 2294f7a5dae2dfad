"""The drain at shutdown: new work is refused, accepted work is committed and sent, and clients are told when to reconnect."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import trio

from .socket import Phase, retry_reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .http import Parts
    from .socket import Connection

LOOK = 0.01  # seconds between two checks of the remaining work
LAST_WORD = 2.0  # seconds for a peer that has been sent everything to answer the close frame


async def drain(parts: Parts) -> None:
    """Refuse new work, commit accepted work, send each client its events, then tell the client when to reconnect.

    A node that has left its cluster refuses nothing: whoever is still here is served by the others through it.

    This takes `drain_timeout` at most. A reader that has not been sent everything by then is closed even so.
    """
    parts.ready = False
    limits, wire = parts.settings.limits, parts.wire
    pause = 1 / limits.reconnect_rate
    spread = max(1.0, len(wire) * pause)
    parts.directory.draining = lambda: (
        limits.restart_time + parts.directory.sources.chance() * spread
    )
    parts.directory.save_runs()
    # Reconnect times increase in the order of closing, so that no two clients reconnect at once.
    places = (limits.restart_time + number * pause for number in count())
    with trio.move_on_after(limits.drain_timeout):
        while not _is_at_rest(parts):  # noqa: ASYNC110  # once per process: not worth an event
            await trio.sleep(LOOK)
        closed: dict[Connection, float] = {}
        while _close_those_served(parts, places, closed):  # noqa: ASYNC110  # likewise
            await trio.sleep(LOOK)
    for connection in list(wire):
        _close(connection, places)


def _is_at_rest(parts: Parts) -> bool:
    """Whether all accepted work is done here, or is that of other nodes."""
    return parts.directory.has_left or all(actor.idle for actor in parts.directory)


def _close_those_served(
    parts: Parts, places: Iterator[float], closed: dict[Connection, float]
) -> bool:
    """Close each connection that has been sent everything; whether any is left to wait for.

    `closed` holds the time since which each connection is closing.
    """
    now = trio.current_time()
    left = False
    for connection in list(parts.wire):
        if connection.phase is Phase.OPEN and _has_everything(parts, connection):
            _close(connection, places)
        if connection.phase is Phase.OPEN:
            left = True
        elif connection.phase is Phase.CLOSING:
            left = left or now < closed.setdefault(connection, now) + LAST_WORD
    return left


def _has_everything(parts: Parts, connection: Connection) -> bool:
    """Whether all committed events have been sent to a connection and have reached its peer."""
    participant = parts.directory.participants.get(connection.participant.id)
    if participant is not None and not participant.idle:
        return False
    conversation = parts.directory.attended(connection.conversation_id)
    if conversation is not None and conversation.owes(connection):
        return False
    return not connection.on_its_way


def _close(connection: Connection, places: Iterator[float]) -> None:
    if connection.phase is Phase.OPEN:
        connection.close(4000, retry_reason(next(places)))
