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

    from .everywhere import Everywhere
    from .figures import Tally
    from .user import User

AT_ONCE = 32  # sockets opened between two looks at the others
AGAIN = 0.5  # seconds before a connect that failed is tried again
FINE = 0.05  # seconds: epoll waits for whole milliseconds only, too coarse below this


class Connections:
    """Moves people's sockets. `on_news` is called with a user that has set `news`, and the time."""

    def __init__(self, tally: Tally, on_news: Callable[[User, float], None]) -> None:
        self.entering: set[User] = set()  # connected, not yet live
        self.gone: set[User] = set()  # may not come back
        self.deaf: set[User] = set()  # do not read
        self.window = 0  # messages that each sender has on their way, as long as it is set
        self.everywhere: Everywhere | None = None  # follows who reads, where the window needs it
        self._tally = tally
        self._on_news = on_news
        self._poll = select.epoll()
        self._by_fd: dict[int, User] = {}
        self._bells: dict[int, Callable[[], None]] = {}
        self._coming: deque[tuple[User, float]] = deque()  # to be connected, and since when
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timers_set = 0

    def bring(self, users: Iterable[User], due: float) -> None:
        """Have people connect, some in each round. They were to be connected since `due`."""
        self._coming.extend((user, due) for user in users)

    def drop(self, user: User) -> None:
        """Cut a connection, as a lost network does."""
        if user.wire.sock is not None:
            self._by_fd.pop(user.wire.sock.fileno(), None)
        self.entering.discard(user)
        self.deaf.discard(user)
        user.disconnect()

    def at(self, moment: float, call: Callable[[], None]) -> None:
        """Have something done at that time."""
        self._timers_set += 1
        heapq.heappush(self._timers, (moment, self._timers_set, call))

    def watch(self, fd: int, call: Callable[[], None]) -> None:
        """Have something done when there is something to read there, which it has to read."""
        self._poll.register(fd, select.EPOLLIN)
        self._bells[fd] = call

    def ignore(self, user: User) -> None:
        """Read nothing more that is sent to a person."""
        if user.wire.sock is not None:
            self._poll.unregister(user.wire.sock)
            self.deaf.add(user)

    def listen(self) -> None:
        """Read again what is sent to those who were ignored."""
        for user in self.deaf:
            if user.wire.sock is not None:
                self._poll.register(user.wire.sock, select.EPOLLIN)
        self.deaf.clear()

    def sent(self, user: User) -> None:
        """Look after what was written for a user: the kernel may not have taken all of it."""
        if user.wire.unsent and user.wire.sock is not None:
            self._poll.modify(user.wire.sock, select.EPOLLIN | select.EPOLLOUT)

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
        """Send as many messages as the window has room for."""
        for _ in range(self.window - user.ledger.on_their_way - user.held):
            user.post(now)
        if user.wire.unsent:
            self.sent(user)

    def _enter(self, user: User, due: float) -> None:
        if user.live or user.away or user in self.entering or user in self.gone:
            return  # it was brought twice
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
            return  # it has left; whoever called it away brings it back
        if wait is None:
            self.gone.add(user)
            return
        self._tally.reconnects += 1
        self.at(now + wait, lambda: self.bring([user], now + wait))
