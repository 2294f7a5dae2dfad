"""Where requests about webhooks are carried out, and how a webhook is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from ..socket import timestamp
from .passing import pass_on_to_first

if TYPE_CHECKING:
    from quart import Response

    from ..webhooks import WebhookRow
    from .parts import AdminParts

BEGINS = (
    5.0  # seconds that a node which has just become the first takes to read the webhooks, at most
)


async def at_the_first_node(parts: AdminParts) -> Response | None:
    """Of several nodes one has the webhooks: the others pass requests on to it."""
    operator, relay = parts.admin(), parts.relay
    if relay is None:
        return None
    answer = await pass_on_to_first(relay, operator)
    with trio.move_on_after(BEGINS):
        # It has only just become the first: once in a node's life, not worth an event.
        while answer is None and not parts.webhooks.runs:  # noqa: ASYNC110
            await trio.sleep(BEGINS / 100)
    if answer is None and not parts.webhooks.runs:
        raise relay.unavailable(relay.id)
    return answer


def webhook_view(row: WebhookRow) -> dict[str, Any]:
    """A webhook as operators see it."""
    times = {
        name: None if at is None else timestamp(at)
        for name in ("created_at", "worked_at", "paused_at", "last_error_at")
        for at in (getattr(row, name),)
    }
    return {
        "webhook_id": row.webhook_id,
        "url": row.url,
        "events": "*" if row.events is None else row.events,
        "conversations": row.conversations,
        "allow_private": row.allow_private,
        "source": "configuration" if row.configured else "route",
        "secrets": row.secrets,
        "state": row.state,
        "why": row.why,
        **times,
        "position": row.position,
        "lag": row.lag,
        "delivered": row.delivered,
        "failed": row.failed,
        "last_error": row.last_error,
        "stuck_count": row.stuck_count,
        "stuck": [
            {
                "conversation_id": each.conversation_id,
                "sequence_id": each.sequence_id,
                "attempts": each.attempts,
                "since": timestamp(each.since),
                "next_attempt_at": timestamp(each.next_attempt_at),
                "error": each.error,
            }
            for each in row.stuck
        ],
    }
