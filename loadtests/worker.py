"""One process of simulated people: a loop over their sockets that sends on schedule and checks what comes."""

from __future__ import annotations

import gc
import heapq
import random
import resource
import select
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from .api import StageError, Target
from .errand import Errands, page
from .figures import INTERVAL, NEVER, Sample, Tally
from .frame import server_frame
from .leaving import Leaving
from .schedule import Schedule
from .seat import Seat
from .transcript import Transcript
from .verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection

    from .scenario import Scenario
    from .stage import Room
    from .transcript import Digest

TOGETHER = 64  # handshakes on their way at once when all arrive
AT_ONCE = 32  # sockets opened between two looks at the others when all come back
ARRIVAL = 60.0  # seconds for all to be connected
QUIET = 5.0  # seconds at the end in which nothing comes: what is missing then is lost
SETTLE = 60.0  # seconds at the end in all
TICK = 0.1  # seconds of a wait at most, for what is not an event of a socket
ALL = select.EPOLLIN | select.EPOLLOUT


class Worker:
    """Plays its people. `senders` and `people` are its shares of those of the scenario."""

    def __init__(
        self, scenario: Scenario, target: Target, rooms: list[Room], senders: float, people: float
    ) -> None:
        self.scenario = scenario
        self.tally = Tally()
        self.transcripts = {
            room.conversation_id: Transcript(room.head, keyed=scenario.keys) for room in rooms
        }
        self.seats = [
            Seat(
                target,
                room.conversation_id,
                person,
                number,
                self.transcripts[room.conversation_id],
                self.tally,
                size=scenario.size,
                keyed=scenario.keys,
            )
            for room in rooms
            for number, person in room.people
        ]
        self.errands = Errands(target)
        self._shares = {"senders": senders, "people": people}
        self._senders = [seat for seat in self.seats if seat.person.sends]
        self._leaving = Leaving(self)
        self._poll = select.epoll()
        self._by_fd: dict[int, Seat] = {}
        self._coming: list[tuple[Seat, float]] = []  # to be connected, and since when; last first
        self._entering: set[Seat] = set()  # in the midst of it
        self._gone: list[Seat] = []  # those who may not come back
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timers_set = 0
        self._random = random.Random(1)
        self._window = 0  # filled up while messages are to be sent
        self._next_sample = NEVER
        self._over = False

    # --- the run ------------------------------------------------------------------------------

    def arrive(self) -> None:
        """Connect all, a few at a time. Raises `StageError`."""
        waiting = self.seats[::-1]
        deadline = time.monotonic() + ARRIVAL
        while waiting or self._entering or self._coming:
            while waiting and len(self._entering) < TOGETHER:
                self.enter(waiting.pop(), time.monotonic())
            self._round(TICK)
            refused = next((seat.no_entry for seat in self.seats if seat.no_entry), "")
            if refused or time.monotonic() > deadline:
                raise StageError(refused or f"not all were connected after {ARRIVAL:g} s")
        size = self.seats[0].limits.get("max_message_size") if self.seats else None
        if size and self.scenario.size > size:
            raise StageError(
                f"messages may have {size} characters here, not {self.scenario.size}: "
                "lift limits.max_message_size or use a smaller --size"
            )

    def run(self, start: float, line: Connection) -> None:
        """Send, read and measure until the scenario's time is over."""
        scenario = self.scenario
        measured_from = start + scenario.warm_up
        end = measured_from + scenario.seconds
        while (now := time.monotonic()) < start:
            self._round(min(start - now, TICK))
        self.tally.due_from, self.tally.due_until = measured_from, end
        schedule = Schedule(scenario, start, **self._shares)
        self._next_sample = measured_from
        if scenario.storm:
            self.at(measured_from + scenario.storm, self._storm)
        self._window = scenario.window
        for seat in self._senders if self._window else ():
            self._fill(seat, now)
        cpu = 0.0
        while (now := time.monotonic()) < end:
            if now >= self._next_sample:
                if not self.tally.measuring:
                    self._check_warm_up()
                    cpu, self.tally.measuring = time.process_time(), True
                self._sample(now - measured_from, line)
            for kind, due in schedule.due(now):
                self._act(kind, due)
            moment = min(schedule.next_due, end, self._next_sample)
            self._round(moment - now, fine=schedule.next_due < NEVER)
        self.tally.cpu = self.tally.busiest = time.process_time() - cpu
        self.tally.measuring, self._window, self._over = False, 0, True
