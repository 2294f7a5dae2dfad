"""Users that leave a conversation and join it again, over HTTP, while the others send."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .api import RunError

if TYPE_CHECKING:
    from .connections import Connections
    from .figures import Tally
    from .http_thread import HttpThread
    from .user import User

ABSENCE = 0.5  # seconds between leaving and joining again
LAST_WORD = 0.01  # seconds between two checks whether all of the user's messages are answered


class Leaving:
    """Runs leaving and rejoining. One user per room is away at a time, and never one that stays: a room must not become empty."""

    def __init__(self, connections: Connections, http: HttpThread, tally: Tally) -> None:
        self._connections, self._http, self._tally = connections, http, tally
        self.rooms: set[str] = set()  # rooms with a user away

    def leave(self, user: User) -> bool:
        """Make a user leave; False if it may not. The user sends no more, and leaves once all its messages are answered."""
        if user.person.stays or not user.live or user.room in self.rooms:
            return False
        self.rooms.add(user.room)
        user.away = True
        self._go(user)
        return True

    def _go(self, user: User) -> None:
        if not user.live:
            self._back(user)  # the connection was lost meanwhile
        elif user.ledger.pending:
            self._connections.at(time.monotonic() + LAST_WORD, lambda: self._go(user))
        else:
            path = f"/chat/{user.room}/leave"
            self._http.ask(
                lambda api: api.call("DELETE", path, user.person.token),
                lambda answer: self._left(user, answer),
            )

    def _left(self, user: User, answer: Any) -> None:
        if isinstance(answer, RunError):
            self._failed(user, answer)
            self._back(user)
        else:
            self._connections.at(time.monotonic() + ABSENCE, lambda: self._join(user))

    def _join(self, user: User) -> None:
        path = f"/chat/{user.room}/join"
        self._http.ask(
            lambda api: api.send("POST", path, user.person.token),
            lambda answer: self._joined(user, answer),
        )

    def _joined(self, user: User, answer: Any) -> None:
        if not isinstance(answer, RunError):
            self._tally.rejoins += 1
            self._back(user)
        elif answer.retry_after is not None:
            self._tally.refusal(answer.code)
            self._connections.at(time.monotonic() + answer.retry_after, lambda: self._join(user))
        else:
            self._failed(user, answer)
            self._connections.gone.add(user)
            self.rooms.discard(user.room)

    def _back(self, user: User) -> None:
        self.rooms.discard(user.room)
        user.away = False
        self._connections.drop(user)
        self._connections.bring([user], time.monotonic())

    def _failed(self, user: User, error: RunError) -> None:
        self._tally.refusal(error.code)
        if error.retry_after is None:
            user.anomaly("membership", str(error))
