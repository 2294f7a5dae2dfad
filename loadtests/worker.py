"""One process of simulated people: a loop over their sockets that sends on schedule and checks what comes."""

from __future__ import annotations

import random
import select
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from .figures import Sample, Tally
from .seat import Person, Seat
from .transcript import Transcript

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from .scenario import Scenario

SAMPLE = 0.5  # seconds of one sample
TOGETHER = 64  # handshakes on their way at once
SETTLE = 15.0  # seconds to wait at the end for what is on its way
HANDSHAKE = 60.0  # seconds for all to be connected


@dataclass(frozen=True, slots=True)
class Room:
    """A conversation, and those of its people whom this process plays. `head` is its sequence before anything is sent."""

    conversation_id: str
    head: int
    people: tuple[tuple[int, Person], ...]


class Worker:
    """Plays its people."""

    def __init__(self, scenario: Scenario, url: str, rooms: list[Room], share: float) -> None:
        self.scenario = scenario
        self.tally = Tally(samples=[Sample(0.0)])
        self._share = share  # of the rates, which are for all processes together
        self._poll = select.epoll()
        self._seats: dict[int, Seat] = {}
        self._random = random.Random(1)
        self._padding = "x" * max(1, scenario.size - 17)
        self._transcripts = {room.conversation_id: Transcript() for room in rooms}
        self.seats: list[Seat] = []
        for room in rooms:
            for number, person in room.people:
                transcript = self._transcripts[room.conversation_id]
                seat = Seat(url, room.conversation_id, person, number, transcript, self.tally)
                seat.sequence = room.head
                self.seats.append(seat)
        self._senders = [seat for seat in self.seats if seat.person.sends]
        self._measuring = False
        self._begun = 0.0
        self._lost = 0

    def connect_all(self) -> None:
        """Open every socket, a few at a time, and wait until all are live."""
        waiting = list(reversed(self.seats))
        deadline = time.monotonic() + HANDSHAKE
        while waiting or any(not seat.live for seat in self._seats.values()):
            while waiting and sum(not s.live for s in self._seats.values()) < TOGETHER:
                self._connect(waiting.pop())
            self._round(0.05)
            if time.monotonic() > deadline:
                self.tally.anomalies.append("not all were connected in time")
                return
        for seat in self.seats:
            if not seat.person.reads and seat.sock is not None:
                self._poll.unregister(seat.sock)

    def run(self, start: float, report: Connection) -> None:
        """Send and read until the scenario's time is over, then wait for what is on its way."""
        scenario = self.scenario
        measured_from = start + scenario.warm_up
        end = measured_from + scenario.seconds
        self._begun = measured_from
        while time.monotonic() < start:
            self._round(0.01)
        clock = _Schedule(scenario, self._share, start)
        if scenario.window:
            for seat in self._senders:
                for _ in range(scenario.window):
                    self._post(seat, time.monotonic())
        stormed = False
        while (now := time.monotonic()) < end:
            self._measuring = now >= measured_from
            self._sample(now, report)
            for seat_kind, due in clock.due(now):
                self._act(seat_kind, due)
            if scenario.storm and not stormed and now >= measured_from + scenario.storm:
                stormed = True
                self._storm()
            self._retry(now)
            self._round(min(clock.next_due(), end, now + SAMPLE) - now)
        self._settle()

    def digests(self) -> dict[str, tuple[int, str]]:
        """For each room the last sequence and a digest of all keys in it, to compare with other processes."""
        return {
            room: (t.last, sha256(repr(sorted(t.keys.items())).encode()).hexdigest())
            for room, t in self._transcripts.items()
        }

    def _connect(self, seat: Seat) -> None:
        try:
            sock = seat.connect()
        except OSError as error:
            seat.anomaly(f"cannot connect: {error}")
            return
        self._seats[sock.fileno()] = seat
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def _drop(self, seat: Seat) -> None:
        if seat.sock is not None:
            self._seats.pop(seat.sock.fileno(), None)
            seat.disconnect()
            seat.pending.clear()  # what became of it is seen in the log

    def _round(self, timeout: float) -> None:
        window = self.scenario.window
        for fd, _ in self._poll.poll(max(0.0, timeout)):
            seat = self._seats.get(fd)
            if seat is None:
                continue
            now = time.monotonic()
            before = len(seat.confirmed)
            if not seat.readable(now, measured=self._measuring):
                self._drop(seat)
                self.tally.reconnects += 1
                self._connect(seat)
                continue
            if window and self._begun and len(seat.confirmed) > before:
                for _ in range(len(seat.confirmed) - before):
                    self._post(seat, now)

    def _post(self, seat: Seat, due: float) -> None:
        if seat.live and not self._lost:
            seat.post(due, self._padding, keys=self.scenario.keys, measured=self._measuring)

    def _act(self, kind: str, due: float) -> None:
        pool = self._senders if kind == "post" else self.seats
        if not pool:
            return
        seat = pool[self._random.randrange(len(pool))]
        if kind == "post":
            self._post(seat, due)
        elif kind == "churn":
            if seat.live and seat.person.reads and not seat.pending:
                self._drop(seat)
                self.tally.reconnects += 1
                self._connect(seat)
        elif seat.live:
            word = (
                f'"read","sequence_id":{seat.sequence}'
                if kind == "read"
                else '"typing","is_typing":true'
            )
            seat.send(f'{{"type":{word}}}')

    def _storm(self) -> None:
        for seat in self.seats:
            self._drop(seat)
        self.tally.reconnects += len(self.seats)
        for seat in self.seats:
            self._connect(seat)

    def _retry(self, now: float) -> None:
        if not self.scenario.window or not self.tally.refused:
            return
        for seat in self._senders:
            while seat.retry_at and seat.retry_at[0] <= now:
                seat.retry_at.pop(0)
                self._post(seat, now)

    def _sample(self, now: float, report: Connection) -> None:
        at = int((now - self._begun) / SAMPLE) * SAMPLE
        if self._measuring and at > self.tally.samples[-1].at:
            last = self.tally.samples[-1]
            report.send(("sample", last.deliveries, last.receipts, last.refusals))
            self.tally.samples.append(Sample(at))
            for transcript in self._transcripts.values():
                if transcript.large:
                    readers = [s.offset for s in self.seats if s.transcript is transcript]
                    transcript.forget(min(readers, default=0))

    def _settle(self) -> None:
        """Nobody sends any more: wait until everybody, those who did not read too, has everything."""
        self._measuring = False
        self._lost = 1
        for seat in self.seats:
            if not seat.person.reads and seat.sock is not None:
                self._poll.register(seat.sock.fileno(), select.EPOLLIN)
        deadline = time.monotonic() + SETTLE
        while time.monotonic() < deadline:
            self._round(0.05)
            if all(
                s.live and not s.pending and s.sequence == s.transcript.last for s in self.seats
            ):
                self._round(0.2)
                break
        for seat in self.seats:
            if seat.sequence < seat.transcript.last:
                seat.anomaly(f"lost: it has {seat.sequence} of {seat.transcript.last}")
            if seat.pending:
                seat.anomaly(f"{len(seat.pending)} messages were never answered")
            seat.verdict()
        for room, transcript in self._transcripts.items():
            for key in transcript.repeated[:5]:
                self.tally.anomalies.append(f"{room}: duplicate: {key} is in the log twice")


