"""All webhooks of a server: those of the configuration, and those that operators made, which are in the store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from salon.actors.webhooks import StoredWebhook

from .row import WebhookRow
from .wanted import (
    KEY_BYTES,
    WebhookError,
    WebhookWanted,
    configured,
    configured_id,
    new_secret,
    read_wanted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from salon.actors.log import LogTail
    from salon.actors.sources import Sources
    from salon.actors.store import StoreError

    from ..settings import WebhookSettings
    from .sender import Outcome
    from .subscription import Subscription, WebhookLog

MOST = 100  # that operators make: each reads the whole log
OVERLAP = 24 * 3600 * 1000  # milliseconds for which a former secret signs as well


class Webhooks:
    """The subscribers by id. `run` has to run. Raises `SettingsError` where a secret of the configuration is missing."""

    def __init__(
        self,
        settings: Sequence[WebhookSettings],
        store: WebhookLog,
        tail: LogTail,
        sources: Sources,
        report: Callable[[StoreError], None],
    ) -> None:
        self._configured = {configured_id(each): configured(each) for each in settings}
        self._store = store
        self._tail = tail
        self._sources = sources
        self._report = report
        self._subscriptions: dict[str, Subscription] = {}
        self._running: dict[str, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until cancelled. Raises `StoreError` where the subscribers cannot be read."""
        stored = {each.webhook_id: each for each in await self._store.webhooks().wait()}
        for id, wanted in self._configured.items():
            if id not in stored:
                stored[id] = await self._begin(id, "")
            self._add(stored.pop(id), wanted)
        for each in stored.values():
            if each.settings:
                self._add(each, read_wanted(each.settings))
            else:  # the configuration has it no more
                await self._store.delete_webhook(each.webhook_id).wait()
        try:
            async with trio.open_nursery() as self._nursery:
                for subscription in self._subscriptions.values():
                    self._nursery.start_soon(self._keep, subscription)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    async def rows(self) -> list[WebhookRow]:
        """All subscribers as they are now, by id."""
        if not self._subscriptions:
            return []
        end = await self._store.log_end().wait()
        return [self._subscriptions[id].row(end) for id in sorted(self._subscriptions)]

    async def row(self, webhook_id: str) -> WebhookRow:
        """One subscriber. Raises `KeyError`."""
        return self._subscriptions[webhook_id].row(await self._store.log_end().wait())

    def figures(self) -> dict[str, int]:
        """Sums for the metrics: subscribers by state, deliveries and failures."""
        rows = [each.row(0) for each in self._subscriptions.values()]
        found = {f"state_{state}": 0 for state in ("active", "failing", "paused")}
        for row in rows:
            found[f"state_{row.state}"] += 1
        found["delivered"] = sum(row.delivered for row in rows)
        found["failed"] = sum(row.failed for row in rows)
        return found

    async def create(self, wanted: WebhookWanted) -> tuple[str, str]:
        """Add a subscriber, which gets what comes from now on; its id and its secret. Raises `WebhookError`."""
        if len(self._subscriptions) - len(self._configured) >= MOST:
            raise WebhookError(f"there are {MOST} webhooks, which is the most; delete one first")
        id, secret = self._sources.new_id(), self._new_secret()
        wanted = replace(wanted, secrets=((secret, None),))
        subscription = self._add(await self._begin(id, wanted.stored()), wanted)
        assert self._nursery is not None, "it runs"
        self._nursery.start_soon(self._keep, subscription)
        return id, secret

    async def change(self, webhook_id: str, wanted: WebhookWanted) -> None:
        """Give a subscriber other wishes; its secrets stay. Raises `KeyError`, `WebhookError`."""
        subscription = self._changeable(webhook_id)
        wanted = replace(wanted, secrets=subscription.wanted.secrets)
        async with subscription.stopped():
            await subscription.save(subscription.stored._replace(settings=wanted.stored()))
            subscription.wanted = wanted
            await subscription.renew_sender()

    async def rotate(self, webhook_id: str) -> str:
        """Give a subscriber a new secret; the last one signs as well for a day. Raises `KeyError`, `WebhookError`."""
        subscription = self._changeable(webhook_id)
        now, secret = self._sources.now(), self._new_secret()
        former = subscription.wanted.secrets[0][0]
        secrets = (secret, None), (former, now + OVERLAP)
        wanted = replace(subscription.wanted, secrets=secrets)
        async with subscription.stopped():
            await subscription.save(subscription.stored._replace(settings=wanted.stored()))
            subscription.wanted = wanted
        return secret

    async def delete(self, webhook_id: str) -> None:
        """Delete a subscriber. Raises `KeyError`, `WebhookError`."""
        subscription = self._changeable(webhook_id)
        async with subscription.stopped():
            await self._store.delete_webhook(webhook_id).wait()
            del self._subscriptions[webhook_id]
            self._running.pop(webhook_id).cancel()

    async def test(self, webhook_id: str) -> Outcome:
        """Send a test event at once. Raises `KeyError`."""
        return await self._subscriptions[webhook_id].test()

    async def retry(self, webhook_id: str) -> None:
        """Try at once what waits, and go on where it was paused. Raises `KeyError`."""
        subscription = self._subscriptions[webhook_id]
        async with subscription.stopped():
            await subscription.retry()

    async def skip(self, webhook_id: str, conversation_id: str | None) -> int:
        """Give up the events that were not taken, of one conversation or of all; how many. Raises `KeyError`."""
        subscription = self._subscriptions[webhook_id]
        async with subscription.stopped():
            return await subscription.skip(conversation_id)

    async def replay(
        self, webhook_id: str, number: int, conversation_id: str, sequence: int
    ) -> None:
        """Deliver a conversation's events from a sequence on again. Raises `KeyError`."""
        subscription = self._subscriptions[webhook_id]
        async with subscription.stopped():
            await subscription.replay(number, conversation_id, sequence)

    async def _begin(self, id: str, settings: str) -> StoredWebhook:
        end = await self._store.log_end().wait()
        stored = StoredWebhook(id, settings, end, self._sources.now())
        await self._store.save_webhook(stored).wait()
        return stored

    def _add(self, stored: StoredWebhook, wanted: WebhookWanted) -> Subscription:
        from .subscription import Subscription  # noqa: PLC0415 - it brings the HTTP client

        subscription = Subscription(
            self._store, self._tail, self._sources, stored, wanted, self._report
        )
        self._subscriptions[stored.webhook_id] = subscription
        return subscription

    async def _keep(self, subscription: Subscription) -> None:
        with trio.CancelScope() as scope:
            self._running[subscription.stored.webhook_id] = scope
            await subscription.run()

    def _changeable(self, webhook_id: str) -> Subscription:
        subscription = self._subscriptions[webhook_id]
        if webhook_id in self._configured:
            raise WebhookError("the configuration has this webhook: change it there")
        return subscription

    def _new_secret(self) -> str:
        return new_secret(self._sources.entropy(KEY_BYTES))
