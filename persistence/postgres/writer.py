"""The thread that writes to PostgreSQL: its commits wait for a server that restarts, and none is stored twice or lost by that."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Protocol

import psycopg

from salon.actors.store import Changes, StoreError

from ..transaction import relaxed_transaction, transaction
from ..writing import Job, WritingThread, records_of
from .erasing import PostgresEraser
from .fault import Lost
from .view import BEAT

if TYPE_CHECKING:
    from ..ledger import Entry, Outcome
    from ..loop import Loop
    from .ledger import IndexedKeys, PostgresLedger
    from .search_index import PostgresIndex
    from .server import Server
    from .session import PostgresSession

PATIENCE = 10.0  # seconds for which commits wait for a server that is away, before they are refused: a restart takes about 2
RETRY = 0.1  # seconds between two tries to reach it
IDLE = 0.05  # seconds without work after which the housekeeping is done

logger = logging.getLogger(__name__)


class Standing(Protocol):
    """By which right a server writes."""

    def renew(self) -> None:
        """Have no commit of a lost connection under way any more. Raises `StoreError` where the server may no longer write."""

    def beat(self) -> bool:
        """Give a sign of life; whether the server is still in."""

    def leave(self) -> None:
        """Write no more."""


class PostgresWriter(WritingThread):
    """Owns the writing connection, and this server's place in the view."""

    def __init__(
        self,
        server: Server,
        session: PostgresSession,
        view: Standing,
        ledger: PostgresLedger,
        search: PostgresIndex,
        keys: IndexedKeys,
        loop: Loop,
    ) -> None:
        super().__init__(server.name, loop)
        self._server = server
        self._session = session
        self._view = view
        self._ledger = ledger
        self._search = search
        self._eraser = PostgresEraser(session, keys, search)
        self._beat_at = time.monotonic() + BEAT
        self._away_since: float | None = None  # the server cannot be reached
        self._is_in_doubt = False  # a commit of the former connection may still be under way
        self._thread.start()

    @property
    def erasing(self) -> bool:
        """Whether something of what was deleted is still to be deleted; asked from any thread."""
        return self._eraser.due

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _patience(self) -> float | None:
        until_beat = max(0.0, self._beat_at - time.monotonic())
        if self._search.late or self._eraser.due:
            return 0.0
        return min(IDLE, until_beat) if self._search.ready else until_beat

    def _store(self, entries: list[Entry]) -> list[Outcome]:
        doubted = False
        while True:
            try:
                self._come_back()
                known = self._ledger.outcomes_of(entries) if doubted else {}
                rest = [place for place in range(len(entries)) if place not in known]
                outcomes = self._ledger.append([entries[place] for place in rest]) if rest else []
            except Lost as error:
                self._went_away(error)
                doubted = True
            else:
                known.update(zip(rest, outcomes, strict=True))
                self._note(entries)
                return [known[place] for place in range(len(entries))]

    def _note(self, entries: list[Entry]) -> None:
        self._search.note(sum(len(records_of(entry)) for entry in entries))
        if any(isinstance(entry, Changes) and entry.erased is not None for entry in entries):
            self._eraser.look()

    def _do(self, job: Job) -> object:
        """A job waits for the server, too, but is done again only where it surely was not."""
        begin = relaxed_transaction if job.relaxed else transaction
        while True:
            try:
                self._come_back()
                with begin(self._session):
                    return job.run(self._session)
            except Lost as error:
                self._is_in_doubt = True
                if error.committing:
                    return self._explain(error)
                try:
                    self._went_away(error)
                except StoreError as refusal:
                    return refusal
            except Exception as error:
                return self._explain(error)

    def _come_back(self) -> None:
        """Have a connection, and no commit of a former one under way."""
        if self._is_in_doubt or not self._session.is_open:
            self._view.renew()
            self._ledger.refresh()
            self._is_in_doubt = False
        if self._away_since is not None:
            logger.warning(
                "%s: the server is back after %.1f s",
                self._name,
                time.monotonic() - self._away_since,
            )
            self._away_since = None

    def _went_away(self, error: Lost) -> None:
        """Wait a moment for the server. Raises `StoreError` where it has been away for too long."""
        self._is_in_doubt = True
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
            logger.warning("%s", self._explain(error))
        if now - self._away_since > PATIENCE:
            raise self._explain(error) from None
        time.sleep(RETRY)

    def _rest(self, *, idle: bool) -> None:
        if time.monotonic() >= self._beat_at:
            self._beat_at = time.monotonic() + BEAT
            self._beat()
        super()._rest(idle=idle)

    def _beat(self) -> None:
        try:
            self._come_back()
            self._look_around()
        except Lost as error:
            self._is_in_doubt = True
            if self._away_since is None:
                self._away_since = time.monotonic()
                logger.warning("%s", self._explain(error))
        except (StoreError, psycopg.Error) as error:
            logger.warning("%s", self._explain(error))

    def _look_around(self) -> None:
        """Give a sign of life."""
        if not self._view.beat():
            logger.error("%s: another server has taken this database over", self._name)

    def _keep_house(self, *, idle: bool) -> None:
        """Index messages, and erase what was deleted."""
        if not self._session.is_open:
            return
        try:
            if self._search.is_due(idle=idle):
                self._search.merge()
            if self._eraser.due:
                self._eraser.erase_piece()
        except Lost as error:
            self._is_in_doubt = True
            logger.warning("%s", self._explain(error))

    def _explain(self, error: Exception) -> StoreError:
        return self._server.explain(error)

    def _end(self) -> None:
        try:
            if self._session.is_open:
                self._view.leave()
        except Exception as error:
            logger.warning("%s", self._explain(error))
        self._session.close()
