"""The writing thread of one node among several. Views decide who may write; one node keeps house for all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from salon.actors.store import Changes, StaleView

from .cluster_ledger import ClusterLedger
from .fault import Lost
from .ledger import IndexedKeys
from .membership import renew
from .search_index import SharedIndex
from .writer import PostgresWriter

if TYPE_CHECKING:
    from ..ledger import Entry, Outcome
    from ..loop import Loop
    from .server import Server
    from .session import PostgresSession


class Doubt:
    """Commits whose connection was lost: a new view settles them, for after it they have happened or never will.

    `view` is the view in which they were decided, None where there are none; `settled_by` is the view that settled the last ones.
    """

    def __init__(self, session: PostgresSession) -> None:
        self._session = session
        self.view: int | None = None
        self.settled_by = 0

    def renew(self) -> None:
        """Have the view that settles them, which another node may have installed already. Raises `Lost`."""
        if self.view is None:
            self._session.run("SELECT 1")  # the server is back only where it answers
        else:
            self.settled_by = renew(self._session, self.view)
            self.view = None

    def leave(self) -> None:
        """Nothing: the membership leaves."""

    def beat(self) -> bool:
        """Nothing: the membership gives the signs of life."""
        return True


class ClusterWriter(PostgresWriter):
    """Commits what was decided in the present view, and answers `StaleView` to what was decided in another."""

    _ledger: ClusterLedger
    _search: SharedIndex

    def __init__(self, server: Server, session: PostgresSession, loop: Loop) -> None:
        self.keeps_house = False  # set from any thread
        self.stale = 0  # changes refused since they were decided in another view
        self._kept_house = False
        search = SharedIndex(session)
        self.ledger = ClusterLedger(session, server.name, search)
        self._doubt = doubt = Doubt(session)
        super().__init__(server, session, doubt, self.ledger, search, IndexedKeys(), loop)

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _patience(self) -> float | None:
        if self._kept_house:
            return super()._patience()
        return max(0.0, self._beat_at - time.monotonic())

    def _store(self, entries: list[Entry]) -> list[Outcome]:
        view = max((each.view for each in entries if isinstance(each, Changes)), default=0)
        # Views only grow, so what was decided in an earlier one than another entry is stale.
        fresh = [each for each in entries if not isinstance(each, Changes) or each.view == view]
        answers = iter(self._store_in(view, fresh))
        outcomes: list[Outcome] = [
            StaleView(view) if isinstance(each, Changes) and each.view != view else next(answers)
            for each in entries
        ]
        self.stale += sum(isinstance(each, StaleView) for each in outcomes)
        return outcomes

    def _store_in(self, view: int, entries: list[Entry]) -> list[Outcome]:
        doubted = False
        while True:
            try:
                self._come_back()
                outcomes = (
                    self._after_doubt(entries) if doubted else self._ledger.append_in(view, entries)
                )
            except Lost as error:
                self._doubt.view, doubted = view, True
                self._went_away(error)
            else:
                self._note(entries)
                return outcomes

    def _after_doubt(self, entries: list[Entry]) -> list[Outcome]:
        """What became of entries whose commit was lost: changes are stored, or stale now."""
        known = self._ledger.outcomes_of(entries)
        stale = StaleView(self._doubt.settled_by)
        return [
            known[place]
            if place in known
            else stale
            if isinstance(entry, Changes)
            else self._ledger.append([entry])[0]
            for place, entry in enumerate(entries)
        ]

    def _look_around(self) -> None:
        """Once a second: what have the other nodes left to do?"""
        self._eraser.look()
        if self.keeps_house:
            self._search.look()
        self._kept_house = self.keeps_house

    def _keep_house(self, *, idle: bool) -> None:
        if self._kept_house:
            super()._keep_house(idle=idle)
