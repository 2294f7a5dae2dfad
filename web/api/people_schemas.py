"""Bodies and answers of the routes of a person's data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class Erasure(BaseModel):
    """The erasure of a person. It says `done` when nothing of them is left but what `docs/privacy.md` lists."""

    erasure_id: str
    state: Literal["running", "held", "done"]
    messages: Annotated[int, Field(description="Messages of which only the place is left so far.")]
    asked_at: str
    done_at: str | None
