"""The client's decisions, without I/O: what is missing, what goes next, when to come back."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Frame = dict[str, Any]
"""One JSON object of the wire."""

NOT_EVENTS = frozenset({"caught_up", "lagging", "message_ack", "read"})
LEFT = (1000, "Left conversation")
TOO_BIG = 1009


class Refused(Exception):
    """The server said no: `code`, `text` for a person, `temporary` where trying again can help.

    `retry_after` is in seconds; `status` is None on a socket; `id` names this refusal for the
    operator; `details` is the whole body (`scope`, `limit`, `queue_size`, `actual_size` ...).
    """

    def __init__(self, body: Frame, status: int | None = None) -> None:
        self.code = str(body.get("code", f"HTTP_{status}"))
        self.text = str(body.get("error", "refused"))
        self.retry_after = seconds(body.get("retry_after"))
        self.status = status
        self.id: str | None = body.get("id")
        self.details = body
        by_status = status is not None and (status == 429 or status >= 500)
        self.temporary = bool(body.get("temporary", by_status))
        super().__init__(body, status)

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


class Closed(Exception):
    """The socket is closed: `code` (1006 when it was cut without a close frame) and `reason`."""

    def __init__(self, code: int, reason: str = "") -> None:
        self.code = code
        self.reason = reason
        super().__init__(code, reason)

    def __str__(self) -> str:
        return f"closed with {self.code}" + (f": {self.reason}" if self.reason else "")


class Unreachable(Exception):
    """No answer: the network failed, time ran out, or what answered does not speak the protocol."""


class Gap(Exception):
    """The log itself has a hole: not even paging over HTTP brings the events `first` to `last`."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        super().__init__(first, last)

    def __str__(self) -> str:
        return f"the events {self.first} to {self.last} are nowhere"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The server's word that a message is stored and has its place in the sequence."""

    conversation_id: str
    message_id: str
    sequence_id: int
    timestamp: Any
    client_message_id: str | None
    durability: str
    event_hash: str | None

    @classmethod
    def of(cls, body: Frame) -> Receipt:
        return cls(
            body["conversation_id"],
            body["message_id"],
            body["sequence_id"],
            body["timestamp"],
            body.get("client_message_id"),
            body.get("durability", "committed"),
            body.get("event_hash"),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to connect again, and after how many seconds where the server named a slot."""

    come_back: bool
    retry_after: float | None = None


def judge(error: Refused | Closed | Unreachable) -> Verdict:
    """What the end of a connection, or of the attempt at one, means for the next one."""
    match error:
        case Refused():
            final = not error.temporary or error.status in (401, 403, 404)
            return Verdict(not final, error.retry_after)
        case Closed(code=code, reason=reason):
            final = 4500 <= code <= 4999 or code == TOO_BIG or (code, reason) == LEFT
            return Verdict(not final, _slot(reason))
        case Unreachable():
            return Verdict(True)


def _slot(reason: str) -> float | None:
    """The `retry_after` of a close reason that is JSON."""
    try:
        told = json.loads(reason)
    except ValueError:
        return None
    return seconds(told.get("retry_after")) if isinstance(told, dict) else None


def seconds(value: Any) -> float | None:
    """A delay as a server gives it; None for what is no such thing (a date, a negative number)."""
    try:
        delay = float(value)
    except (TypeError, ValueError):
        return None
    return delay if 0 <= delay < math.inf else None


class Backoff:
    """Delays that double from `base` to `cap` seconds, each drawn between nothing and all of it."""

    def __init__(self, random: Callable[[], float], base: float = 1.0, cap: float = 30.0) -> None:
        self._random = random
        self._base = base
        self._cap = cap
        self._attempt = 0

    def delay(self, told: float | None = None) -> float:
        """Seconds to wait before the next attempt: those that the server told, or else drawn."""
        ceiling = min(self._cap, self._base * 2 ** min(self._attempt, 64))
        self._attempt += 1
        return told or self._random() * ceiling

    def reset(self) -> None:
        self._attempt = 0


def is_event(frame: Frame) -> bool:
    """Whether the frame is part of the conversation's sequence."""
    return "sequence_id" in frame and frame.get("type") not in NOT_EVENTS


class Window:
    """The events received and not yet taken, in order, each once.

    Full with `limit` (twice that when a gap closes below them), it lets go what comes and wants it
    from the log later (`page_due`): a caller that does not take never stops the socket. `taken`
    is the last one given out, `contiguous` the last without a gap before it.
    """

    def __init__(self, limit: int, last: int | None = None, epoch: str | None = None) -> None:
        self.limit = limit
        self.epoch = epoch
        self.duplicates = self.gaps = self.resets = self.epochs = 0
        self._notice: Frame | None = None
        self._begin(last)

    def _begin(self, last: int | None) -> None:
        self.taken: int = -1 if last is None else last
        self.contiguous: int = self.taken
        self._events: dict[int, Frame] = {}
        self.wanted = -1  # the last event that only the log can still give
        self._replaying = False  # a `caught_up` is on its way
        self._asked = False  # a sync was sent for the gap that is open
        self._gap = False

    @property
    def position(self) -> int | None:
        """What to resume from; None when nothing is known yet."""
        return self.contiguous if self.contiguous >= 0 else None

    @property
    def buffered(self) -> int:
        return len(self._events)

    @property
    def page_due(self) -> bool:
        """Whether the next event must be fetched from the log (`after=contiguous`)."""
        return self.contiguous < self.wanted

    def open(self, connected: Frame) -> bool:
        """Start on a new socket; False where its log is another one: come again, from nowhere."""
        epoch, head = connected.get("epoch"), connected["head_sequence_id"]
        before = (connected.get("first_sequence_id") or head + 1) - 1
        changed = self.epoch is not None and epoch != self.epoch
        if self.position is not None and (changed or head < self.contiguous):
            self._restart(epoch)
            return False
        self.epoch = epoch
        if self.position is None:
            self._begin(before)
        elif connected.get("resume") == "reset":
            self.resets += 1
            self.wanted = max(self.wanted, before)
        self._replaying, self._asked = True, False
        return True

    def _restart(self, epoch: str | None) -> None:
        self.epochs += 1
        self._notice = {"type": "epoch_changed", "epoch": epoch, "previous_epoch": self.epoch}
        self.epoch = epoch
        self._begin(None)

    def put(self, event: Frame) -> int | None:
        """Keep an event; the position to sync from where it shows that one before it is missing."""
        number = event["sequence_id"]
        if self.position is None:
            self._begin(number - 1)
        if not self._store(number, event):
            self.duplicates += 1
        if self._gap and self.page_due:
            self.wanted = max(self.wanted, number - 1)
        return self._ask() if self._gap and not (self.page_due or self._replaying) else None

    def fill(self, page: list[Frame]) -> None:
        """Keep what the log gave; overlap with what is here already is no fault and not counted."""
        for event in page:
            self._store(event["sequence_id"], event)

    def _store(self, number: int, event: Frame) -> bool:
        if number <= self.contiguous or number in self._events:
            return False
        ready = self.contiguous - self.taken
        in_order = number == self.contiguous + 1
        if (ready if in_order else len(self._events)) >= self.limit:
            self.wanted = max(self.wanted, number)
            return True
        self._events[number] = event
        while self.contiguous + 1 in self._events:
            self.contiguous += 1
        self._gap = len(self._events) > self.contiguous - self.taken
        return True

    def caught_up(self, head: int) -> int | None:
        """A replay ended at `head`; the position to sync from where something is still missing."""
        self._replaying = False
        missing = self.position is not None and (self._gap or self.contiguous < head)
        if missing and not (self._asked or self.page_due):
            return self._ask()
        if missing:  # the sync did not bring it: the log must
            self.wanted = max([self.wanted, head, *self._events])
        self._asked = False
        return None

    def _ask(self) -> int:
        self.gaps += 1
        self._asked = self._replaying = True
        return self.contiguous

    def take(self) -> Frame | None:
        """The next event, None when it is not here; first of all the notice of another log."""
        if self._notice is not None:
            notice, self._notice = self._notice, None
            return notice
        event = self._events.pop(self.taken + 1, None)
        if event is not None:
            self.taken += 1
        return event


@dataclass(slots=True, eq=False)
class Pending:
    """A message on its way: `settled()` is called once `receipt` or `error` is there."""

    key: str
    text: str
    settled: Callable[[], None]
    in_flight: bool = False
    written: bool = False
    receipt: Receipt | None = None
    error: Exception | None = None


class Outbox:
    """The messages without a receipt, in the order in which they were sent; times in seconds.

    At most `limit` are on their way at once; the others are here while somebody waits for them.
    After a temporary refusal everything waits as long as the server said, then goes out one at a
    time, and one more with every receipt: a full server is not asked the same by all of them.
    """

    def __init__(self, limit: int) -> None:
        self.resent = 0
        self._limit = limit
        self._pending: dict[str, Pending] = {}
        self._unsent: OrderedDict[str, Pending] = OrderedDict()
        self._in_order = True
        self._in_flight = 0
        self._allowance = limit
        self._paused_until = -math.inf

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def waiting(self) -> bool:
        """Whether there are messages that `due` has not given out."""
        return len(self._pending) > self._in_flight

    def __contains__(self, key: object) -> bool:
        return key in self._pending

    def add(self, key: str, text: str, settled: Callable[[], None]) -> Pending:
        """Take a message over; ValueError for a key that is already under way."""
        if key in self._pending:
            raise ValueError("a message with this key is already under way")
        pending = self._pending[key] = self._unsent[key] = Pending(key, text, settled)
        return pending

    def due(self, now: float, at_most: int) -> list[Pending]:
        """What may be written now, oldest first; it counts as written."""
        if not self._in_order:
            waiting = ((key, it) for key, it in self._pending.items() if not it.in_flight)
            self._unsent, self._in_order = OrderedDict(waiting), True
        room = min(at_most, self._allowance - self._in_flight)
        if now < self._paused_until or room <= 0:
            return []
        batch = [self._unsent.popitem(last=False)[1] for _ in range(min(room, len(self._unsent)))]
        for pending in batch:
            self.resent += pending.written
            pending.in_flight = pending.written = True
        self._in_flight += len(batch)
        return batch

    def delay(self, now: float) -> float:
        """Seconds until `due` gives more by the clock alone; infinite when only news can help."""
        if not self.waiting or now >= self._paused_until:
            return math.inf
        return self._paused_until - now

    def acknowledge(self, receipt: Receipt) -> None:
        """Settle the message whose receipt this is; a receipt of no message here is nobody's."""
        pending = self._pending.get(receipt.client_message_id or "")
        if pending is not None:
            self._allowance = min(self._limit, self._allowance + 1)
            pending.receipt = receipt
            self._settle(pending)

    def refuse(self, key: str, refused: Refused, now: float, delay: float) -> None:
        """Fail the message, or for a temporary refusal pause for `delay` and send it again."""
        pending = self._pending[key]
        if not refused.temporary:
            pending.error = refused
            self._settle(pending)
            return
        self._land(pending)
        self._in_order = False
        self._allowance = 1
        self._paused_until = max(self._paused_until, now + delay)

    def rewind(self) -> None:
        """A new socket: everything without a receipt goes out again, in its original order."""
        for pending in self._pending.values():
            pending.in_flight = False
        self._in_flight = 0
        self._in_order = False

    def drop_largest(self, error: Exception) -> bool:
        """Fail the largest written message: the one a server meant that closed for size."""
        written = [pending for pending in self._pending.values() if pending.in_flight]
        if written:
            largest = max(written, key=lambda pending: len(pending.text))
            largest.error = error
            self._settle(largest)
        return bool(written)

    def fail(self, error: Exception) -> None:
        for pending in list(self._pending.values()):
            pending.error = error
            self._settle(pending)

    def withdraw(self, pending: Pending) -> None:
        """Forget a message; nothing happens where it was settled already."""
        if self._pending.get(pending.key) is pending:
            self._forget(pending)

    def _settle(self, pending: Pending) -> None:
        self._forget(pending)
        pending.settled()

    def _forget(self, pending: Pending) -> None:
        del self._pending[pending.key]
        self._unsent.pop(pending.key, None)
        self._land(pending)

    def _land(self, pending: Pending) -> None:
        self._in_flight -= pending.in_flight
        pending.in_flight = False


def message_fields(content: str, key: str, reply_to: str | None, metadata: Frame | None) -> Frame:
    """What a message says, over HTTP and in a frame alike."""
    optional = given(reply_to=reply_to, metadata=metadata)
    return {"content": content, "client_message_id": key, **optional}


def given(**values: Any) -> Frame:
    """The values that are given."""
    return {name: value for name, value in values.items() if value is not None}
