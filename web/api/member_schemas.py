"""The schemas of requests and answers about roles, bans, mutes, invites, requests to join and direct conversations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from ..names import normalise_name
from .schemas import PAGE, Body, Created, Id, MemberModel, Name, ParticipantView, RoleName

REASON_LENGTH = 500  # characters: a paragraph
YEAR = 366 * 86_400  # seconds
WEEK = 7 * 86_400
MOST_USES = 10_000


def _reason(text: str) -> str | None:
    reason = normalise_name(text)
    if reason is not None and len(reason) > REASON_LENGTH:
        raise ValueError(f"has {len(reason)} characters; at most {REASON_LENGTH} are allowed")
    return reason


def _said(text: str) -> str:
    reason = _reason(text)
    if reason is None:
        raise ValueError("is blank")
    return reason


def _in_range(at: datetime) -> datetime:
    if not datetime(1970, 1, 2, tzinfo=UTC) < at < datetime(9999, 12, 31, tzinfo=UTC):
        raise ValueError("has to be between the years 1970 and 9999")
    return at


Reason = Annotated[str, AfterValidator(_reason)]
GivenReason = Annotated[str, AfterValidator(_said)]
# Strict mode would take no text for a time.
Until = Annotated[AwareDatetime, Field(strict=False), AfterValidator(_in_range)]


class RoleBody(Body):
    """The member's new role."""

    role: RoleName
    reason: Reason | None = None


class ReasonBody(Body):
    """Why."""

    reason: Reason | None = None


class SanctionBody(Body):
    """How long, and why."""

    until: Until | None = Field(
        default=None, description="ISO 8601 with a time zone; by default until somebody ends it."
    )
    reason: Reason | None = None


class ReasonQuery(Body):
    """Why; the same as in a body, which some clients cannot send with DELETE."""

    reason: Reason | None = None


class InviteBody(Body):
    """A new invite. Nobody can give a role above their own."""

    expires_in: int | None = Field(
        default=WEEK, ge=1, le=YEAR, description="Seconds; null: it does not expire."
    )
    max_uses: int | None = Field(default=None, ge=1, le=MOST_USES)
    role: Literal["moderator", "member", "observer"] = "member"


class PreferencesBody(Body):
    """How the caller keeps the conversation; what is left out stays."""

    archived: bool | None = None
    muted: bool | Until | None = Field(
        default=None, description="True, false, or until a time: ISO 8601 with a time zone."
    )
    pinned: bool | None = None


class ReportBody(Body):
    """Why the message is reported."""

    reason: GivenReason


class ReportAnswer(BaseModel):
    """The report is stored; the same one again has the same id."""

    success: Literal[True]
    report_id: int


class DirectBody(Body):
    """The other person, shown with this name, or else the id, until they come themselves."""

    user_id: Id
    name: Name | None = None


class MemberAnswer(BaseModel):
    """What was done to whom. `sequence_id` is that of the event; null if it was so already, and there is no event."""

    success: Literal[True]
    conversation_id: str
    participant_id: str
    sequence_id: int | None


class MemberQuery(BaseModel):
    """The requested part of the members: those after the page that gave `after`."""

    after: str | None = Field(default=None, max_length=200)
    limit: Annotated[int, Field(ge=1, le=PAGE)] = 100


class Members(BaseModel):
    """Members in the order of joining. `after` asks for the next page; null where this is the last."""

    participants: list[MemberModel]
    participant_count: int
    after: str | None


class SanctionView(BaseModel):
    """A ban or a mute."""

    participant: ParticipantView
    by: str
    at: str
    until: str | None
    reason: str | None


class Bans(BaseModel):
    """Who may not come in."""

    bans: list[SanctionView]


class Mutes(BaseModel):
    """Who may say nothing."""

    mutes: list[SanctionView]


class InviteView(BaseModel):
    """An invite that may still be used. The id is not its code."""

    invite_id: str
    role: RoleName
    by: str
    created_at: str
    expires_at: str | None
    max_uses: int | None
    uses: int


class InviteAnswer(InviteView):
    """A new invite. The code is shown only now: the server keeps a hash of it. `POST /invites/{code}` brings a caller in."""

    code: str
    url: str


class Invites(BaseModel):
    """The invites that may still be used: all for those who may remove members, else the caller's own."""

    invites: list[InviteView]


class InviteRevokedAnswer(BaseModel):
    """The invite has ended."""

    success: Literal[True]
    invite_id: str


class JoinRequestView(BaseModel):
    """Somebody who asks to be let in."""

    participant: ParticipantView
    requested_at: str
    reason: str | None


class JoinRequests(BaseModel):
    """Who waits for an answer, the first first."""

    join_requests: list[JoinRequestView]


class JoinRequestAnswer(BaseModel):
    """The request waits for an answer."""

    status: Literal["pending"]
    conversation_id: str


class DirectAnswer(Created):
    """The conversation of the two, new with status 201."""
