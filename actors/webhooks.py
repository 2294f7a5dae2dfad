"""What the store keeps of webhooks: who is told of events, how far they are, and where a conversation lags behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from .future import Future


class StoredWebhook(NamedTuple):
    """A subscriber. All up to the place `cursor` of the log is delivered, except what its lags say.

    `settings` is JSON text, empty where the configuration has the settings. Times are milliseconds since the epoch.
    `paused_at` and `why` are of a subscriber to which nothing is sent until an operator says so; `worked_at` is the time at
    which it last took an event.
    """

    webhook_id: str
    settings: str
    cursor: int
    created_at: int
    worked_at: int | None = None
    paused_at: int | None = None
    why: str | None = None


class WebhookLag(NamedTuple):
    """A conversation of which a subscriber has the events up to the sequence `delivered`, and has not taken the next one.

    `attempts` were made for that one, the first at `since`, the last at `tried_at`; 0 where they are to be made at once.
    """

    webhook_id: str
    number: int
    conversation_id: str
    delivered: int
    attempts: int = 0
    since: int = 0
    tried_at: int = 0
    error: str | None = None


class WebhookStore(Protocol):
    """The webhooks as the store keeps them."""

    def webhooks(self) -> Future[tuple[StoredWebhook, ...]]:
        """All subscribers, by id."""

    def save_webhook(self, webhook: StoredWebhook) -> Future[None]:
        """Store a subscriber, in place of what there was of it."""

    def move_webhook(self, webhook_id: str, cursor: int, worked_at: int | None) -> Future[None]:
        """Note how far a subscriber is. A power cut may undo this."""

    def delete_webhook(self, webhook_id: str) -> Future[None]:
        """Forget a subscriber and its lags."""

    def webhook_lags(self, webhook_id: str) -> Future[tuple[WebhookLag, ...]]:
        """Where a subscriber lags behind, by conversation; deleted conversations are left out."""

    def save_webhook_lag(self, lag: WebhookLag) -> Future[None]:
        """Store a lag, in place of what there was of it."""

    def end_webhook_lag(self, webhook_id: str, number: int) -> Future[None]:
        """Note that a subscriber no longer lags behind in a conversation."""
