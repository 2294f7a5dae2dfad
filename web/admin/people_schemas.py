"""Bodies and answers of the operators' routes of people's data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..api import Erasure, Retention
from .paging import ListQuery


class ErasureQuery(ListQuery):
    """Whose erasures; without `id`, those of all."""

    id: str | None = Field(default=None, description="A person's id.")


class HoldQuery(ListQuery):
    """Of what; without `subject`, all holds of the kind, and without either, all."""

    kind: Literal["person", "conversation"] | None = None
    subject: str | None = Field(default=None, description="The id of it.")


class ErasureOfPerson(Erasure):
    """The same, for operators."""

    participant_id: str
    by: str


class Erasures(BaseModel):
    """A page of the erasures, the newest first; `before` asks for the next one."""

    erasures: list[ErasureOfPerson]
    before: str | None


class HoldBody(BaseModel):
    """What is to be held: all that a person has said, or a conversation."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["person", "conversation"]
    subject: Annotated[str, Field(min_length=1, max_length=256, description="The id of it.")]
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class Hold(HoldBody):
    """A legal hold."""

    hold_id: str
    by: str
    at: str
    released_at: str | None


class RetentionBody(Retention):
    """How long the messages of one conversation are kept."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Holds(BaseModel):
    """A page of the legal holds, the newest first, also of those that are released; `before` asks for the next one."""

    holds: list[Hold]
    before: str | None
