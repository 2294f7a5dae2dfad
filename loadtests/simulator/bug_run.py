"""Deliberate bugs in runs: their texts, their ends, who is asked, what is allowed and what is counted."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from salon.actors import requests
from salon.actors.agents import Agents
from salon.actors.runs import NEVER, RunBoard
from salon.web.agents import prompt
from salon.web.agents.answer import Answer
from salon.web.agents.budget import Ledger

if TYPE_CHECKING:
    from .bug_turn import Change


def lose_a_delta() -> Change:
    """Every fifth delta reaches nobody."""

    def change(real: Any) -> Any:
        number = count(1)

        def news(self: Any, *arguments: Any, **options: Any) -> Any:
            return (each for each in real(self, *arguments, **options) if next(number) % 5)

        return news

    return RunBoard, "news", change


def end_a_run_twice() -> Change:
    """A run that has ended is forgotten: whoever starts it again begins anew."""

    def change(real: Any) -> Any:
        async def ended_among(self: Any, commands: Any, state: Any) -> Any:
            return {}

        return ended_among

    return Agents, "ended_among", change


def leave_runs_open() -> Change:
    """A run whose agent is gone stays open."""

    def change(real: Any) -> Any:
        return lambda self, progress: NEVER

    return RunBoard, "_ends", change


def forget_the_text_so_far() -> Change:
    """Who comes in the midst of a run gets only what is said from then on."""

    def change(real: Any) -> Any:
        return lambda self, state, but: iter(())

    return RunBoard, "so_far", change


def agents_call_once_too_often() -> Change:
    """An agent's message asks agents for one hop more than is allowed."""

    def change(real: Any) -> Any:
        def judge(message: Any, agent: Any, members: Any, replied_to: Any, hops: int) -> Any:
            return real(message, agent, members, replied_to, hops - 1)

        return judge

    return requests, "judge", change


def call_a_tool_that_nobody_has_allowed() -> Change:
    """A call of a tool does not wait for a person."""

    def change(real: Any) -> Any:
        async def ask(self: Any, *arguments: Any) -> str:
            return "nobody"

        return ask

    return Answer, "ask", change


def a_decision_counts_for_the_next_call() -> Change:
    """What a person has allowed once is allowed for the rest of the answer."""

    def change(real: Any) -> Any:
        async def ask(self: Any, *arguments: Any) -> Any:
            by = self._allowed_by()
            return await real(self, *arguments) if by is None else by

        return ask

    return Answer, "ask", change


def tell_a_model_of_another_conversation() -> Change:
    """What a model is told is now and then read from another conversation."""

    def change(real: Any) -> Any:
        async def read(directory: Any, state: Any, before: int, limit: int, *more: Any) -> Any:
            others = [each.state for each in directory.conversations.values() if each.state]
            where = others[-1] if limit > 1 and others else state
            return await real(directory, where, before, limit, *more)

        return read

    return prompt, "_read", change


def forget_what_was_used() -> Change:
    """What a run has used is not stored."""

    def change(real: Any) -> Any:
        async def close(self: Any, *arguments: Any) -> None:
            return None

        return close

    return Ledger, "close", change
