"""An agent's program: the real client, which answers what it is asked, now and then badly, and is stopped and started."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import trio

from salon.web.client import Closed, Gap, Refused, Unreachable

if TYPE_CHECKING:
    from salon.web.client import Conversation, Request

    from .person import Person

WORDS = 12  # of an answer, at most
PAUSE = 0.4  # seconds between two words, at most
LONG = 45.0  # seconds of a long silence, at most: more than the grace
AT_ONCE = 3  # answers at once


class Stumble(Exception):
    """A bug of the agent's own, in the midst of an answer."""


class AgentProgram:
    """One agent in one conversation. `others` are the names of agents whom its answers may mention."""

    def __init__(
        self, person: Person, conversation_id: str, others: tuple[str, ...], seed: int
    ) -> None:
        self.person = person
        self.conversation_id = conversation_id
        self.conversation: Conversation | None = None
        self._others = others
        self._chance = Random(f"agent {person.person} {conversation_id} {seed}")
        self._scope = trio.CancelScope()
        self._away = 0.0
        self.peaceful = False

    def stop(self, seconds: float) -> None:
        """End the program at once; it is started again after so many seconds."""
        self._away = seconds
        self._scope.cancel()

    async def run(self) -> None:
        """Run the program, and again whenever it has ended, until cancelled."""
        while True:
            with trio.CancelScope() as self._scope, suppress(Closed, Refused, Gap, Unreachable):
                await self._live()
            self.conversation = None
            await trio.sleep(0 if self.peaceful else self._away)
            self._away = 1.0

    async def _live(self) -> None:
        async with self.person.conversation(self.conversation_id) as conversation:
            self.conversation = conversation
            limit = trio.CapacityLimiter(AT_ONCE)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, conversation)
                async for request in conversation.requests():
                    nursery.start_soon(self._answer, request, limit)

    async def _listen(self, conversation: Conversation) -> None:
        with suppress(Closed, Refused, Gap):
            async for _ in conversation:
                pass

    async def _answer(self, request: Request, limit: trio.CapacityLimiter) -> None:
        chance = self._chance
        with suppress(Closed, Refused, Stumble, ValueError):
            async with limit, request.run() as run:
                if chance.random() < 0.3:
                    run.status("thinking", f"about {request.message_id}")
                for number in range(chance.randrange(WORDS)):
                    await run.say(f"{number} 😀 of {request.run_id}, ")
                    if not self.peaceful:
                        await self._rest()
                for other in self._others:
                    if chance.random() < 0.7:
                        await run.say(f"@{other}")

    async def _rest(self) -> None:
        chance = self._chance
        if chance.random() < 0.02:
            raise Stumble
        long = chance.random() < 0.02
        await trio.sleep(chance.random() * (LONG if long else PAUSE))
