"""What other nodes have decided: who is shut out, what is held, who is erased, which agents are hosted. Each node asks the store.

A node that decides something tells the others, who look at once. A word that is lost on the way costs a few seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from salon.actors.messages import Revoke
from salon.actors.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .cluster import ServingNode
    from .http import Parts
    from .identity import ShutOut

LOOK = 5.0  # seconds between two looks, beside being told
LOOK_DEAF = 1.0  # the same while the node does not reach NATS, and is told nothing
OVERLAP = 60_000  # milliseconds that two looks overlap: clocks of nodes differ


class Refresh:
    """Looks at the store, and is the only one that does. `run` has to run; `also` is done with each look."""

    def __init__(
        self, parts: Parts, node: ServingNode, also: Callable[[], Awaitable[None]]
    ) -> None:
        self._parts = parts
        self._node = node
        self._also = also
        self._asked = self._answered = 0
        self._looked = trio.Event()  # replaced with each look

    async def run(self) -> None:
        """Look whenever told, and every few seconds, until cancelled."""
        directory = self._node.directory
        while True:
            directory.told, asked, pause = trio.Event(), self._asked, LOOK
            try:
                await self._look()
            except StoreError as error:
                directory.report(error)
                pause = LOOK_DEAF
            else:
                self._answered = asked
                self._looked.set()
                self._looked = trio.Event()
            with trio.move_on_after(pause if self._node.link.works else LOOK_DEAF):
                await directory.told.wait()

    async def look(self) -> None:
        """Return once what others had decided when this was called holds here."""
        self._asked += 1
        mine = self._asked
        self._node.directory.told.set()
        while self._answered < mine:
            await self._looked.wait()

    async def _look(self) -> None:
        """Take what others have decided. Raises `StoreError`."""
        parts = self._parts
        since = parts.directory.sources.now() - OVERLAP - round(LOOK * 1000)
        self._close(await parts.identities.refresh(since))
        if parts.holds is not None:
            await parts.holds.load()
        if parts.erasures is not None:
            await parts.erasures.refresh()
        await self._also()

    def _close(self, shut_out: ShutOut) -> None:
        """Close the connections of those who were shut out."""
        directory = self._node.directory
        for connection in list(self._parts.wire):
            who = connection.participant.id
            if who in shut_out.blocked:
                directory.revoked(who, Revoke(blocked=True))
            elif connection.token_id is not None and (
                connection.token_id in shut_out.tokens or who in shut_out.revoked
            ):
                directory.revoked(who, Revoke(connection.token_id))
