"""People who leave a conversation and join it again, over HTTP, while the others talk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .api import StageError

if TYPE_CHECKING:
    from .crowd import Crowd
    from .errand import Errands
    from .figures import Tally
    from .seat import Seat

ABSENCE = 0.5  # seconds between leaving and joining again
LAST_WORD = 0.01  # seconds between two looks whether it was answered


class Leaving:
    """Who is away. From each room one at a time, and never who stays: nobody may be the last one out."""

    def __init__(self, crowd: Crowd, errands: Errands, tally: Tally) -> None:
        self._crowd, self._errands, self._tally = crowd, errands, tally
        self.rooms: set[str] = set()  # that somebody is away from

    def leave(self, seat: Seat) -> bool:
        """Have somebody leave, if they may; they say nothing more, and go once what they said is answered."""
        if seat.person.stays or not seat.live or seat.room in self.rooms:
            return False
        self.rooms.add(seat.room)
        seat.away = True
        self._go(seat)
        return True

    def _go(self, seat: Seat) -> None:
        if not seat.live:
            self._back(seat)  # the connection was lost meanwhile
        elif seat.ledger.pending:
            self._crowd.at(time.monotonic() + LAST_WORD, lambda: self._go(seat))
        else:
            path = f"/chat/{seat.room}/leave"
            self._errands.ask(
                lambda api: api.call("DELETE", path, seat.person.token),
                lambda answer: self._left(seat, answer),
            )

    def _left(self, seat: Seat, answer: Any) -> None:
        if isinstance(answer, StageError):
            self._failed(seat, answer)
            self._back(seat)
        else:
            self._crowd.at(time.monotonic() + ABSENCE, lambda: self._join(seat))

    def _join(self, seat: Seat) -> None:
        path = f"/chat/{seat.room}/join"
        self._errands.ask(
            lambda api: api.send("POST", path, seat.person.token),
            lambda answer: self._joined(seat, answer),
        )

    def _joined(self, seat: Seat, answer: Any) -> None:
        if not isinstance(answer, StageError):
            self._tally.rejoins += 1
            self._back(seat)
        elif answer.retry_after is not None:
            self._tally.refusal(answer.code)
            self._crowd.at(time.monotonic() + answer.retry_after, lambda: self._join(seat))
        else:
            self._failed(seat, answer)
            self._crowd.gone.add(seat)
            self.rooms.discard(seat.room)

    def _back(self, seat: Seat) -> None:
        self.rooms.discard(seat.room)
        seat.away = False
        self._crowd.drop(seat)
        self._crowd.bring([seat], time.monotonic())

    def _failed(self, seat: Seat, error: StageError) -> None:
        self._tally.refusal(error.code)
        if error.retry_after is None:
            seat.anomaly("membership", str(error))