class _Schedule:
    """When what is due, whatever the server does: so a server that stalls is measured by what it should have done."""

    def __init__(self, scenario: Scenario, share: float, start: float) -> None:
        self._scenario = scenario
        self._start = start
        post = 0.0 if scenario.window else scenario.rate * share
        rates = {
            "post": post,
            "churn": scenario.churn * share,
            "typing": scenario.typing * share,
            "read": scenario.reading * share,
        }
        self._rates = {kind: rate for kind, rate in rates.items() if rate > 0}
        self._next = {kind: start + 1 / rate for kind, rate in self._rates.items()}

    def next_due(self) -> float:
        return min(self._next.values(), default=float("inf"))

    def due(self, now: float) -> list[tuple[str, float]]:
        found = []
        for kind in self._rates:
            while self._next[kind] <= now:
                due = self._next[kind]
                found.append((kind, due))
                self._next[kind] = due + 1 / self._rate(kind, due)
        return found

    def _rate(self, kind: str, at: float) -> float:
        scenario = self._scenario
        second = at - self._start - scenario.warm_up
        burst = kind == "post" and scenario.burst_from <= second < scenario.burst_until
        return self._rates[kind] * (scenario.burst_factor if burst else 1.0)


def play(scenario: Scenario, url: str, rooms: list[Room], share: float, line: Any) -> None:
    """A process: connect, say so, wait for the start, run, send the tally."""
    worker = Worker(scenario, url, rooms, share)
    worker.connect_all()
    line.send(("connected", len(worker.seats)))
    start = line.recv()
    worker.run(start, line)
    line.send(("done", worker.tally, worker.digests()))
