"""One simulated user: the messages it sends and the check of every frame it receives, over all its connections."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from .api import RunError
from .frame import (
    ACK,
    EVENTS,
    parse,
    receipt_of,
    sequence_of,
)
from .ledger import Ledger
from .reader import Reader

if TYPE_CHECKING:
    from ..checker import Line, Recorder
    from .api import Target
    from .figures import Tally
    from .transcript import Transcript
    from .wire import UserWire

AGAIN = 0.5  # seconds until a reconnect if the end of the connection named no time
CUT = 1006  # stands for a connection that ended without a close code
FINAL = range(4500, 5000)  # close codes after which a client must not reconnect
FOR_LOAD = ("QUEUE_FULL", "RATE_LIMITED", "TOO_MANY_CONNECTIONS", "DRAINING")


class Person(NamedTuple):
    """A participant of a room. With `stays` it never leaves: a room that all have left is closed."""

    token: str
    sends: bool
    reads: bool
    stays: bool = True
    id: str = ""  # the participant's id, set if a history is recorded
    target: Target | None = None  # the server they connect to, where it is not that of the others


class User(ABC):
    """A user in a conversation. Times are of `time.monotonic`; the worker reads and writes the public attributes."""

    def __init__(
        self,
        wire: UserWire,
        room: str,
        person: Person,
        number: int,
        transcript: Transcript,
        tally: Tally,
        *,
        size: int = 40,
        keyed: bool = True,
        obeys: bool = False,
        everywhere: bool = False,
        recorder: Recorder | None = None,
    ) -> None:
        self.room = room
        self.person = person
        self.number = number
        self.tally = tally
        self.transcript = transcript
        self.reader = Reader(transcript, transcript.last)
        self.ledger = Ledger(number, keyed=keyed, everywhere=everywhere)
        self.wire = wire
        self.live = False
        self.back_in: float | None = AGAIN  # seconds until it may reconnect; None: never
        self.away = False  # has left the conversation, and will rejoin
        self.arrived = False  # has become live; the worker resets it
        self.news = False  # has arrived or was refused something; `Connections` resets it
        self.retry_in: list[
            float
        ] = []  # seconds to wait, from final refusals; the worker takes them
        self.again_in: list[tuple[float, bytes]] = []  # seconds, and the key to resend after them
        self.held = 0  # messages of its window that wait for such a time
        self.waiting: list[float] = []  # when messages were due that could not be sent yet
        self.largest: int | None = None  # the server's limit for a message, in characters
        self.no_entry = ""  # why the last handshake was refused
        self._keyed = keyed
        self._obeys = obeys and keyed
        self._padding = b"x" * size
        self._connects = 0
        self._due_back = 0.0  # when the current connection was due
        self._recorder = recorder
        self._line: Line | None = None  # records this connection
        self._said: tuple[int | None, str] = None, ""  # code and reason of the server's close frame

    def connect(self, due: float) -> int:
        """Connect, resuming after the last event received; return the socket's descriptor. Raises `OSError`.

        `due` is the time from which the connecting is measured.
        """
        self.disconnect()
        self._due_back = due
        path = f"/chat/ws/{self.room}?last_sequence_id={self.reader.sequence}"
        if self._recorder is not None:
            who = self.person.id
            self._line = self._recorder.connect(self.room, who, self.reader.sequence)
        return self.wire.connect(path, self.person.token).fileno()

    def disconnect(self) -> None:
        """Cut the connection without a close frame, as a lost network does."""
        self.wire.cut()
        self.ledger.cut()
        if self._line is not None:
            self._line.closed(*self._said)
            self._line, self._said = None, (None, "")
        self.live, self.back_in = False, AGAIN

    def anomaly(self, kind: str, text: str) -> None:
        """Report an anomaly of this user."""
        self.tally.anomaly(kind, f"{self.room} person {self.number}: {text}")

    # --- out ----------------------------------------------------------------------------------

    def post(self, due: float) -> None:
        """Send a message. Its content begins with `due`, so that readers can compute the latency."""
        self.tally.sent += 1
        self._message(self.ledger.send(due), due)

    def resend(self) -> None:
        """On a new connection, resend the messages without an answer: the key makes them the same messages."""
        for key, due in list(self.ledger.pending.items()):
            self._message(key, due)

    def again(self, key: bytes) -> None:
        """Resend a message that was refused for load. Without a live connection it is sent on the next one."""
        due = self.ledger.again(key)
        if self.live:
            self._message(key, due)

    def _message(self, key: bytes, due: float) -> None:
        content = b"%016x %b %b" % (int(due * 1e9), key, self._padding[18 + len(key) :])
        named = b',"client_message_id":"%b"' % key if self._keyed else b""
        self.send(b'{"type":"message","content":"%b"%b}' % (content, named))

    def send(self, text: bytes) -> None:
        """Send a text frame."""
        if self._line is not None:
            self._line.sent(text)
        self.wire.send(text)

    # --- in -----------------------------------------------------------------------------------

    @abstractmethod
    def readable(self, now: float) -> bool:
        """Read what has arrived; False if the connection is over: `back_in` then says when to reconnect."""

    def text(self, text: bytes, raw: bytes, now: float) -> None:
        """Take a text message. `raw` is its frame, which is compared over all readers of the conversation."""
        if self._line is not None:
            self._line.received(text)
        if text.startswith(ACK):
            self._receipt(text, now)
        elif (sequence := sequence_of(text)) is not None:
            self._event(sequence, raw, text, now)
        else:
            self._word(parse(text), raw, text, now)

    def _event(self, sequence: int, raw: bytes, text: bytes, now: float) -> None:
        before = self.reader.sequence
        self.reader.event(sequence, raw, text)
        if self.reader.sequence > before:
            self._delivered(1, self.transcript.due_of(sequence), now)

    def _delivered(self, count: int, due: float, now: float) -> None:
        """Count events. All events of one read get the latency of the oldest: no figure is better than the truth."""
        if self.live and self.person.reads:
            tally = self.tally
            sample = tally.samples[-1]
            if tally.measuring:
                tally.deliveries += count
                sample.deliveries += count
            if tally.due_from <= due < tally.due_until:
                sample.delivery.add(now - due, count)

    def _receipt(self, text: bytes, now: float) -> None:
        key, sequence = receipt_of(text)
        due = self.ledger.confirm(key, sequence)
        tally = self.tally
        if due is None:
            self.anomaly("receipt", f"for {key!r}, which is not on its way")
            return
        tally.accepted += 1
        tally.first_retry += self.ledger.refusals(key or b"") == 1
        if tally.due_from <= due < tally.due_until:
            sample = tally.samples[-1]
            sample.receipts += 1
            sample.receipt.add(now - due)

    def _word(self, frame: dict[str, Any], raw: bytes, text: bytes, now: float) -> None:
        match frame["type"]:
            case "connected":
                self._connected(frame)
            case "caught_up":
                self._caught_up(frame["sequence_id"], now)
            case "error":
                self._refused(frame)
            case "lagging":
                self.tally.lagging += 1
            case "message_ack":  # here and below: JSON that salon would write differently
                self._receipt(text, now)
            case kind if kind in EVENTS:
                self._event(frame["sequence_id"], raw, text, now)

    def _connected(self, frame: dict[str, Any]) -> None:
        self.largest = frame.get("max_message_size")
        has, head = self.reader.sequence, frame["head_sequence_id"]
        if head < has:
            self.anomaly("lost", f"the log ends at {head} and has ended at {has}")
        if frame["resume"] == "reset":
            self.tally.resets += 1
            self.reader.skip(frame["first_sequence_id"] - 1)

    def _caught_up(self, sequence: int, now: float) -> None:
        if sequence > self.reader.sequence:
            self.anomaly("lost", f"caught up to {sequence}, with {self.reader.sequence} received")
        if not self.live:
            spent = self.tally.reconnect if self._connects else self.tally.connect
            spent.add(now - self._due_back)
            self._connects += 1
            self.live = self.arrived = self.news = True

    def _refused(self, frame: dict[str, Any]) -> None:
        code, key = str(frame["code"]), frame.get("client_message_id")
        self.tally.refusal(code)
        wait = frame.get("retry_after")
        if code in FOR_LOAD and not wait:
            self.anomaly("refused", f"{code} does not say when to try again")
        if self._obeys and wait and key is not None:
            self._put_off(str(key).encode(), float(wait))
        elif self.ledger.refuse(None if key is None else str(key).encode(), code):
            self.retry_in.append(float(wait or AGAIN))
            self.news = True

    def _put_off(self, key: bytes, wait: float) -> None:
        times = self.ledger.defer(key)
        if times:
            self.tally.put_off += times == 1
            self.again_in.append((wait, key))
            self.news = True

    def turned_away(self, no: RunError) -> None:
        """Take a refused handshake."""
        self.tally.refusal(no.code)
        self.no_entry = str(no)
        self.back_in = no.retry_after

    def closed(self, code: int, reason: str) -> None:
        """Take the server's close frame, and set `back_in` from it."""
        self.tally.closes[code] += 1
        self._said = code, reason
        if code in FINAL:
            self.back_in = None
            self.anomaly("closed", f"{code} {reason}")
        elif reason.startswith("{"):
            self.back_in = float(json.loads(reason).get("retry_after", AGAIN))
        else:
            self.back_in = 0.0
