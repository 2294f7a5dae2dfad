"""One process of simulated people: sends on schedule, measures, and judges all received events."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from ..users import (
    INTERVAL,
    LIMITS,
    NEVER,
    Api,
    Connections,
    Everywhere,
    HttpThread,
    Leaving,
    RawUser,
    RunError,
    Sample,
    Tally,
    Transcript,
    TrioThread,
    TrioUser,
    TrioWire,
    User,
    Wire,
    advice,
    judge,
    page,
    server_frame,
)
from .schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.connection import Connection

    from ..checker import Recorder
    from ..users import Digest, Person, Share, Target
    from .scenario import Scenario
    from .setup import Room

RAW, TRIO = WIRES = (
    "raw",
    "trio-websocket",
)  # the code that reads and writes frames: this project's, or another's
TOGETHER = 64  # concurrent handshakes while all people connect
ARRIVAL = 180.0  # seconds for all to be connected
QUIET = 5.0  # seconds without traffic at the end, after which missing events count as lost
TICK = 0.05  # seconds between two checks of everything but sockets
TRIES = 8  # random draws to find a connected sender


class Worker:
    """Plays the people of `rooms`. `senders` and `people` are its shares of the scenario's senders and people, 0 to 1."""

    def __init__(
        self,
        scenario: Scenario,
        target: Target,
        rooms: list[Room],
        senders: float,
        people: float,
        recorder: Recorder | None = None,
        share: Share | None = None,
        wire: str = RAW,
    ) -> None:
        self.scenario = scenario
        self.tally = Tally()
        self._target = target
        self._loop = TrioThread() if wire == TRIO else None
        self._recorder = recorder
        self.transcripts = {
            room.conversation_id: Transcript(room.head, keyed=scenario.keys) for room in rooms
        }
        self.users = [
            self._user(target, room, number, person)
            for room in rooms
            for number, person in room.people
        ]
        self._shares = {"senders": senders, "people": people}
        self._senders = [user for user in self.users if user.person.sends]
        self._senders_of: dict[str, list[User]] = {room: [] for room in self.transcripts}
        for user in self._senders:
            self._senders_of[user.room].append(user)
        self._http = HttpThread(target)
        self._connections = Connections(self.tally, self._news)
        self._leaving = Leaving(self._connections, self._http, self.tally)
        if share is not None:
            self._follow(share)
        self._random = random.Random(1)
        self._sample_ends = NEVER
        self._over = False

    def _user(self, target: Target, room: Room, number: int, person: Person) -> User:
        transcript = self.transcripts[room.conversation_id]
        about = room.conversation_id, person, number, transcript, self.tally
        options: dict[str, Any] = {
            "size": self.scenario.size,
            "keyed": self.scenario.keys,
            "obeys": self.scenario.obey,
            "everywhere": self.scenario.everywhere,
            "recorder": self._recorder,
        }
        target = person.target or target
        if self._loop is None:
            return RawUser(Wire(target), *about, **options)
        return TrioUser(TrioWire(target, self._loop), *about, **options)

    def _follow(self, share: Share) -> None:
        """Track deliveries to all readers, so that the windows can count them."""
        self._connections.everywhere = Everywhere(share, self.users, self._delivered)
        if share.bell is not None:
            self._connections.watch(share.bell.fileno(), self._connections.everywhere.heard)

    def arrive(self) -> None:
        """Connect all people, `TOGETHER` at a time. Raises `RunError`."""
        waiting = self.users[::-1]
        deadline = time.monotonic() + ARRIVAL
        while waiting or not self._connections.quiet:
            room_for = min(TOGETHER - len(self._connections.entering), len(waiting))
            self._connections.bring([waiting.pop() for _ in range(room_for)], time.monotonic())
            self._round(TICK)
            refused = next((user.no_entry for user in self.users if user.no_entry), "")
            if refused or time.monotonic() > deadline:
                raise RunError(refused or f"not all were connected after {ARRIVAL:g} s")
        size = self.users[0].largest if self.users else None
        if size and self.scenario.size > size:
            raise RunError(
                f"a message may have {size} characters here, not {self.scenario.size}: "
                "lift limits.max_message_size, or use a smaller --size"
            )

    def run(self, start: float, line: Connection) -> None:
        """Send, read and measure from `start` until the scenario's time is over. Samples go to `line`. Raises `RunError`."""
        scenario, tally = self.scenario, self.tally
        tally.due_from = self._sample_ends = start + scenario.warm_up
        tally.due_until = tally.due_from + scenario.seconds
        schedule = Schedule(scenario, start, **self._shares)
        if scenario.storm:
            self._connections.at(tally.due_from + scenario.storm, self._storm)
        while (now := time.monotonic()) < start:
            self._round(start - now)
        self._connections.window = scenario.window
        for user in self._senders if scenario.window else ():
            self._connections.fill(user, now)
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
        tally.measuring, self._connections.window, self._over = False, 0, True

    def settle(self, heads: Mapping[str, int]) -> None:
        """Wait, with a time limit, until all people, non-readers included, have all events seen here and all up to `heads`."""
        self._connections.listen()
        deadline = time.monotonic() + self.scenario.settle
        bytes_read, quiet_until = -1, 0.0
        while not self._settled(heads) and (now := time.monotonic()) < deadline:
            if self.tally.bytes_read != bytes_read or not self._connections.quiet:
                bytes_read, quiet_until = self.tally.bytes_read, now + QUIET
            elif now > quiet_until:
                break
            self._round(TICK)

    def judge(self, heads: Mapping[str, int]) -> dict[str, Digest]:
        """Report all anomalies to the tally; return each room's digest, to be compared between processes."""
        tokens = {user.room: user.person.token for user in reversed(self.users)}
        for room, transcript in self.transcripts.items():
            if transcript.holes and room in heads:
                self._fill_holes(room, transcript, tokens[room])
        judge(self.users, self.transcripts, heads, self.tally)
        return {room: transcript.digest() for room, transcript in self.transcripts.items()}

    def rest(self) -> None:
        """Serve the sockets for a short time, while the process waits for a message."""
        self._round(TICK)

    def _round(self, timeout: float, *, fine: bool = False) -> None:
        self._http.finish()
        self._connections.round(min(timeout, TICK), fine=fine)

    def _news(self, user: User, now: float) -> None:
        waits, user.retry_in = user.retry_in, []
        for wait in waits if self._connections.window else ():
            user.held += 1
            self._connections.at(now + wait, partial(self._retry, user))
        again, user.again_in = user.again_in, []
        for wait, key in again:
            self._connections.at(now + wait, partial(self._again, user, key))
        if user.arrived:
            user.arrived = False
            user.resend()
            due, user.waiting = user.waiting, []
            for moment in due:
                user.post(moment)
            self._connections.fill(user, now)
            if not user.person.reads and not self._over:
                self._connections.ignore(user)

    def _delivered(self, room: str, upto: int) -> None:
        keys = self.transcripts[room].keys
        for user in self._senders_of[room]:
            user.ledger.delivered(keys, upto)
            if user.live:
                self._connections.fill(user, time.monotonic())

    def _retry(self, user: User) -> None:
        user.held -= 1
        if user.live:
            self._connections.fill(user, time.monotonic())

    def _again(self, user: User, key: bytes) -> None:
        user.again(key)
        self._connections.sent(user)

    def _act(self, kind: str, due: float) -> None:
        match kind:
            case "post":
                self._post(due)
            case "leave":
                any(self._leaving.leave(self._anybody()) for _ in range(TRIES))
            case "churn":
                user = self._anybody()
                if user.live and user.person.reads and not user.away:
                    self._reconnect([user], due)
            case _:
                user = self._anybody()
                if user.live and user.person.reads:
                    user.send(_signal(kind, user.reader.sequence))
                    self._connections.sent(user)

    def _anybody(self) -> User:
        return self.users[self._random.randrange(len(self.users))]

    def _post(self, due: float) -> None:
        """Send a message that is due, from a connected sender, or from a disconnected one once it is back."""
        user = self._senders[0]
        for _ in range(TRIES):
            user = self._senders[self._random.randrange(len(self._senders))]
            if user.live and not user.away:
                user.post(due)
                self._connections.sent(user)
                return
        user.waiting.append(due)

    def _reconnect(self, users: list[User], due: float) -> None:
        for user in users:
            self._connections.drop(user)
        self.tally.reconnects += len(users)
        self._connections.bring(users, due)

    def _storm(self) -> None:
        self._reconnect([user for user in self.users if not user.away], time.monotonic())

    def _sample(self, now: float, line: Connection) -> None:
        """Close the samples of the past intervals, empty ones included, and begin the current one."""
        samples = self.tally.samples
        while now >= self._sample_ends:
            self._sample_ends += INTERVAL
            last = samples[-1]
            slowest = last.delivery.quantile(0.99)
            line.send(("sample", last.deliveries, last.receipts, last.refusals, slowest))
            samples.append(Sample(last.at + INTERVAL))
        for transcript in self.transcripts.values():
            if transcript.large:
                users = [user for user in self.users if user.transcript is transcript]
                transcript.forget(min(user.reader.sequence for user in users))

    def _check_warm_up(self) -> None:
        """Raise `RunError` if the rate limit refuses the scenario's rate: the run would measure the limit, not the server."""
        if self.tally.refused["RATE_LIMITED"] and not self.scenario.obey:
            raise RunError(
                "the server lets nobody send as fast as this scenario does."
                + advice(LIMITS["RATE_LIMITED"])
            )

    def _settled(self, heads: Mapping[str, int]) -> bool:
        if not self._connections.quiet or self._http.under_way or self._leaving.rooms:
            return False
        return all(
            user in self._connections.gone
            or (
                user.live
                and not user.ledger.pending
                and not user.waiting
                and user.reader.sequence >= max(user.transcript.last, heads.get(user.room, 0))
            )
            for user in self.users
        )

    def _fill_holes(self, room: str, transcript: Transcript, token: str) -> None:
        """Read the events from the log that no reader was sent because the server told clients to page them."""
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
