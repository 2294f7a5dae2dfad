"""What an agent of the configuration may use: context, tools, prices, budgets and limits."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from .group import SettingsGroup, split

Per = Literal["person", "conversation", "agent"]
Every = Literal["hour", "day", "month"]


def number(value: object) -> object:
    """Refuse a truth value, which pydantic takes for 0 or 1."""
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


Positive = Annotated[int, BeforeValidator(number), Field(ge=1)]
Seconds = Annotated[float, BeforeValidator(number), Field(gt=0)]
# Of any currency: what an absurd count of tokens costs is still a figure that the store takes
Amount = Annotated[float, BeforeValidator(number), Field(ge=0, le=100_000_000)]


class ContextSettings(SettingsGroup):
    """How much of the conversation the model is told, the newest first."""

    messages: Positive = 20
    """Messages at most, the one to answer among them."""
    tokens: Positive = 4000
    """Tokens at most, estimated as a third of the bytes; the message to answer is cut if it alone has more."""


class AgentLimits(SettingsGroup):
    """What the agent may use."""

    runs: Positive = 4
    """Answers at the same time, in all conversations; the others wait in the order of asking, one of each conversation."""
    waiting: Positive = 100
    """Conversations that wait for an answer; what is asked in more of them fails at once, and says so."""
    output_tokens: Positive = 1000
    """Tokens of one answer at most, as the model counts them."""
    tool_rounds: Positive = 8
    """How often the model may call tools in one answer; then it has to answer without."""
    failures: Positive = 5
    """Failures one after the other, after which the endpoint is left alone for a while."""
    pause: Seconds = 30
    """Seconds for which it is left alone; twice as long each time that it then fails again, up to 64 times as long."""


class ToolSettings(SettingsGroup):
    """Tools of an agent of the kind mcp that a model may call. Its id alone stands for all of them, each with approval."""

    mcp: str
    """The id of the agent of the kind mcp."""
    only: Annotated[tuple[str, ...], BeforeValidator(split)] | None = None
    """The names of the tools; by default all that the server has."""
    allow: Annotated[tuple[str, ...], BeforeValidator(split)] = ()
    """The names of those that need no person's approval; `*` stands for all."""

    @model_validator(mode="before")
    @classmethod
    def _from_id(cls, value: object) -> object:
        return {"mcp": value} if isinstance(value, str) else value


class PriceSettings(SettingsGroup):
    """What a million tokens cost."""

    input: Amount
    """Of what the model is told."""
    output: Amount
    """Of what it says."""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["USD"])] = "USD"
    """Three letters, as in ISO 4217."""

    def cost(self, input_tokens: int, output_tokens: int) -> int:
        """In millionths of the currency, rounded up."""
        return math.ceil(round(input_tokens * self.input + output_tokens * self.output, 6))


class BudgetSettings(SettingsGroup):
    """What may be used in a period of the calendar, in UTC. A limit that is not given is none."""

    per: Per
    """Of each person who asks, of each conversation, or of the agent in all."""
    every: Every = "day"
    """The period after whose end it may be used anew."""
    tokens: Positive | None = None
    """Tokens, told and said."""
    money: Annotated[float, BeforeValidator(number), Field(gt=0)] | None = None
    """Money, in the currency of `price`."""
    seconds: Seconds | None = None
    """Seconds of answering."""
    runs: Positive | None = None
    """Answers."""

    @model_validator(mode="after")
    def _limits_something(self) -> BudgetSettings:
        if self.tokens is self.money is self.seconds is self.runs is None:
            raise ValueError("tokens, money, seconds or runs, in a budget")
        return self
