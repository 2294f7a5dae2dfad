"""One subscriber as operators see it. It has no secret, and nothing of any message."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StuckRow:
    """A conversation whose next event the subscriber has not taken. Times are milliseconds since the epoch."""

    conversation_id: str
    sequence_id: int
    attempts: int
    since: int
    next_attempt_at: int
    error: str | None


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """A subscriber: what it wants, how far it is and what is wrong with it.

    `lag` counts the places of the log after the last one that is delivered; `stuck_count` conversations wait for a retry,
    of which `stuck` has the first.
    """

    webhook_id: str
    url: str
    events: list[str] | None
    conversations: list[str] | None
    allow_private: bool
    configured: bool
    secrets: int
    state: str  # active, failing, paused
    why: str | None
    created_at: int
    worked_at: int | None
    paused_at: int | None
    position: int
    lag: int
    delivered: int
    failed: int
    last_error: str | None
    last_error_at: int | None
    stuck_count: int
    stuck: list[StuckRow]
