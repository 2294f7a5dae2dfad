"""All webhooks of a server: those of the configuration, and those that operators made, which are in the store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from salon.actors.store import StoreError
from salon.actors.webhooks import StoredWebhook

from . import handles
from .wanted import (
    KEY_BYTES,
    WebhookError,
    WebhooksFullError,
    WebhookWanted,
    configured,
    configured_id,
    new_secret,
    read_wanted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from httpx2 import AsyncBaseTransport

    from salon.actors.log import LogTail
    from salon.actors.sources import Sources

    from ..settings import WebhookSettings
    from .row import WebhookRow
    from .sender import Outcome
    from .subscription import Subscription
    from .wanted import WebhookLog

MOST = 100  # that operators make: each reads the whole log
MEASURE_EVERY = 5.0  # seconds between two looks at the end of the log, for the metrics
OVERLAP = 24 * 3600 * 1000  # milliseconds for which a former secret signs as well


class Webhooks:
    """The subscribers by id. `run` has to run. Raises `SettingsError` where a secret of the configuration is missing.

    `transport` carries the requests in place of the network.
    """

    def __init__(
        self,
        settings: Sequence[WebhookSettings],
        store: WebhookLog,
        tail: LogTail,
        sources: Sources,
        report: Callable[[StoreError], None],
        transport: AsyncBaseTransport | None = None,
    ) -> None:
        self._configured = {configured_id(each): configured(each) for each in settings}
        self._store = store
        self._tail = tail
        self._sources = sources
        self._report = report
        self._transport = transport
        self._subscriptions: dict[str, Subscription] = {}
        self._running: dict[str, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None
        self._end = 0  # the newest place of the log, some seconds ago

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
                await self._measure()
        finally:
            self._nursery = None

    @property
    def runs(self) -> bool:
        """Whether it delivers: of several nodes one does."""
        return self._nursery is not None

    async def rows(self) -> list[WebhookRow]:
        """All subscribers as they are now, by id."""
        if not self._subscriptions:
            return []
        end = await self._store.log_end().wait()
        return self._rows(end)

    async def row(self, webhook_id: str) -> WebhookRow:
        """One subscriber. Raises `KeyError`."""
        end = await self._store.log_end().wait()
        return handles.row_of(self._subscriptions[webhook_id], end, self._sources.now())

    def figures(self) -> list[WebhookRow]:
        """All subscribers by id, without a wait for the store: their lag is that of some seconds ago."""
        return self._rows(self._end)

    async def create(self, wanted: WebhookWanted) -> tuple[str, str]:
        """Add a subscriber, which gets what comes from now on; its id and its secret. Raises `WebhookError`."""
        if len(self._subscriptions) - len(self._configured) >= MOST:
            raise WebhooksFullError(MOST)
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

    async def rotate(self, webhook_id: str) -> tuple[str, int]:
        """Give a subscriber a new secret, and the time until which the last one signs too. Raises `KeyError`, `WebhookError`."""
        subscription = self._changeable(webhook_id)
        now, secret = self._sources.now(), self._new_secret()
        former = subscription.wanted.secrets[0][0]
        secrets = (secret, None), (former, now + OVERLAP)
        wanted = replace(subscription.wanted, secrets=secrets)
        async with subscription.stopped():
            await subscription.save(subscription.stored._replace(settings=wanted.stored()))
            subscription.wanted = wanted
        return secret, now + OVERLAP

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
        await handles.retry(self._subscriptions[webhook_id], self._store)

    async def skip(self, webhook_id: str, conversation_id: str | None) -> int:
        """Give up the events that were not taken, of one conversation or of all; how many. Raises `KeyError`."""
        return await handles.skip(self._subscriptions[webhook_id], self._store, conversation_id)

    async def replay(
        self, webhook_id: str, number: int, conversation_id: str, sequence: int
    ) -> None:
        """Deliver a conversation's events from a sequence on again. Raises `KeyError`."""
        subscription = self._subscriptions[webhook_id]
        await handles.replay(subscription, self._store, number, conversation_id, sequence)

    def _rows(self, end: int) -> list[WebhookRow]:
        now = self._sources.now()
        subscriptions = (self._subscriptions[id] for id in sorted(self._subscriptions))
        return [handles.row_of(each, end, now) for each in subscriptions]

    async def _measure(self) -> None:
        while True:
            if self._subscriptions:
                try:
                    self._end = await self._store.log_end().wait()
                except StoreError as error:
                    self._report(error)
            await trio.sleep(MEASURE_EVERY)

    async def _begin(self, id: str, settings: str) -> StoredWebhook:
        end = await self._store.log_end().wait()
        stored = StoredWebhook(id, settings, end, self._sources.now())
        await self._store.save_webhook(stored).wait()
        return stored

    def _add(self, stored: StoredWebhook, wanted: WebhookWanted) -> Subscription:
        from .subscription import Subscription  # noqa: PLC0415 - it brings the HTTP client

        subscription = Subscription(
            self._store, self._tail, self._sources, stored, wanted, self._report, self._transport
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
            raise WebhookError("webhook_id: the configuration has this webhook, change it there")
        return subscription

    def _new_secret(self) -> str:
        return new_secret(self._sources.entropy(KEY_BYTES))
