"""The schemas of the queue of reported messages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ..api import PAGE, GivenReason
from ..socket import LAST_SEQUENCE


class ReportQuery(BaseModel):
    """The requested part of the queue: the reports after the page that gave `before`."""

    state: Literal["open", "closed"] = "open"
    before: Annotated[int, Field(ge=0, le=LAST_SEQUENCE)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE)] = 20


class ReportView(BaseModel):
    """A member's report of a message."""

    report_id: int
    conversation_id: str
    message_id: str
    sequence_id: int
    reporter_id: str
    reason: str
    reported_at: str
    closed_at: str | None
    closed_by: str | None
    outcome: str | None


class ReportDossier(ReportView):
    """A report, and the events around the message as they are now."""

    events: list[dict[str, Any]]


class Reports(BaseModel):
    """Reports, the newest first. `before` asks for the next page; null where this is the last."""

    reports: list[ReportView]
    before: int | None


class ActBody(BaseModel):
    """Why, for the members."""

    reason: GivenReason | None = None


class ReportAct(BaseModel):
    """What was done about a report. `target` is the message or its sender; `sequence_id` is null where it was so already."""

    report_id: int
    conversation_id: str
    target: str
    sequence_id: int | None


class CloseReportBody(BaseModel):
    """What came of it, for the next operator who looks."""

    outcome: GivenReason
