"""Webhooks in the SQLite store: functions of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.webhooks import StoredWebhook, WebhookLag

from .upsert import on_conflict, upsert

if TYPE_CHECKING:
    from .connection import Connection

_COLUMNS = "id, settings, cursor, created_at, worked_at, paused_at, why"
_ALL = f"SELECT {_COLUMNS} FROM webhooks ORDER BY id"
_SAVE = upsert("webhooks", "id", "settings, cursor, created_at, worked_at, paused_at, why")
_MOVE = "UPDATE webhooks SET cursor = ?2, worked_at = ?3 WHERE id = ?1"
_LAGS = (
    "SELECT l.webhook, l.conversation, c.id, l.delivered, l.attempts, l.since, l.tried_at, l.error "
    "FROM webhook_lags l JOIN conversations c ON c.number = l.conversation "
    "WHERE l.webhook = ? AND c.deleted_at IS NULL ORDER BY l.conversation"
)
_SAVE_LAG = (
    "INSERT INTO webhook_lags (webhook, conversation, delivered, attempts, since, tried_at, error) "
    "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM webhooks WHERE id = ?1) "
    "AND EXISTS (SELECT 1 FROM conversations WHERE number = ?2 AND deleted_at IS NULL) "
    + on_conflict("webhook, conversation", "delivered, attempts, since, tried_at, error")
)
_END_LAG = "DELETE FROM webhook_lags WHERE webhook = ? AND conversation = ?"


def all_of_them(connection: Connection) -> tuple[StoredWebhook, ...]:
    """All subscribers, by id."""
    return tuple(StoredWebhook(*row) for row in connection.execute(_ALL))


def save(webhook: StoredWebhook, connection: Connection) -> None:
    """Store a subscriber, in place of what there was of it."""
    connection.execute(_SAVE, webhook)


def move(webhook_id: str, cursor: int, worked_at: int | None, connection: Connection) -> None:
    """Note how far a subscriber is."""
    connection.execute(_MOVE, (webhook_id, cursor, worked_at))


def delete(webhook_id: str, connection: Connection) -> None:
    """Forget a subscriber and its lags."""
    connection.execute("DELETE FROM webhook_lags WHERE webhook = ?", (webhook_id,))
    connection.execute("DELETE FROM webhooks WHERE id = ?", (webhook_id,))


def lags(connection: Connection, webhook_id: str) -> tuple[WebhookLag, ...]:
    """Where a subscriber lags behind, by conversation."""
    return tuple(WebhookLag(*row) for row in connection.execute(_LAGS, (webhook_id,)))


def save_lag(lag: WebhookLag, connection: Connection) -> None:
    """Store a lag, in place of what there was of it; nothing where its conversation is deleted."""
    connection.execute(_SAVE_LAG, (*lag[:2], *lag[3:]))


def end_lag(webhook_id: str, number: int, connection: Connection) -> None:
    """Forget a lag."""
    connection.execute(_END_LAG, (webhook_id, number))
