"""What operators do about a subscriber that does not take what it is sent. Its deliveries are held while that is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.webhooks import WebhookLag

from .row import StuckRow, WebhookRow

if TYPE_CHECKING:
    from .subscription import Subscription
    from .wanted import WebhookLog

STUCK_SHOWN = 20


async def retry(subscription: Subscription, store: WebhookLog) -> None:
    """Try everything at once that waits, and go on if it was paused."""
    async with subscription.stopped():
        for lag in await store.webhook_lags(subscription.stored.webhook_id).wait():
            await store.save_webhook_lag(lag._replace(attempts=0, since=0)).wait()
        await subscription.save(subscription.stored._replace(paused_at=None, why=None))


async def skip(subscription: Subscription, store: WebhookLog, conversation_id: str | None) -> int:
    """Give up the events that were not taken, of one conversation or all; how many."""
    async with subscription.stopped():
        lags = await store.webhook_lags(subscription.stored.webhook_id).wait()
        skipped = [
            lag for lag in lags if lag.attempts and conversation_id in (None, lag.conversation_id)
        ]
        for lag in skipped:
            after = lag._replace(delivered=lag.delivered + 1, attempts=0, since=0, error=None)
            await store.save_webhook_lag(after).wait()
    return len(skipped)


async def replay(
    subscription: Subscription, store: WebhookLog, number: int, conversation_id: str, sequence: int
) -> None:
    """Deliver a conversation's events from a sequence on again, and before them what was not taken so far."""
    async with subscription.stopped():
        id, cursor = subscription.stored.webhook_id, subscription.stored.cursor
        lags = {lag.number: lag.delivered for lag in await store.webhook_lags(id).wait()}
        taken = lags.get(number)
        if taken is None:
            taken = await store.sequence_at(number, cursor).wait()
        delivered = min(sequence - 1, taken)
        await store.save_webhook_lag(WebhookLag(id, number, conversation_id, delivered)).wait()


def row_of(subscription: Subscription, end: int, now: int) -> WebhookRow:
    """How it is; `end` is the newest place of the log."""
    stored, wanted, stuck = subscription.stored, subscription.wanted, subscription.stuck
    error, error_at = subscription.last_error or (None, None)
    state = "failing" if stuck else "active"
    return WebhookRow(
        webhook_id=stored.webhook_id,
        url=wanted.url,
        events=None if wanted.events is None else sorted(wanted.events),
        conversations=None if wanted.conversations is None else sorted(wanted.conversations),
        allow_private=wanted.allow_private,
        configured=not stored.settings,
        secrets=len(wanted.signing(now)),
        state=state if stored.paused_at is None else "paused",
        why=stored.why,
        created_at=stored.created_at,
        worked_at=stored.worked_at,
        paused_at=stored.paused_at,
        position=subscription.position,
        lag=max(0, end - subscription.position),
        delivered=subscription.delivered,
        failed=subscription.failures,
        last_error=error,
        last_error_at=error_at,
        stuck_count=len(stuck),
        stuck=[
            StuckRow(
                lane.conversation_id,
                lane.delivered + 1,
                lane.attempts,
                lane.since,
                lane.due_at,
                lane.error,
            )
            for lane in stuck[:STUCK_SHOWN]
        ],
    )
