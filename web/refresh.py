"""What other nodes have decided about people: who is shut out, what is held, who is erased. Each node asks the store.

A node that shuts somebody out tells the others, who close the connections and look at once. A word that is lost on the way costs
a few seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from salon.actors.messages import Revoke
from salon.actors.store import StoreError

if TYPE_CHECKING:
    from salon.actors.cluster.directory import ClusterDirectory

    from .http import Parts
    from .identity import ShutOut

LOOK = 5.0  # seconds between two looks, beside being told
OVERLAP = 60_000  # milliseconds that two looks overlap: clocks of nodes differ


async def refresh(parts: Parts, directory: ClusterDirectory) -> None:
    """Look whenever told, and every few seconds, until cancelled."""
    while True:
        directory.told = trio.Event()
        try:
            await look(parts, directory)
        except StoreError as error:
            directory.report(error)
        with trio.move_on_after(LOOK):
            await directory.told.wait()


async def look(parts: Parts, directory: ClusterDirectory) -> None:
    """Take what others have decided, and close the connections of those who were shut out. Raises `StoreError`."""
    since = parts.directory.sources.now() - OVERLAP - round(LOOK * 1000)
    close(parts, directory, await parts.identities.refresh(since))
    if parts.holds is not None:
        await parts.holds.load()
    if parts.erasures is not None:
        await parts.erasures.refresh()


def close(parts: Parts, directory: ClusterDirectory, shut_out: ShutOut) -> None:
    """Close the connections of those who were shut out."""
    for connection in list(parts.wire):
        who = connection.participant.id
        if who in shut_out.blocked:
            directory.revoked(who, Revoke(blocked=True))
        elif connection.token_id is not None and (
            connection.token_id in shut_out.tokens or who in shut_out.revoked
        ):
            directory.revoked(who, Revoke(connection.token_id))
