"""Deliberate bugs in runs: their texts, their ends, and who is asked."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from salon.actors import requests
from salon.actors.agents import Agents
from salon.actors.runs import NEVER, RunBoard

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
