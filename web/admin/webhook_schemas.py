"""The bodies, queries and answers of the routes about webhooks and the log of all conversations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..settings import CONVERSATIONS
from ..socket import LAST_SEQUENCE

Place = Annotated[int, Field(ge=0, le=LAST_SEQUENCE)]
Url = Annotated[str, Field(min_length=1, max_length=2000)]
Events = Literal["*"] | Annotated[list[str], Field(min_length=1, max_length=100)]
Conversations = Annotated[list[str], Field(min_length=1, max_length=CONVERSATIONS)]


class FirehoseQuery(BaseModel):
    """Where the log begins, and whether the stream goes on at its end."""

    after: Place = Field(default=0, description="The position of the last line.")
    follow: bool = Field(
        default=True, description="Wait for what comes; else end where all is sent."
    )


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class WebhookBody(_Body):
    """A webhook to make: an https URL, the types of events, and the conversations if not all."""

    url: Url
    events: Events = "*"
    conversations: Conversations | None = None
    allow_private: bool = Field(
        default=False, description="Addresses of private networks may be reached, and over http."
    )


class WebhookChange(_Body):
    """What is to be changed; what is left out stays."""

    url: Url | None = None
    events: Events | None = None
    conversations: Conversations | None = Field(default=None, description="null for all.")
    allow_private: bool | None = None


class SkipBody(_Body):
    """Whose event is to be given up; without it that of every conversation that waits."""

    conversation_id: str | None = None


class ReplayBody(_Body):
    """The conversation, and the sequence from which on its events are delivered again."""

    conversation_id: str
    sequence_id: Annotated[int, Field(ge=1, le=LAST_SEQUENCE)]


class StuckView(BaseModel):
    """A conversation whose next event was not taken."""

    conversation_id: str
    sequence_id: int
    attempts: int
    since: str
    next_attempt_at: str
    error: str | None


class WebhookView(BaseModel):
    """A webhook. Its secret is shown only once, when it is made."""

    webhook_id: str
    url: str
    events: Literal["*"] | list[str]
    conversations: list[str] | None
    allow_private: bool
    source: Literal["configuration", "route"]
    secrets: int = Field(description="How many secrets sign now: two for a day after a rotation.")
    state: Literal["active", "failing", "paused"]
    why: str | None = Field(description="Why it is paused.")
    created_at: str
    worked_at: str | None = Field(description="When it last took an event.")
    paused_at: str | None
    position: int = Field(description="The place in the log up to which all is delivered.")
    lag: int = Field(description="Places of the log after that.")
    delivered: int = Field(description="Events taken since the start of the server.")
    failed: int = Field(description="Failed attempts since the start of the server.")
    last_error: str | None
    last_error_at: str | None
    stuck_count: int = Field(description="Conversations that wait for a retry.")
    stuck: list[StuckView] = Field(description="The first 20 of them.")


class Webhooks(BaseModel):
    """All webhooks."""

    webhooks: list[WebhookView]


class NewWebhook(WebhookView):
    """A new webhook with its secret, which is not shown again."""

    secret: str


class NewSecret(BaseModel):
    """A new secret, which is not shown again. The former one signs as well until `former_ends_at`."""

    webhook_id: str
    secret: str
    former_ends_at: str


class WebhookTest(BaseModel):
    """What the endpoint made of a test event. `error` is null where it was taken, `status` where no answer came."""

    webhook_id: str
    status: int | None
    error: str | None
    seconds: float


class Skipped(BaseModel):
    """How many events were given up."""

    webhook_id: str
    skipped: int
