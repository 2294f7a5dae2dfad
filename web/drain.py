"""The end of a server's life: no new work, what was accepted is committed and sent, everybody is told when to come back."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import trio

from .socket import Phase, retry_reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .http import Parts
    from .socket import Connection

LOOK = 0.01  # seconds between two looks at what is left to do
LAST_WORD = 2.0  # seconds that a peer which has been sent everything has to answer the close frame


async def drain(parts: Parts) -> None:
    """No new work; what was accepted is committed; each client is sent it, then told when to come back.

    It takes `drain_timeout` at most. A reader that has not been sent everything by then is closed all the same.
    """
    parts.ready = False
    limits, wire = parts.settings.limits, parts.wire
    pause = 1 / limits.reconnect_rate
    spread = max(1.0, len(wire) * pause)
    parts.directory.draining = lambda: (
        limits.restart_time + parts.directory.sources.chance() * spread
    )
    # Those that are closed later get later places, so that no two of them come back at once.
    places = (limits.restart_time + number * pause for number in count())
    with trio.move_on_after(limits.drain_timeout):
        while not all(actor.idle for actor in parts.directory):  # noqa: ASYNC110  # once a life: no event
            await trio.sleep(LOOK)
        closed: dict[Connection, float] = {}
        while _close_those_served(parts, places, closed):  # noqa: ASYNC110  # likewise
            await trio.sleep(LOOK)
    for connection in list(wire):
        _close(connection, places)


def _close_those_served(
    parts: Parts, places: Iterator[float], closed: dict[Connection, float]
) -> bool:
    """Close each connection that has everything; whether any is left to wait for. `closed` says since when each is closed."""
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
    """Whether nothing that was committed is still to be sent to a connection, and all of it has reached its peer."""
    participant = parts.directory.participants.get(connection.participant.id)
    if participant is not None and not participant.idle:
        return False
    conversation = parts.directory.active(connection.conversation_id)
    if conversation is not None and conversation.owes(connection):
        return False
    return not connection.on_its_way


def _close(connection: Connection, places: Iterator[float]) -> None:
    if connection.phase is Phase.OPEN:
        connection.close(4000, retry_reason(next(places)))
