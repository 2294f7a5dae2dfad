"""The sockets of one process: opens them, serves reads and writes, reconnects users that were dropped."""

from __future__ import annotations

import heapq
import select
import time
from collections import deque
from typing import TYPE_CHECKING

from .figures import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .everywhere import Everywhere
    from .figures import Tally
    from .user import User

AT_ONCE = 32  # sockets opened between two polls
AGAIN = 0.5  # seconds until a failed connect is retried
FINE = 0.05  # seconds: epoll waits for whole milliseconds only, too coarse for shorter waits


class Connections:
    """Runs the sockets of users. `on_news` is called with each user that has set `news`, and the monotonic time in seconds."""

    def __init__(self, tally: Tally, on_news: Callable[[User, float], None]) -> None:
        self.entering: set[User] = set()  # connected, not yet live
        self.gone: set[User] = set()  # must not reconnect
        self.deaf: set[User] = set()  # their sockets are not read
        self.window = 0  # messages in flight per sender; 0: senders have no window
        self.everywhere: Everywhere | None = (
            None  # tracks the readers; set if the window counts deliveries
        )
        self._tally = tally
        self._on_news = on_news
        self._poll = select.epoll()
        self._by_fd: dict[int, User] = {}
        self._bells: dict[int, Callable[[], None]] = {}
        self._coming: deque[tuple[User, float]] = deque()  # to be connected, and when that was due
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timers_set = 0

    def bring(self, users: Iterable[User], due: float) -> None:
        """Queue users to be connected, `AT_ONCE` in each round. `due` is the time from which their connecting is measured."""
        self._coming.extend((user, due) for user in users)

    def drop(self, user: User) -> None:
        """Cut a connection without a close frame, as a lost network does."""
        if user.wire.sock is not None:
            self._by_fd.pop(user.wire.sock.fileno(), None)
        self.entering.discard(user)
        self.deaf.discard(user)
        user.disconnect()

    def at(self, moment: float, call: Callable[[], None]) -> None:
        """Schedule a call for a moment of `time.monotonic`."""
        self._timers_set += 1
        heapq.heappush(self._timers, (moment, self._timers_set, call))

    def watch(self, fd: int, call: Callable[[], None]) -> None:
        """Register a call for when a descriptor is readable. The call has to read from it."""
        self._poll.register(fd, select.EPOLLIN)
        self._bells[fd] = call

    def ignore(self, user: User) -> None:
        """Stop reading a user's socket."""
        if user.wire.sock is not None:
            self._poll.unregister(user.wire.sock)
            self.deaf.add(user)

    def listen(self) -> None:
        """Read the sockets of all ignored users again."""
        for user in self.deaf:
            if user.wire.sock is not None:
                self._poll.register(user.wire.sock, select.EPOLLIN)
        self.deaf.clear()

    def sent(self, user: User) -> None:
        """Poll for writability if the kernel has not taken all that was written for a user."""
        if user.wire.unsent and user.wire.sock is not None:
            self._poll.modify(user.wire.sock, select.EPOLLIN | select.EPOLLOUT)

    @property
    def quiet(self) -> bool:
        """Whether no user is connecting or queued to connect, and no timer is set."""
        return not self.entering and not self._coming and not self._timers

    def round(self, timeout: float, *, fine: bool = False) -> None:
        """Wait at most `timeout` seconds for sockets and timers, and serve them. `fine` makes short waits exact."""
        now = time.monotonic()
        for _ in range(min(AT_ONCE, len(self._coming))):
            self._enter(*self._coming.popleft())
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        next_timer = self._timers[0][0] if self._timers else NEVER
        timeout = 0.0 if self._coming else max(0.0, min(timeout, next_timer - now))
        for fd, what in self._ready(timeout, fine=fine):
            user = self._by_fd.get(fd)
            if user is not None:
                self._serve(user, what)
            elif fd in self._bells:
                self._bells[fd]()

    def _ready(self, timeout: float, *, fine: bool) -> list[tuple[int, int]]:
        if not fine or timeout > FINE:
            return self._poll.poll(timeout)
        found = self._poll.poll(0)
        if not found and timeout:
            select.select([self._poll], (), (), timeout)
            found = self._poll.poll(0)
        return found

    def _serve(self, user: User, what: int) -> None:
        if what & select.EPOLLOUT:
            user.wire.flush()
            if not user.wire.unsent and user.wire.sock is not None:
                self._poll.modify(user.wire.sock, select.EPOLLIN)
        if what & ~select.EPOLLOUT:
            now = time.monotonic()
            if not user.readable(now):
                self._ended(user, now)
            elif user.news:
                user.news = False
                self.entering.discard(user)
                self._on_news(user, now)
            elif self.window and user.person.sends:
                self.fill(user, now)
            if self.everywhere is not None:
                self.everywhere.look(user, there=not user.away and user not in self.gone)

    def fill(self, user: User, now: float) -> None:
        """Send as many messages as fit in the user's window."""
        for _ in range(self.window - user.ledger.on_their_way - user.held):
            user.post(now)
        if user.wire.unsent:
            self.sent(user)

    def _enter(self, user: User, due: float) -> None:
        if user.live or user.away or user in self.entering or user in self.gone:
            return  # it was queued twice
        try:
            fd = user.connect(due)
        except OSError as error:
            user.no_entry = f"cannot connect: {error.strerror}"
            self.at(time.monotonic() + AGAIN, lambda: self.bring([user], due))
            return
        self.entering.add(user)
        self._by_fd[fd] = user
        waits = bool(user.wire.unsent)
        self._poll.register(fd, select.EPOLLIN | select.EPOLLOUT * waits)

    def _ended(self, user: User, now: float) -> None:
        wait = user.back_in
        self.drop(user)
        if user.away:
            return  # it has left the conversation; `Leaving` brings it back
        if wait is None:
            self.gone.add(user)
            return
        self._tally.reconnects += 1
        self.at(now + wait, lambda: self.bring([user], now + wait))
