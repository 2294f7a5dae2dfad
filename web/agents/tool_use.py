"""A model that uses tools: what it calls is called, if a person or the configuration allows it, and it is told the results."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from .pieces import Activity, Round, ToolCall, UpstreamError
from .retrying import retried
from .toolbox import NO_OBJECT, RESULT_LENGTH, ToolResult, cut, plain_arguments

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from .pieces import Piece
    from .prompt import Prompt
    from .toolbox import Tool
    from .upstream import Upstream

CALLS = 8  # of one round: a model that wants more of them at once has lost its way
USED_KEPT = 20  # tools that the message names
CONFIGURATION = "configuration"


class Used(NamedTuple):
    """A tool that was called, and who allowed it: a participant's id, or the configuration."""

    tool: str
    by: str


class ToolUse:
    """The tools of one answer. `ask` asks people to allow a call, and gives the id of who did, or None.

    `told` is called with each prompt before the model is. `renewed` gives the prompt again, without what was deleted since, or
    None where nobody asks any more. `calls` counts the tools that were called, `used` lists the first of
    them.
    """

    def __init__(
        self,
        box: Mapping[str, Tool],
        rounds: int,
        ask: Callable[[Tool, ToolCall], Awaitable[str | None]],
        told: Callable[[Prompt], None],
        renewed: Callable[[Prompt], Awaitable[Prompt | None]],
    ) -> None:
        self.used: list[Used] = []
        self.calls = 0
        self._box = box
        self._rounds = rounds
        self._ask = ask
        self._told = told
        self._renewed = renewed

    async def stream(self, upstream: Upstream, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yield what the model says, over as many rounds as it needs and may have. Raises `UpstreamError`."""
        asked = self._asked(prompt)
        for round_ in range(self._rounds + 1):
            text, calls = "", list[ToolCall]()
            async with aclosing(retried(self._attempts(upstream, asked))) as pieces:
                async for piece in pieces:
                    if isinstance(piece, ToolCall):
                        calls.append(piece)
                        continue
                    if isinstance(piece, str):
                        text += piece
                    yield piece
            if not calls or round_ == self._rounds:
                return
            results = []
            for call in calls[:CALLS]:
                yield Activity("tool", call.name if call.name in self._box else None)
                results.append(await self._call(call))
            made = Round(text, tuple(calls[:CALLS]), tuple(results))
            asked = self._asked(prompt := prompt._replace(rounds=(*prompt.rounds, made)))
            yield Activity("thinking")

    def _attempts(self, upstream: Upstream, asked: Prompt) -> Callable[[], AsyncGenerator[Piece]]:
        """What gives the pieces of one attempt after the other. Each has what is said at its time, and nothing deleted."""
        # To ask for the tools, to wait for a person and to call them takes time; and so does the pause after a failure.
        fresh = not self._box

        async def attempt() -> AsyncGenerator[Piece]:
            nonlocal fresh
            told: Prompt | None = asked
            if not fresh:
                told = await self._renewed(asked)
            fresh = False
            if told is None:
                return
            told = told._replace(rounds=asked.rounds, tools=asked.tools)
            async with aclosing(upstream.stream(told)) as pieces:
                async for piece in pieces:
                    yield piece

        return attempt

    def _asked(self, prompt: Prompt) -> Prompt:
        """The prompt with the tools, if the model may call more of them."""
        if len(prompt.rounds) < self._rounds:
            prompt = prompt._replace(tools=tuple(each.offer for each in self._box.values()))
        self._told(prompt)
        return prompt

    async def _call(self, call: ToolCall) -> str:
        """The result as the model is told it: as data, whatever it says."""
        tool = self._box.get(call.name)
        if tool is None:
            return _told(ToolResult("There is no such tool.", failed=True))
        arguments = plain_arguments(call.arguments)
        if arguments is None:
            return _told(ToolResult(NO_OBJECT, failed=True))
        call = call._replace(arguments=arguments)
        by = CONFIGURATION if tool.allowed else await self._ask(tool, call)
        if by is None:
            return _told(ToolResult("Nobody has allowed this call. Do not try it again.", True))
        self.calls += 1
        if len(self.used) < USED_KEPT:
            self.used.append(Used(call.name, by))
        try:
            return _told(await tool.call(call.arguments))
        except UpstreamError:
            return _told(ToolResult("The tool's server does not answer.", failed=True))


def _told(result: ToolResult) -> str:
    text = cut(result.text, RESULT_LENGTH)
    return json.dumps({"error" if result.failed else "result": text}, ensure_ascii=False)
