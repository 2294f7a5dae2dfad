"""One process of simulated people: sends on schedule, measures, and gives its verdict on all that came."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import TYPE_CHECKING

from .api import LIMITS, Api, StageError, advice
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

    from .api import Target
    from .history import Recorder
    from .scenario import Scenario
    from .seat import Person
    from .stage import Room
    from .transcript import Digest

TOGETHER = 64  # handshakes on their way at once when all arrive
ARRIVAL = 60.0  # seconds for all to be connected
QUIET = 5.0  # seconds at the end in which nothing comes: what is missing then is lost
TICK = 0.05  # seconds between two looks at what is no event of a socket
TRIES = 8  # to find a sender who is connected


class Worker:
    """Plays its people. `senders` and `people` are its shares of those of the scenario."""

    def __init__(
        self,
        scenario: Scenario,
        target: Target,
        rooms: list[Room],
        senders: float,
        people: float,
        recorder: Recorder | None = None,
    ) -> None:
        self.scenario = scenario
        self.tally = Tally()
        self._target = target
        self._recorder = recorder
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
        self._sample_ends = NEVER
        self._over = False

    def _seat(self, target: Target, room: Room, number: int, person: Person) -> Seat:
        return Seat(
            target,
            room.conversation_id,
            person,
            number,
            self.transcripts[room.conversation_id],
            self.tally,
            size=self.scenario.size,
            keyed=self.scenario.keys,
            obeys=self.scenario.obey,
            recorder=self._recorder,
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
        size = self.seats[0].largest if self.seats else None
        if size and self.scenario.size > size:
            raise StageError(
                f"a message may have {size} characters here, not {self.scenario.size}: "
                "lift limits.max_message_size, or use a smaller --size"
            )

    def run(self, start: float, line: Connection) -> None:
        """Send, read and measure until the scenario's time is over."""
        scenario, tally = self.scenario, self.tally
        tally.due_from = self._sample_ends = start + scenario.warm_up
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
            if now >= self._sample_ends:
                if not tally.measuring:
                    self._check_warm_up()
                    cpu, tally.measuring = time.process_time(), True
                    self._sample_ends += INTERVAL
                self._sample(now, line)
            for kind, due in schedule.due(now):
                self._act(kind, due)
            moment = min(schedule.next_due, tally.due_until)
            self._round(moment - now, fine=schedule.next_due < NEVER)
        tally.cpu = tally.busiest = time.process_time() - cpu
        tally.measuring, self._crowd.window, self._over = False, 0, True

    def settle(self, heads: Mapping[str, int]) -> None:
        """Wait until everybody, those who did not read too, has all there is, and all up to these sequences."""
        self._crowd.listen()
        deadline = time.monotonic() + self.scenario.settle
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
        waits, seat.retry_in = seat.retry_in, []
        for wait in waits if self._crowd.window else ():
            seat.held += 1
            self._crowd.at(now + wait, partial(self._retry, seat))
        again, seat.again_in = seat.again_in, []
        for wait, key in again:
            self._crowd.at(now + wait, partial(self._again, seat, key))
        if seat.arrived:
            seat.arrived = False
            seat.resend()
            due, seat.waiting = seat.waiting, []
            for moment in due:
                seat.post(moment)
            self._crowd.fill(seat, now)
            if not seat.person.reads and not self._over:
                self._crowd.ignore(seat)

    def _retry(self, seat: Seat) -> None:
        seat.held -= 1
        if seat.live:
            self._crowd.fill(seat, time.monotonic())

    def _again(self, seat: Seat, key: bytes) -> None:
        seat.again(key)
        self._crowd.sent(seat)

    def _act(self, kind: str, due: float) -> None:
        match kind:
            case "post":
                self._post(due)
            case "leave":
                any(self._leaving.leave(self._anybody()) for _ in range(TRIES))
            case "churn":
                seat = self._anybody()
                if seat.live and seat.person.reads and not seat.away:
                    self._reconnect([seat], due)
            case _:
                seat = self._anybody()
                if seat.live and seat.person.reads:
                    seat.send(_signal(kind, seat.reader.sequence))
                    self._crowd.sent(seat)

    def _anybody(self) -> Seat:
        return self.seats[self._random.randrange(len(self.seats))]

    def _post(self, due: float) -> None:
        """A message is due: somebody who is connected sends it, or somebody as soon as they are."""
        seat = self._senders[0]
        for _ in range(TRIES):
            seat = self._senders[self._random.randrange(len(self._senders))]
            if seat.live and not seat.away:
                seat.post(due)
                self._crowd.sent(seat)
                return
        seat.waiting.append(due)

    def _reconnect(self, seats: list[Seat], due: float) -> None:
        for seat in seats:
            self._crowd.drop(seat)
        self.tally.reconnects += len(seats)
        self._crowd.bring(seats, due)

    def _storm(self) -> None:
        self._reconnect([seat for seat in self.seats if not seat.away], time.monotonic())

    def _sample(self, now: float, line: Connection) -> None:
        """Begin the interval that is now; one in which nothing happened is a sample too."""
        samples = self.tally.samples
        while now >= self._sample_ends:
            self._sample_ends += INTERVAL
            last = samples[-1]
            slowest = last.delivery.quantile(0.99)
            line.send(("sample", last.deliveries, last.receipts, last.refusals, slowest))
            samples.append(Sample(last.at + INTERVAL))
        for transcript in self.transcripts.values():
            if transcript.large:
                seats = [seat for seat in self.seats if seat.transcript is transcript]
                transcript.forget(min(seat.reader.sequence for seat in seats))

    def _check_warm_up(self) -> None:
        """Where people may not send as fast as they are to, what follows would measure the limit and not the server."""
        if self.tally.refused["RATE_LIMITED"] and not self.scenario.obey:
            raise StageError(
                "the server lets nobody send as fast as this scenario does."
                + advice(LIMITS["RATE_LIMITED"])
            )

    def _settled(self, heads: Mapping[str, int]) -> bool:
        if not self._crowd.quiet or self._errands.under_way or self._leaving.rooms:
            return False
        return all(
            seat in self._crowd.gone
            or (
                seat.live
                and not seat.ledger.pending
                and not seat.waiting
                and seat.reader.sequence >= max(seat.transcript.last, heads.get(seat.room, 0))
            )
            for seat in self.seats
        )

    def _fill_holes(self, room: str, transcript: Transcript, token: str) -> None:
        """What nobody was sent, because the server said that it has to be paged back, is looked up in the log."""
        api = Api(self._target)
        events = page(api, room, token, min(transcript.holes) - 1, max(transcript.holes))
        for sequence, text in events:
            if not transcript.put(sequence, server_frame(text), text):
                where = f"{room}: sequence {sequence}"
                self.tally.anomaly("disagree", f"{where} is another over HTTP than on the socket")


def _signal(kind: str, sequence: int) -> bytes:
    if kind == "read":
        return b'{"type":"read","sequence_id":%d}' % sequence
    return b'{"type":"typing","is_typing":true}'
