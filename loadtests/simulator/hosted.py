"""An agent that the server hosts: its model speaks with pauses, now and then too late, broken, or not at all, and calls tools.

One of its tools needs a person's approval: it must not be called without, and not twice.
"""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import trio

from salon.web.agents import Offer, ToolCall, ToolResult, UpstreamError
from salon.web.settings import AgentSettings

from .plan import CALLS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

    from salon.web.agents import Piece, Prompt

HOSTED, TOOLS = "hal", "till"
LOOK, PAY = "look", "pay"  # the second waits for a person
ROUNDS = 3  # of tool calls in one answer, at most
WORDS = 12  # of an answer, at most
PAUSE = 0.4  # seconds between two words, at most
LONG = 60.0  # seconds of a long silence, at most: more than the times that follow
LIMITS = {"first_word_timeout": 10, "timeout": 30, "limits": {"runs": 2, "waiting": 4}}
MUCH = 10**9  # tokens of a budget that nobody uses up, but that is looked at


def hosted_agent(seed: int) -> AgentSettings:
    """The agent's settings; they make it answer other agents, and every second seed restart."""
    steering = "restart" if seed % 2 else "queue"
    more = {"agents_may_call": CALLS, "steering": steering, "approval_timeout": 20, **LIMITS}
    where = {"kind": "openai", "endpoint": "http://model/v1", "model": "m"}
    tools = [{"mcp": TOOLS, "allow": [LOOK]}]
    budgets = [{"per": "person", "tokens": MUCH}, {"per": "conversation", "runs": MUCH}]
    fields = {"id": HOSTED, "name": HOSTED.title(), **where, "tools": tools, "budgets": budgets}
    return AgentSettings.model_validate({**fields, **more})


def tools_agent() -> AgentSettings:
    """The settings of its tools; no conversation has them as a member."""
    return AgentSettings.model_validate(
        {"id": TOOLS, "name": "Till", "kind": "mcp", "endpoint": "http://tools/mcp"}
    )


class Till:
    """The tools' server. `allow` is told of each decision that somebody makes who may."""

    def __init__(self, seed: int, peaceful: Callable[[], bool]) -> None:
        self._seed, self._peaceful = seed, peaceful
        self._allowed: set[str] = set()
        self._paid: list[str] = []

    def allow(self, ticket: str) -> None:
        """Note that somebody allows a payment; the server may have heard of it or not."""
        self._allowed.add(ticket)

    def wrong(self) -> Iterator[str]:
        """Payments that were made without approval, or twice."""
        for ticket in self._paid:
            if ticket not in self._allowed:
                yield f"{ticket} was paid, and nobody has allowed it"
            if self._paid.count(ticket) > 1:
                yield f"{ticket} was paid more than once"

    async def run(self) -> None:
        """There is no session."""
        await trio.sleep_forever()

    async def tools(self) -> list[Offer]:
        """Both tools."""
        if not self._peaceful() and self._chance().random() < 0.05:
            raise UpstreamError("it was told to")
        return [Offer(LOOK, "Looks.", {}), Offer(PAY, "Pays.", {})]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call one, which takes some time."""
        if name == PAY:
            self._paid.append(str(arguments["ticket"]))
        await trio.sleep(PAUSE * self._chance().random())
        return ToolResult("done")

    def _chance(self) -> Random:
        return Random(f"tools {self._seed} {trio.current_time()}")


class SimulatedModel:
    """Speaks as the seed says. `others` are the names of agents whom it may mention; it is quick once `peaceful` is true.

    `said_in` gives what was said in a conversation and was not deleted: it must be told nothing else.
    """

    def __init__(
        self,
        seed: int,
        others: tuple[str, ...],
        peaceful: Callable[[], bool],
        said_in: Callable[[str], set[str]],
    ) -> None:
        self._seed, self._others, self._peaceful = seed, others, peaceful
        self._said_in = said_in
        self.leaks: list[str] = []

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yield the words of an answer, or calls of tools."""
        self._check(prompt)
        chance = Random(f"hosted {self._seed} {prompt.sequence} {trio.current_time()}")
        likely = 0.8 if prompt.rounds else 0.4  # one call often follows another
        if prompt.tools and len(prompt.rounds) < ROUNDS and chance.random() < likely:
            ticket = f"{prompt.conversation_id} {prompt.sequence} at {trio.current_time()}"
            name = chance.choice((LOOK, PAY, PAY))
            yield ToolCall("the same id", name, json.dumps({"ticket": ticket}))
            return
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

    def _check(self, prompt: Prompt) -> None:
        said = self._said_in(prompt.conversation_id)
        told = [prompt.asked, *prompt.previous]
        for each in prompt.messages:
            lines = each.text.splitlines()
            told += [json.loads(line)["text"] for line in lines] if each.role == "user" else lines
        for text in told:
            if text not in said:
                self.leaks.append(f"in {prompt.conversation_id} a model was told {text!r}")

    async def close(self) -> None:
        """Nothing is open."""
