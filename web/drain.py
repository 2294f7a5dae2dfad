"""The end of a server's life: no new work, what was accepted is committed, everybody is told when to come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .socket import retry_reason

if TYPE_CHECKING:
    from .http import Parts
    from .socket import Connection

LAST_WORD = 2.0  # seconds in which a peer takes and says nothing: a drain waits for it no longer


async def drain(parts: Parts) -> None:
    """No new work; what was accepted is committed; each client is told when to come back. Takes `drain_timeout` at most."""
    parts.ready = False
    limits, wire = parts.settings.limits, parts.wire
    pause = 1 / limits.reconnect_rate
    spread = max(1.0, len(wire) * pause)
    parts.directory.draining = lambda: (
        limits.restart_time + parts.directory.sources.chance() * spread
    )
    deadline = trio.current_time() + limits.drain_timeout
    with trio.move_on_at(deadline):
        while not all(actor.idle for actor in parts.directory):  # noqa: ASYNC110  # once a life: no event
            await trio.sleep(0.01)
    for place, connection in enumerate(list(wire)):
        connection.close(4000, retry_reason(limits.restart_time + place * pause))
    closed_at = trio.current_time()
    with trio.move_on_at(deadline):
        while any(_takes_leave(connection, closed_at) for connection in wire):  # noqa: ASYNC110  # likewise
            await trio.sleep(0.01)


def _takes_leave(connection: Connection, closed_at: float) -> bool:
    """Whether a peer has been seen to take something, or could have answered, a moment ago."""
    last = max(connection.stalled_since or 0.0, closed_at)
    return trio.current_time() < last + LAST_WORD
