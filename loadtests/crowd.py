"""The sockets of one process: opens them, reads what comes, and brings back who was dropped."""

from __future__ import annotations

import heapq
import select
import time
from collections import deque
from typing import TYPE_CHECKING

from .figures import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .figures import Tally
    from .seat import Seat

AT_ONCE = 32  # sockets opened between two looks at the others
AGAIN = 0.5  # seconds before a connect that failed is tried again
FINE = 0.05  # seconds: epoll waits for whole milliseconds only, too coarse below this


class Crowd:
    """Moves people's sockets. `on_news` is called with a seat that has set `news`, and the time."""

    def __init__(self, tally: Tally, on_news: Callable[[Seat, float], None]) -> None:
        self.entering: set[Seat] = set()  # connected, not yet live
        self.gone: set[Seat] = set()  # may not come back
        self.deaf: set[Seat] = set()  # do not read
        self.window = 0  # messages that each sender has on their way, as long as it is set
        self._tally = tally
        self._on_news = on_news
        self._poll = select.epoll()
        self._by_fd: dict[int, Seat] = {}
        self._coming: deque[tuple[Seat, float]] = deque()  # to be connected, and since when
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timers_set = 0

    def bring(self, seats: Iterable[Seat], due: float) -> None:
        """Have people connect, some in each round. They were to be connected since `due`."""
        self._coming.extend((seat, due) for seat in seats)

    def drop(self, seat: Seat) -> None:
        """Cut a connection, as a lost network does."""
        if seat.wire.sock is not None:
            self._by_fd.pop(seat.wire.sock.fileno(), None)
        self.entering.discard(seat)
        self.deaf.discard(seat)
        seat.disconnect()

    def at(self, moment: float, call: Callable[[], None]) -> None:
        """Have something done at that time."""
        self._timers_set += 1
        heapq.heappush(self._timers, (moment, self._timers_set, call))

    def ignore(self, seat: Seat) -> None:
        """Read nothing more that is sent to a person."""
        if seat.wire.sock is not None:
            self._poll.unregister(seat.wire.sock)
            self.deaf.add(seat)

    def listen(self) -> None:
        """Read again what is sent to those who were ignored."""
        for seat in self.deaf:
            if seat.wire.sock is not None:
                self._poll.register(seat.wire.sock, select.EPOLLIN)
        self.deaf.clear()

    def sent(self, seat: Seat) -> None:
        """Look after what was written for a seat: the kernel may not have taken all of it."""
        if seat.wire.unsent and seat.wire.sock is not None:
            self._poll.modify(seat.wire.sock, select.EPOLLIN | select.EPOLLOUT)

    @property
    def quiet(self) -> bool:
        """Whether nobody is on their way here, and nothing is to be done later."""
        return not self.entering and not self._coming and not self._timers

    def round(self, timeout: float, *, fine: bool = False) -> None:
        """Wait for sockets and timers, that many seconds at most, and serve them; `fine` is for waits that must be exact."""
        now = time.monotonic()
        for _ in range(min(AT_ONCE, len(self._coming))):
            self._enter(*self._coming.popleft())
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        next_timer = self._timers[0][0] if self._timers else NEVER
        timeout = 0.0 if self._coming else max(0.0, min(timeout, next_timer - now))
        for fd, what in self._ready(timeout, fine=fine):
            seat = self._by_fd.get(fd)
            if seat is not None:
                self._serve(seat, what)

    def _ready(self, timeout: float, *, fine: bool) -> list[tuple[int, int]]:
        if not fine or timeout > FINE:
            return self._poll.poll(timeout)
        found = self._poll.poll(0)
        if not found and timeout:
            select.select([self._poll], (), (), timeout)
            found = self._poll.poll(0)
        return found

    def _serve(self, seat: Seat, what: int) -> None:
        if what & select.EPOLLOUT:
            seat.wire.flush()
            if not seat.wire.unsent and seat.wire.sock is not None:
                self._poll.modify(seat.wire.sock, select.EPOLLIN)
        if what & ~select.EPOLLOUT:
            now = time.monotonic()
            if not seat.readable(now):
                self._ended(seat, now)
            elif seat.news:
                seat.news = False
                self.entering.discard(seat)
                self._on_news(seat, now)
            elif self.window and seat.person.sends:
                self.fill(seat, now)

    def fill(self, seat: Seat, now: float) -> None:
        """Send as many messages as the window has room for."""
        for _ in range(self.window - len(seat.ledger.pending) - seat.held):
            seat.post(now)
        if seat.wire.unsent:
            self.sent(seat)

    def _enter(self, seat: Seat, due: float) -> None:
        if seat.live or seat.away or seat in self.entering or seat in self.gone:
            return  # it was brought twice
        try:
            fd = seat.connect(due)
        except OSError as error:
            seat.no_entry = f"cannot connect: {error.strerror}"
            self.at(time.monotonic() + AGAIN, lambda: self.bring([seat], due))
            return
        self.entering.add(seat)
        self._by_fd[fd] = seat
        waits = bool(seat.wire.unsent)
        self._poll.register(fd, select.EPOLLIN | select.EPOLLOUT * waits)

    def _ended(self, seat: Seat, now: float) -> None:
        wait = seat.back_in
        self.drop(seat)
        if seat.away:
            return  # it has left; whoever called it away brings it back
        if wait is None:
            self.gone.add(seat)
            return
        self._tally.reconnects += 1
        self.at(now + wait, lambda: self.bring([seat], now + wait))
