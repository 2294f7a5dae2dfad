"""Webhooks: backends that are told of events over HTTP, each at least once and in the order of its conversation."""

from .hub import Webhooks
from .row import WebhookRow
from .wanted import WebhookError, WebhooksFullError, WebhookWanted

__all__ = [
    "WebhookError",
    "WebhookRow",
    "WebhookWanted",
    "Webhooks",
    "WebhooksFullError",
]
