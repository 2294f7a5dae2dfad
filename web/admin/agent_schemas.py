"""The schemas of hosted agents and their runs, for operators. Money is in the currency of the agent's price."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ..settings import AgentSettings

PAGE = 100  # runs of one page, at most
RunStatus = Literal["open", "complete", "cancelled", "interrupted", "failed"]


class AgentDefinition(AgentSettings):
    """An agent as the configuration has it; the address names its id."""

    id: str = ""


class Used(BaseModel):
    """What was used in a period."""

    tokens: int
    money: float
    seconds: float
    runs: int


class BreakerView(BaseModel):
    """`open` while the endpoint is left alone; `half_open` until one answer has shown whether it works again."""

    state: Literal["closed", "open", "half_open"]
    retry_after: float | None = Field(default=None, description="Seconds.")


class BudgetView(BaseModel):
    """One budget. `used` is there for the budget of the agent in all."""

    per: Literal["person", "conversation", "agent"]
    every: Literal["hour", "day", "month"]
    limits: dict[str, float]
    used: Used | None = None
    opens_at: str = Field(description="When the period ends.")


class Today(BaseModel):
    """What was used since midnight, UTC."""

    runs: int
    tokens: int
    cost: float
    currency: str | None = None


class AgentView(BaseModel):
    """A hosted agent. `source` says whether the configuration has it or an operator has added it."""

    id: str
    name: str
    kind: str
    endpoint: str | None = None
    model: str | None = None
    trigger: Literal["auto", "mention", "always", "never"]
    default: bool
    source: Literal["configuration", "route"]
    running: int
    waiting: int
    breaker: BreakerView
    tools: list[str] = Field(description="The ids of the agents whose tools it may use.")
    budgets: list[BudgetView]
    today: Today


class Agents(BaseModel):
    """All hosted agents."""

    agents: list[AgentView]


class RunQuery(BaseModel):
    """The runs of an agent, of a conversation or of all; `cursor` is from the page before."""

    agent_id: str | None = None
    conversation_id: str | None = None
    cursor: Annotated[int, Field(ge=0, le=2**53)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE)] = 50


class RunView(BaseModel):
    """A run of a hosted agent. `first_word_seconds` is the time until its first word."""

    conversation_id: str
    run_id: str
    agent_id: str
    agent_name: str
    state: RunStatus
    reason: str | None = None
    why: str | None = None
    asked_by: str | None = None
    started_at: str
    first_word_seconds: float | None = None
    seconds: float
    input_tokens: int
    output_tokens: int
    cost: float
    currency: str | None = None
    tool_calls: int


class Runs(BaseModel):
    """The open runs, on the first page, then the past ones, the newest first."""

    runs: list[RunView]
    next_cursor: int | None = None


def without_nothing(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that are known."""
    return {name: value for name, value in fields.items() if value is not None}
