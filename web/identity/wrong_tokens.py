"""Counts wrong tokens by their reason, and logs them: at most a line a second for each reason, whatever is sent."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL = 1000  # milliseconds between two lines for the same reason
USUAL = {"expired", "ended"}  # what happens to every token in time

logger = logging.getLogger(__name__)


class WrongTokens:
    """The wrong tokens since the start. Nothing of a token is kept or logged."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.counts: Counter[str] = Counter()
        self._now = now
        self._logged: dict[str, tuple[int, int]] = {}  # reason -> when, and the count then

    def note(self, reason: str, text: str) -> None:
        """Count a wrong token. `reason` is one word of few, `text` says it for operators."""
        self.counts[reason] += 1
        now, count = self._now(), self.counts[reason]
        at, before = self._logged.get(reason, (0, 0))
        if before and now - at < INTERVAL:
            return
        self._logged[reason] = now, count
        level = logging.INFO if reason in USUAL else logging.WARNING
        told = {"reason": reason, "detail": text, "count": count - before}
        logger.log(level, "a token was refused", extra=told)
