"""Delivers the log to one subscriber: it reads behind the writer, and sends each conversation's events one after the other.

The cursor is the place up to which nothing is owed. A conversation whose event is not taken is stored as a lag and no longer
holds the cursor back; others go on. Events are read right before each attempt: what was erased meanwhile is never sent.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from salon.actors.store import StoreError

from ..agents import Breaker
from .cursor import Cursor
from .delivery import delivery_body, delivery_id, test_body
from .lane import Lane, backoff, kind_of, next_owed
from .sender import GONE, Outcome, Sender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from httpx2 import AsyncBaseTransport

    from salon.actors.log import LogEntry, LogTail
    from salon.actors.sources import Sources
    from salon.actors.webhooks import StoredWebhook

    from .wanted import WebhookLog, WebhookWanted

AT_ONCE = 8  # requests to one subscriber: what one small backend takes without queueing
WINDOW = 256  # events that may be on their way beside those of lags: 8 at once for some seconds
MOST_LAGS = 1_000  # conversations that lag behind; with more it is the subscriber that is down, and nothing new is begun
FAILURES = 5  # in a row, after which one delivery is tried at a time
PAUSE = 5.0  # seconds until that, at first
RETRY_FOR = 3 * 86_400_000  # milliseconds after which a subscriber that takes nothing is paused
MOMENT = 0.05  # seconds between two reads of the log: many commits are one page
SAVE_EVERY = 1.0  # seconds between two notes of how far it is; after a kill that much is sent again
MOVED = 1_000  # places that the cursor moves, without a delivery, before it is noted

logger = logging.getLogger(__name__)


class Subscription:
    """One subscriber. `run` has to run; `stopped` holds it while what is stored of it is changed."""

    def __init__(
        self,
        store: WebhookLog,
        tail: LogTail,
        sources: Sources,
        stored: StoredWebhook,
        wanted: WebhookWanted,
        report: Callable[[StoreError], None],
        transport: AsyncBaseTransport | None = None,
    ) -> None:
        self.stored = stored
        self.wanted = wanted
        self.delivered = self.failures = 0
        self.last_error: tuple[str, int] | None = None
        self._store = store
        self._tail = tail
        self._sources = sources
        self._report = report
        self._transport = transport
        self._sender = Sender(places=AT_ONCE, transport=transport)
        self._breaker = Breaker(FAILURES, PAUSE)
        self._places = trio.CapacityLimiter(AT_ONCE)
        self._lanes: dict[int, Lane] = {}
        self._cursor = Cursor(stored.cursor)
        self._unsaved = 0  # deliveries since the cursor was noted
        self._moved = trio.Event()
        self._holds = 0
        self._scope: trio.CancelScope | None = None
        self._idle = trio.Event()
        self._idle.set()
        self._wake = trio.Event()

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                if self.stored.paused_at is not None or self._holds:
                    self._wake = trio.Event()
                    await self._wake.wait()
                    continue
                if not await self._delivered_well():
                    await trio.sleep(PAUSE)
        finally:
            with trio.CancelScope(shield=True):
                await self._sender.close()

    async def _delivered_well(self) -> bool:
        """Deliver until somebody stops it; False where it failed."""
        self._idle = trio.Event()
        try:
            with trio.CancelScope() as self._scope:
                await self._deliver()
        except Exception:
            logger.exception("webhook %s has failed and begins again", self.stored.webhook_id)
            return False
        finally:
            self._scope = None
            self._idle.set()
        return True

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """Hold all deliveries; one that is under way may be sent again."""
        self._holds += 1
        try:
            while self._scope is not None:
                self._scope.cancel()
                await self._idle.wait()
            yield
        finally:
            self._holds -= 1
            self._breaker = Breaker(FAILURES, PAUSE)
            self._wake.set()

    async def renew_sender(self) -> None:
        """Forget the connections to a former address; while it is `stopped`."""
        await self._sender.close()
        self._sender = Sender(places=AT_ONCE, transport=self._transport)

    async def test(self) -> Outcome:
        """Send a test event at once, whatever else waits."""
        at = self._sources.now()
        name = f"test-{self._sources.new_id()}"
        return await self._send(name, test_body(self.stored.webhook_id, at))

    # --- reading behind the writer ----------------------------------------------------------------------------------------

    async def _deliver(self) -> None:
        try:
            await self._load()
            async with trio.open_nursery() as nursery:
                for lane in self._lanes.values():
                    nursery.start_soon(self._serve, lane)
                nursery.start_soon(self._note_regularly)
                await self._scan(nursery)
        except* StoreError as errors:
            self._report(_first(errors))
            await trio.sleep(1)
        finally:
            with trio.move_on_after(1, shield=True):
                await self._note()

    async def _load(self) -> None:
        id = self.stored.webhook_id
        self._cursor = Cursor(self.stored.cursor)
        lanes = {}
        for lag in await self._store.webhook_lags(id).wait():
            wanted = await self._store.sequence_at(lag.number, self.stored.cursor).wait()
            lanes[lag.number] = Lane.of(lag, wanted)
        self._lanes = lanes

    async def _scan(self, nursery: trio.Nursery) -> None:
        while True:
            await self._room()
            grown = self._tail.grown
            page = await self._store.common_log(self._cursor.scanned).wait()
            for entry in page.entries:
                if self.wanted.wants(kind_of(entry.record.body), entry.conversation_id):
                    self._take(entry, nursery)
            caught_up = page.through == self._cursor.scanned
            self._cursor.scanned = page.through
            if caught_up:
                await grown.wait()
                await trio.sleep(MOMENT)

    async def _room(self) -> None:
        """Wait until something new may be begun."""
        while self._is_full():
            with trio.move_on_after(1):
                await self._moved.wait()

    def _is_full(self) -> bool:
        if self._breaker.state == "half_open" and not len(self._cursor):
            return False  # something new is tried: what has failed may wait for an hour
        return (
            len(self._cursor) > WINDOW
            or self._breaker.state != "closed"
            or sum(lane.stored for lane in self._lanes.values()) >= MOST_LAGS
        )

    def _take(self, entry: LogEntry, nursery: trio.Nursery) -> None:
        sequence = entry.record.sequence
        lane = self._lanes.get(entry.number)
        begin = lane is None
        if lane is None:
            lane = Lane(entry.number, entry.conversation_id, sequence - 1, sequence)
            self._lanes[entry.number] = lane
        lane.wanted = max(lane.wanted, sequence)
        if not lane.stored:
            lane.places.append((sequence, entry.position))
            self._cursor.hold(entry.position)
        if begin:
            nursery.start_soon(self._serve, lane)

    # --- sending ----------------------------------------------------------------------------------------------------------

    async def _serve(self, lane: Lane) -> None:
        while True:
            while lane.delivered < lane.wanted:
                await trio.sleep(lane.wait(self._sources.now()))
                async with self._places:
                    pause = self._breaker.wait()
                    if pause is None:
                        await self._try(lane)
                if pause is not None:
                    await trio.sleep(pause)
            if lane.stored:
                lane.stored = False  # first: what comes during the next line holds the cursor back
                await self._store.end_webhook_lag(self.stored.webhook_id, lane.number).wait()
            if lane.delivered >= lane.wanted:
                del self._lanes[lane.number]
                self._move_on()
                return

    async def _try(self, lane: Lane) -> None:
        """Send the lane's next event once."""
        try:
            record = await next_owed(self._store, self.wanted, lane, self._cursor.settle)
            if record is None:
                self._breaker.unknown()
                return
            name = delivery_id(lane.conversation_id, record.sequence)
            outcome = await self._send(name, delivery_body(lane.conversation_id, record))
        except BaseException:
            self._breaker.unknown()
            raise
        if outcome.error is None:
            self._breaker.worked()
            await self._worked(lane, record.sequence)
        else:
            self._breaker.failed()
            await self._failed(lane, outcome)

    async def _send(self, name: str, body: str) -> Outcome:
        wanted = self.wanted
        secrets = wanted.signing(self._sources.now())
        return await self._sender.send(
            wanted.url, secrets, name, body, allow_private=wanted.allow_private
        )

    async def _worked(self, lane: Lane, sequence: int) -> None:
        self.delivered += 1
        self._unsaved += 1
        self.stored = self.stored._replace(worked_at=self._sources.now())
        lane.passed(sequence, self._cursor.settle)
        if lane.stored and trio.current_time() > lane.saved_at + SAVE_EVERY:
            await self._save_lag(lane)
        self._move_on()

    async def _failed(self, lane: Lane, outcome: Outcome) -> None:
        assert outcome.error is not None
        now = self._sources.now()
        self.failures += 1
        self.last_error = outcome.error, now
        pause = max(backoff(lane.attempts + 1, self._sources.chance()), outcome.retry_after or 0)
        lane.failed(now, outcome.error, pause)
        await self._save_lag(lane)
        lane.stored = True
        for _, position in lane.places:
            self._cursor.settle(position)
        lane.places.clear()
        self._move_on()
        taken_since = (self.stored.worked_at or 0) > lane.since
        if outcome.status == GONE:
            await self._pause("it answered 410: it wants nothing more")
        elif now - lane.since >= RETRY_FOR and not taken_since:
            await self._pause(f"it has taken nothing for 3 days; at last {outcome.error}")

    async def _save_lag(self, lane: Lane) -> None:
        lane.saved_at = trio.current_time()
        await self._store.save_webhook_lag(lane.lag(self.stored.webhook_id)).wait()

    async def _pause(self, why: str) -> None:
        logger.warning("webhook %s is paused: %s", self.stored.webhook_id, why)
        stored = self.stored._replace(
            cursor=self._cursor.place, paused_at=self._sources.now(), why=why
        )
        await self._store.save_webhook(stored).wait()
        self.stored = stored
        if self._scope is not None:
            self._scope.cancel()

    # --- how far it is ----------------------------------------------------------------------------------------------------

    def _move_on(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

    async def _note_regularly(self) -> None:
        while True:
            await trio.sleep(SAVE_EVERY)
            if self._unsaved or self._cursor.place > self.stored.cursor + MOVED:
                await self._note()

    async def _note(self) -> None:
        cursor = self._cursor.place
        if cursor != self.stored.cursor:
            self._unsaved = 0
            self.stored = self.stored._replace(cursor=cursor)
            try:
                id, worked_at = self.stored.webhook_id, self.stored.worked_at
                await self._store.move_webhook(id, cursor, worked_at).wait()
            except StoreError as error:
                self._report(error)

    # --- for operators, see `handles` ---------------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """The place up to which all is delivered, except what lags say."""
        return self.stored.cursor if self._scope is None else self._cursor.place

    @property
    def stuck(self) -> list[Lane]:
        """The conversations whose next event was not taken."""
        return [lane for lane in self._lanes.values() if lane.attempts]

    async def save(self, stored: StoredWebhook) -> None:
        """Store what has changed of it; while it is `stopped`."""
        await self._store.save_webhook(stored).wait()
        self.stored = stored


def _first(errors: BaseExceptionGroup[StoreError]) -> StoreError:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, StoreError)
    return first
