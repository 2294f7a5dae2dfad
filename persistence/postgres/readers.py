"""The threads that ask the database, each on a connection of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..reader import Readers
from .fault import Lost

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 10.0  # seconds for which reads wait for a server that is away
RETRY = 0.1  # seconds between two tries to reach it


class PostgresReaders(Readers):
    """Answer reads, which wait for a server that is away as commits do."""

    _away_since: float | None = None  # of whichever thread has noticed it first

    def _answer(
        self, connection: Any, question: Callable[..., Any], args: tuple[Any, ...]
    ) -> object:
        is_new = False  # the connection: an old one says nothing of a server that is back
        while True:
            try:
                answer = question(connection, *args)
            except Lost:
                now = time.monotonic()
                self._away_since = since = self._away_since or now
                if is_new and now - since > PATIENCE:
                    raise
                is_new = True
                time.sleep(RETRY)
            else:
                self._away_since = None
                return answer
