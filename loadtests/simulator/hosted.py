"""The model of an agent that the server hosts: it speaks in words with pauses, now and then too late, broken, or not at all."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import trio

from salon.web.agents import UpstreamError
from salon.web.settings import AgentSettings

from .plan import CALLS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from salon.web.agents import Prompt

HOSTED = "hal"
WORDS = 12  # of an answer, at most
PAUSE = 0.4  # seconds between two words, at most
LONG = 60.0  # seconds of a long silence, at most: more than the times that follow
LIMITS = {"first_word_timeout": 10, "timeout": 30, "limits": {"runs": 2, "waiting": 4}}


def hosted_agent(seed: int) -> AgentSettings:
    """The agent's settings; they make it answer other agents, and every second seed restart."""
    steering = "restart" if seed % 2 else "queue"
    more = {"agents_may_call": CALLS, "steering": steering, **LIMITS}
    return AgentSettings.model_validate(
        {"id": HOSTED, "name": HOSTED.title(), "kind": "echo", **more}
    )


class SimulatedModel:
    """Speaks as the seed says. `others` are the names of agents whom it may mention; it is quick once `peaceful` is true."""

    def __init__(self, seed: int, others: tuple[str, ...], peaceful: Callable[[], bool]) -> None:
        self._seed, self._others, self._peaceful = seed, others, peaceful

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | dict[str, Any]]:
        """Yield the words of an answer."""
        chance = Random(f"hosted {self._seed} {prompt.sequence} {trio.current_time()}")
        for number in range(chance.randrange(WORDS)):
            if not self._peaceful():
                if chance.random() < 0.02:
                    raise UpstreamError("it was told to", 1.0)
                long = chance.random() < 0.03
                await trio.sleep(chance.random() * (LONG if long else PAUSE))
            yield f"{number} 😀 after {prompt.sequence}, "
        for other in self._others:
            if chance.random() < 0.7:
                yield f"@{other}"

    async def close(self) -> None:
        """Nothing is open."""
