"""HTTP requests of simulated users, made in a thread of their own so that they never block a socket."""

from __future__ import annotations

import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from .api import Api, RunError
from .frame import compact

if TYPE_CHECKING:
    from collections.abc import Callable

    from .api import Target

    Work = Callable[[Api], Any]
    Then = Callable[[Any], None]

PAGE = 100  # events of one answer


class HttpThread:
    """Makes requests one after the other. `finish` calls the requester back with the answer or the `RunError`."""

    def __init__(self, target: Target) -> None:
        self.under_way = 0
        self._target = target
        self._asked: queue.SimpleQueue[tuple[Work, Then]] = queue.SimpleQueue()
        self._answers: deque[tuple[Then, Any]] = deque()
        self._thread: threading.Thread | None = None

    def ask(self, work: Work, then: Then) -> None:
        """Queue a request: `work` makes it in the thread, `finish` calls `then` with its result."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self.under_way += 1
        self._asked.put((work, then))

    def finish(self) -> None:
        """Call back the requesters of all finished requests, in the caller's thread."""
        while self._answers:
            then, answer = self._answers.popleft()
            self.under_way -= 1
            then(answer)

    def _run(self) -> None:
        api = Api(self._target)
        while True:
            work, then = self._asked.get()
            try:
                answer = work(api)
            except RunError as error:
                answer = error
            self._answers.append((then, answer))


def page(api: Api, room: str, token: str, after: int, until: int) -> list[tuple[int, bytes]]:
    """The events after one sequence up to another from the log, each with its sequence and its text. Raises `RunError`."""
    events: list[tuple[int, bytes]] = []
    while after < until:
        path = f"/chat/{room}/messages?after={after}&limit={min(PAGE, until - after)}"
        found = api.call("GET", path, token)["events"]
        if not found:
            break
        events += [(event["sequence_id"], compact(event)) for event in found]
        after = events[-1][0]
    return events
