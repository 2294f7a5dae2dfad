"""What a server with operators runs beside its conversations, put together as in `web/app.py`: made for each process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

from salon.actors.log import LogTail
from salon.web.api.personal_events import PersonalFeed
from salon.web.privacy import Erasures, LegalHolds, Retention
from salon.web.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from httpx2 import AsyncBaseTransport

    from salon.web.http.request import Parts

    Keep = Callable[..., Awaitable[object]]

    from .disk_operators import OperatorsPort


class Services:
    """Those of one process. `load` comes before the first request, `run` starts them."""

    def __init__(
        self, parts: Parts, store: OperatorsPort, days: int, transport: AsyncBaseTransport
    ) -> None:
        directory, settings = parts.directory, parts.settings
        sources, self._report = directory.sources, directory.report
        parts.people = store
        self.holds = LegalHolds(store, sources)
        directory.holds = parts.holds = self.holds
        self.erasures = Erasures(directory, store, parts.identities, self.holds, sources)
        parts.erasures = self.erasures
        self.retention = Retention(directory, store, days)
        self.feed = parts.personal_feed = PersonalFeed(parts)
        parts.webhooks_here = lambda: True  # type: ignore[attr-defined]  # where this is no node
        parts.share = trio.lowlevel.checkpoint  # type: ignore[attr-defined]  # likewise
        self.webhooks = parts.webhooks = Webhooks(  # type: ignore[attr-defined]  # as in `AdminParts`
            settings.webhooks,
            store,
            LogTail(store),
            sources,
            directory.report,
            transport,
        )

    async def load(self) -> None:
        """What is held, and who is being erased."""
        await self.holds.load()
        await self.erasures.load()

    async def run(self, nursery: trio.Nursery, keep: Keep | None) -> None:
        """Start all of them; with `keep`, as of several nodes one does them for all, and each the feed."""
        for service in (self.erasures, self.retention, self.webhooks):
            await nursery.start(
                service.run if keep is None else partial(keep, service.run, self._report)
            )
        await nursery.start(self.feed.run)
