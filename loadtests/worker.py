"""One process of simulated people: sends on schedule, measures, and gives its verdict on all that came."""

from __future__ import annotations

import gc
import random
import resource
import signal
import time
from typing import TYPE_CHECKING, Any

from .api import StageError, Target
from .crowd import Crowd
from .errand import Errands, page
from .figures import INTERVAL, NEVER, Sample, Tally
from .frame import server_frame
from .leaving import Leaving
from .schedule import Schedule
from .seat import Seat
from .transcript import Transcript
from .verdict import judge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.connection import Connection

    from .scenario import Scenario
    from .stage import Room
    from .transcript import Digest

TOGETHER = 64  # handshakes on their way at once when all arrive
ARRIVAL = 60.0  # seconds for all to be connected
QUIET = 5.0  # seconds at the end in which nothing comes: what is missing then is lost
SETTLE = 60.0  # seconds at the end in all
TICK = 0.05  # seconds between two looks at what is no event of a socket
TRIES = 8  # to find a sender who is connected


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
            self._seat(target, room, number, person)
            for room in rooms
            for number, person in room.people
        ]
        self._shares = {"senders": senders, "people": people}
        self._senders = [seat for seat in self.seats if seat.person.sends]
        self._errands = Errands(target)
        self._crowd = Crowd(self.tally, self._news)
        self._leaving = Leaving(self._crowd, self._errands, self.tally)
        self._random = random.Random(1)
        self._next_sample = NEVER
        self._over = False

    def _seat(self, target: Target, room: Room, number: int, person: Any) -> Seat:
        return Seat(
            target,
            room.conversation_id,
            person,
            number,
            self.transcripts[room.conversation_id],
            self.tally,
            size=self.scenario.size,
            keyed=self.scenario.keys,
        )

    def arrive(self) -> None:
        """Connect all, a few at a time. Raises `StageError`."""
        waiting = self.seats[::-1]
        deadline = time.monotonic() + ARRIVAL
        while waiting or not self._crowd.quiet:
            room_for = min(TOGETHER - len(self._crowd.entering), len(waiting))
            self._crowd.bring([waiting.pop() for _ in range(room_for)], time.monotonic())
            self._round(TICK)
            refused = next((seat.no_entry for seat in self.seats if seat.no_entry), "")
            if refused or time.monotonic() > deadline:
                raise StageError(refused or f"not all were connected after {ARRIVAL:g} s")
        size = self.seats[0].limits.get("max_message_size") if self.seats else None
        if size and self.scenario.size > size:
            raise StageError(
                f"a message may have {size} characters here, not {self.scenario.size}: "
                "lift limits.max_message_size, or use a smaller --size"
            )

    def run(self, start: float, line: Connection) -> None:
        """Send, read and measure until the scenario's time is over."""
        scenario, tally = self.scenario, self.tally
        tally.due_from = self._next_sample = start + scenario.warm_up
        tally.due_until = tally.due_from + scenario.seconds
        schedule = Schedule(scenario, start, **self._shares)
        if scenario.storm:
            self._crowd.at(tally.due_from + scenario.storm, self._storm)
        while (now := time.monotonic()) < start:
            self._round(start - now)
        self._crowd.window = scenario.window
        for seat in self._senders if scenario.window else ():
            self._crowd.fill(seat, now)
        cpu = 0.0
        while (now := time.monotonic()) < tally.due_until:
            if now >= self._next_sample:
                if not tally.measuring:
                    cpu, tally.measuring = time.process_time(), True
                self._sample(now, line)
            for kind, due in schedule.due(now):
                self._act(kind, due)
            moment = min(schedule.next_due, self._next_sample, tally.due_until)
            self._round(moment - now, fine=schedule.next_due < NEVER)
        tally.cpu = tally.busiest = time.process_time() - cpu
        tally.measuring, self._crowd.window, self._over = False, 0, True

    def settle(self, heads: Mapping[str, int]) -> None:
        """Wait until everybody, those who did not read too, has all there is, and all up to these sequences."""
        self._crowd.listen()
        deadline = time.monotonic() + SETTLE
        bytes_read, quiet_until = -1, 0.0
        while not self._settled(heads) and (now := time.monotonic()) < deadline:
            if self.tally.bytes_read != bytes_read or not self._crowd.quiet:
                bytes_read, quiet_until = self.tally.bytes_read, now + QUIET
            elif now > quiet_until:
                break
            self._round(TICK)

    def judge(self, heads: Mapping[str, int]) -> dict[str, Digest]:
        """Note all that is wrong; for each room what this process saw of it, to be compared with the others."""
        tokens = {seat.room: seat.person.token for seat in reversed(self.seats)}
        for room, transcript in self.transcripts.items():
            if transcript.holes and room in heads:
                self._fill_holes(room, transcript, tokens[room])
        judge(self.seats, self.transcripts, heads, self.tally)
        return {room: transcript.digest() for room, transcript in self.transcripts.items()}

    def rest(self) -> None:
        """A short round, for whoever waits."""
        self._round(TICK)

    def _round(self, timeout: float, *, fine: bool = False) -> None:
        self._errands.finish()
        self._crowd.round(min(timeout, TICK), fine=fine)

    def _news(self, seat: Seat, now: float) -> None:
        """Somebody has become live, or was refused something."""
        if not seat.live:
            return
        if not seat.person.reads and not self._over:
            self._crowd.ignore(seat)
        waits, seat.retry_in = seat.retry_in, []
        for wait in waits if self._crowd.window else ():
            seat.held += 1
            self._crowd.at(now + wait, partial(self._retry, seat))
        ...
