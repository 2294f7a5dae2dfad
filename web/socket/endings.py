"""Watches when the identities of connections end: warns a minute before, and closes within a second after.

Only connections whose end is near are looked at each second. The heartbeat, which comes to each connection, finds those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .codec import auth_expiring
from .connection import Phase
from .websocket import text_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection

WARNING = 60_000  # milliseconds before the end: enough to get a new token, even by a person's click
MARGIN = 5_000  # milliseconds by which a heartbeat may come late


class Endings:
    """The connections whose identities end soon. `now_ms` is the wall clock; `heartbeat` is in seconds, 0 for every second."""

    def __init__(self, now_ms: Callable[[], int], heartbeat: float) -> None:
        self._now_ms = now_ms
        self._horizon = WARNING + round(heartbeat * 1000) + MARGIN
        self._near: dict[Connection, None] = {}

    def look(self, connection: Connection) -> None:
        """Watch a connection from now on if its end is near. Called when it begins, with each heartbeat, and for a new token."""
        ends = connection.expires_at
        if ends is not None and ends - self._now_ms() <= self._horizon:
            self._near[connection] = None

    def forget(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._near.pop(connection, None)

    def near(self) -> tuple[Connection, ...]:
        """The connections to `check` once a second."""
        return tuple(self._near)

    def check(self, connection: Connection) -> None:
        """Warn or close a connection if it is time."""
        ends = connection.expires_at
        if ends is None or connection.phase is not Phase.OPEN:
            self.forget(connection)
            return
        left = ends - self._now_ms()
        if left > self._horizon:
            self.forget(connection)
        elif left <= 0:
            connection.close(4500, "identity expired")
        elif left <= WARNING and connection.warned_of != ends:
            connection.warned_of = ends
            body = auth_expiring(ends)
            connection.push(text_header(len(body)) + body)
