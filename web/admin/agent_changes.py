"""Changes of the agents that operators have added, one at a time."""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class AgentChanges:
    """Changes of agents in the order of asking, each as a whole: else what is stored and what is hosted would differ.

    `texts` are the settings of those that are in the store, as they were last acted on.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._line: deque[trio.Event] = deque()  # the first of them is made now

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the changes before this one. Who hangs up then cancels nothing: it takes as long as ends of runs do."""
        mine = trio.Event()
        self._line.append(mine)
        try:
            self._line[0].set()
            await mine.wait()
            with trio.CancelScope(shield=True):
                yield
        finally:
            self._line.remove(mine)
            if self._line:
                self._line[0].set()
