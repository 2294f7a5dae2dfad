"""How far one subscriber is in the log: the place up to which nothing holds it back."""

from __future__ import annotations


class Cursor:
    """The place up to which nothing is owed, except what lags say. `scanned` is the place up to which the log was read."""

    def __init__(self, place: int) -> None:
        self.scanned = place
        self._held: dict[int, None] = {}  # ascending

    def __len__(self) -> int:
        return len(self._held)

    @property
    def place(self) -> int:
        """The place before the first one that is held."""
        return next(iter(self._held), self.scanned + 1) - 1

    def hold(self, position: int) -> None:
        """Hold the cursor back before a place, which is after all that are held."""
        self._held[position] = None

    def settle(self, position: int) -> None:
        """Hold it back no more."""
        self._held.pop(position, None)
