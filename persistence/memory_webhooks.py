"""Webhooks as the memory store keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salon.actors.webhooks import StoredWebhook, WebhookLag


class MemoryWebhooks:
    """The subscribers by id, and their lags by id and conversation."""

    def __init__(self) -> None:
        self._webhooks: dict[str, StoredWebhook] = {}
        self._lags: dict[tuple[str, int], WebhookLag] = {}

    def all_of_them(self) -> tuple[StoredWebhook, ...]:
        """All subscribers, by id."""
        return tuple(self._webhooks[id] for id in sorted(self._webhooks))

    def save(self, webhook: StoredWebhook) -> None:
        """Keep a subscriber, in place of what there was of it."""
        self._webhooks[webhook.webhook_id] = webhook

    def move(self, webhook_id: str, cursor: int, worked_at: int | None) -> None:
        """Note how far a subscriber is."""
        if webhook_id in self._webhooks:
            webhook = self._webhooks[webhook_id]
            self._webhooks[webhook_id] = webhook._replace(cursor=cursor, worked_at=worked_at)

    def delete(self, webhook_id: str) -> None:
        """Forget a subscriber and its lags."""
        self._webhooks.pop(webhook_id, None)
        self._lags = {key: lag for key, lag in self._lags.items() if key[0] != webhook_id}

    def lags(self, webhook_id: str) -> tuple[WebhookLag, ...]:
        """Where a subscriber lags behind, by conversation."""
        return tuple(self._lags[key] for key in sorted(self._lags) if key[0] == webhook_id)

    def save_lag(self, lag: WebhookLag) -> None:
        """Keep a lag, in place of what there was of it."""
        if lag.webhook_id in self._webhooks:
            self._lags[lag.webhook_id, lag.number] = lag

    def end_lag(self, webhook_id: str, number: int) -> None:
        """Forget a lag."""
        self._lags.pop((webhook_id, number), None)

    def erase(self, number: int) -> None:
        """Forget those of a deleted conversation."""
        self._lags = {key: lag for key, lag in self._lags.items() if key[1] != number}
