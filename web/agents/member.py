"""One hosted agent: its settings, its upstream and tools, and the queue of what it is asked."""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from salon.actors.agent_host import Answering
from salon.actors.requests import OPEN_REQUESTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from salon.actors.store import RunAccount

    from ..settings import AgentSettings
    from .endpoint import Endpoint
    from .upstream import Upstream


@dataclass(slots=True)
class AgentMeter:
    """What an agent has used since the start of the server. `cost` is in millionths."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0
    first_words: int = 0
    first_word_seconds: float = 0.0

    def add(self, account: RunAccount) -> None:
        """Count one run."""
        self.input_tokens += account.input_tokens
        self.output_tokens += account.output_tokens
        self.cost += account.cost
        if account.first_word is not None:
            self.first_words += 1
            self.first_word_seconds += account.first_word / 1000


class HostedAgent:
    """One hosted agent, and what it may do at the same time."""

    def __init__(
        self, settings: AgentSettings, upstream: Upstream, endpoint: Endpoint, *, added: bool
    ) -> None:
        self.added = added  # by an operator, while the server runs
        self.settings = settings
        self.upstream = upstream
        self.endpoint = endpoint
        self.answering = Answering(settings.trigger, settings.agents_may_call, settings.steering)
        self.meter = AgentMeter()
        self._places = trio.CapacityLimiter(settings.limits.runs)
        # By conversation: what has to be answered there, the first of it now
        self._queues: dict[str, deque[trio.Event]] = {}

    @property
    def running(self) -> int:
        """Answers that are being made."""
        return int(self._places.borrowed_tokens)

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return sum(map(len, self._queues.values())) - self.running

    def busy(self, conversation_id: str) -> bool:
        """Whether it has something to do there."""
        return conversation_id in self._queues

    def line_up(self, conversation_id: str) -> trio.Event | None:
        """The next place in a conversation's queue, in the order of asking; None if it has too much to do already."""
        queue, limits = self._queues.get(conversation_id), self.settings.limits
        if queue is None:
            if len(self._queues) >= limits.runs + limits.waiting:
                return None
            queue = self._queues[conversation_id] = deque()
        elif len(queue) >= OPEN_REQUESTS:
            return None
        mine = trio.Event()
        queue.append(mine)
        queue[0].set()
        return mine

    @asynccontextmanager
    async def turn(self, conversation_id: str, mine: trio.Event) -> AsyncIterator[None]:
        """Wait until it has answered what it was asked before in the conversation, then for a place here and at the endpoint."""
        queue = self._queues[conversation_id]
        try:
            await mine.wait()
            async with self._places, self.endpoint.places:
                yield
        finally:
            queue.remove(mine)
            if queue:
                queue[0].set()
            else:
                del self._queues[conversation_id]
