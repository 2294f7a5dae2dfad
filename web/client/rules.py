"""The client's decisions, without I/O: which events are missing, what to send next, when to reconnect."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Frame = dict[str, Any]
"""One JSON object of the wire."""

NOT_EVENTS = frozenset({"caught_up", "change_ack", "lagging", "message_ack", "read", "run_ack"})
LEFT = (1000, "Left conversation")
_WITHDRAWN = {
    "code": "NOT_FOUND",
    "error": "the message that it changes was withdrawn before it had a receipt",
    "temporary": False,
}
TOO_BIG = 1009


class Refused(Exception):
    """The server refused: `code`, `text` for a person, and `temporary` if a retry can succeed.

    `retry_after` is in seconds. `status` is the HTTP status, None on a socket. `id` identifies this refusal to the operator.
    `details` is the whole body (`scope`, `limit`, `queue_size`, `actual_size` ...).
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


class MessageHeld(Exception):
    """A message or an edit waits for a moderator's decision: nobody sees it yet. `held_id` names it in the queue."""

    def __init__(self, frame: Frame) -> None:
        self.held_id: int = frame["held_id"]
        self.client_message_id: str | None = frame.get("client_message_id")
        super().__init__(frame)


class Unreachable(Exception):
    """No answer: the network failed, the time ran out, or the peer does not speak the protocol."""


class Gap(Exception):
    """The log itself has a gap: paging over HTTP does not return the events `first` to `last` either."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        super().__init__(first, last)

    def __str__(self) -> str:
        return f"the events {self.first} to {self.last} are nowhere"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The server's confirmation that a message is stored and has its place in the sequence."""

    conversation_id: str
    message_id: str
    sequence_id: int
    timestamp: Any
    client_message_id: str | None
    durability: str
    event_hash: str | None

    @classmethod
    def of(cls, body: Frame) -> Receipt:
        """Read a `message_ack`, or the answer to a post."""
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
class ChangeReceipt:
    """The server's confirmation of a change of a message; `sequence_id` is None where the message was so already."""

    conversation_id: str
    message_id: str
    sequence_id: int | None
    timestamp: Any
    client_message_id: str | None
    revision: int
    durability: str
    event_hash: str | None

    @classmethod
    def of(cls, body: Frame) -> ChangeReceipt:
        """Read a `change_ack`."""
        return cls(
            body["conversation_id"],
            body["message_id"],
            body.get("sequence_id"),
            body["timestamp"],
            body.get("client_message_id"),
            body["revision"],
            body.get("durability", "committed"),
            body.get("event_hash"),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to reconnect, and after how many seconds if the server named a time."""

    come_back: bool
    retry_after: float | None = None


def judge(error: Refused | Closed | Unreachable) -> Verdict:
    """Whether and when to reconnect after a connection, or an attempt at one, ended with this error."""
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
    """The `retry_after` of a close reason that is JSON; None for any other."""
    try:
        told = json.loads(reason)
    except ValueError:
        return None
    return seconds(told.get("retry_after")) if isinstance(told, dict) else None


def seconds(value: Any) -> float | None:
    """A server's delay in seconds; None for an unusable value (a date, a negative number)."""
    try:
        delay = float(value)
    except (TypeError, ValueError):
        return None
    return delay if 0 <= delay < math.inf else None


class Backoff:
    """Delays that double from `base` to `cap` seconds; each is drawn between zero and that bound (full jitter)."""

    def __init__(self, random: Callable[[], float], base: float = 1.0, cap: float = 30.0) -> None:
        self._random = random
        self._base = base
        self._cap = cap
        self._attempt = 0

    def delay(self, told: float | None = None) -> float:
        """Seconds to wait before the next attempt: `told` by the server, or else drawn."""
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

    It is full with `limit` events (twice that when a gap closes below them). A full window drops further events and fetches
    them from the log later (`page_due`), so that a caller who takes no events never blocks the socket. `taken` is the last
    event given out, `contiguous` the last event without a gap before it.
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
        self.wanted = -1  # the last event that has to be fetched from the log
        self._replaying = False  # a replay is running: its `caught_up` has not arrived
        self._asked = False  # a sync was sent for the open gap
        self._gap = False

    @property
    def position(self) -> int | None:
        """The sequence to resume from; None when nothing is known yet."""
        return self.contiguous if self.contiguous >= 0 else None

    @property
    def buffered(self) -> int:
        return len(self._events)

    @property
    def page_due(self) -> bool:
        """Whether the next event must be fetched from the log (`after=contiguous`)."""
        return self.contiguous < self.wanted

    def open(self, connected: Frame) -> bool:
        """Start on a new socket; False if its log is another one: reconnect without a position."""
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
        self._skip_to(connected.get("oldest_sequence_id", 1))
        self._replaying, self._asked = True, False
        return True

    def _skip_to(self, oldest: int) -> None:
        """Begin with the oldest event that this member may read: what is before it never comes."""
        if self.position is not None and self.contiguous < oldest - 1:
            kept = [event for number, event in self._events.items() if number >= oldest]
            self._begin(oldest - 1)
            self.fill(kept)

    def _restart(self, epoch: str | None) -> None:
        self.epochs += 1
        self._notice = {"type": "epoch_changed", "epoch": epoch, "previous_epoch": self.epoch}
        self.epoch = epoch
        self._begin(None)

    def put(self, event: Frame) -> int | None:
        """Keep an event; if it reveals a gap, the position to sync from, else None."""
        number = event["sequence_id"]
        if self.position is None:
            self._begin(number - 1)
        if not self._store(number, event):
            self.duplicates += 1
        if self._gap and self.page_due:
            self.wanted = max(self.wanted, number - 1)
        return self._ask() if self._gap and not (self.page_due or self._replaying) else None

    def fill(self, page: list[Frame]) -> None:
        """Keep a page of the log; events that are here already are not counted as duplicates."""
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
        """Handle the end of a replay at `head`; the position to sync from if events are still missing, else None."""
        self._replaying = False
        missing = self.position is not None and (self._gap or self.contiguous < head)
        if missing and not (self._asked or self.page_due):
            return self._ask()
        if missing:  # the sync did not return them: fetch them from the log
            self.wanted = max([self.wanted, head, *self._events])
        self._asked = False
        return None

    def _ask(self) -> int:
        self.gaps += 1
        self._asked = self._replaying = True
        return self.contiguous

    def take(self) -> Frame | None:
        """The next event, or None if it has not arrived. The notice of a changed log comes before all events."""
        if self._notice is not None:
            notice, self._notice = self._notice, None
            return notice
        event = self._events.pop(self.taken + 1, None)
        if event is not None:
            self.taken += 1
        return event


@dataclass(slots=True, eq=False)
class Pending:
    """A message or a change of one without a result yet: `settled()` is called once `receipt` or `error` is set.

    A change has a `target`: the id of its message, or the message's key as long as that has no receipt (`waits`).
    """

    key: str
    text: str
    settled: Callable[[], object]
    in_flight: bool = False
    written: bool = False
    receipt: Receipt | ChangeReceipt | None = None
    error: Exception | None = None
    frame: Frame | None = None
    target: str = ""
    waits: bool = False


class Outbox:
    """The messages and changes of messages without a receipt, in the order of the calls; times in seconds.

    At most `limit` messages are in flight at once; the others wait here. After a temporary refusal all messages wait for the
    time that the server named. Then one is in flight at a time, and one more after every receipt, so that a full server does
    not get all of them at once. A change waits for the receipt of its message, and for the change before it of the same
    message: else a refusal for load could put the last word first.
    """

    def __init__(self, limit: int) -> None:
        self.resent = 0
        self._limit = limit
        self._pending: dict[str, Pending] = {}
        self._unsent: OrderedDict[str, Pending] = OrderedDict()
        self._changes: dict[str, list[Pending]] = {}  # by target, of which the first may be written
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

    def add(self, key: str, text: str, settled: Callable[[], object]) -> Pending:
        """Add a message; raises ValueError for a key that is already in the outbox."""
        if key in self._pending:
            raise ValueError("a message with this key is already under way")
        pending = self._pending[key] = self._unsent[key] = Pending(key, text, settled)
        return pending

    def add_change(
        self, key: str, frame: Frame, message: str, settled: Callable[[], object]
    ) -> Pending:
        """Add a change of a message, by its id, or by its key if the message is in the outbox. Raises as `add` does."""
        pending = self.add(key, "", settled)
        del self._unsent[key]
        pending.frame, pending.target, pending.waits = frame, message, message in self._pending
        self._changes.setdefault(message, []).append(pending)
        self._unblock(message)
        return pending

    def changes_of(self, message_id: str) -> list[Frame]:
        """The frames of a message's changes that have no result yet, in order."""
        return [it.frame for it in self._changes.get(message_id, ()) if it.frame is not None]

    def due(self, now: float, at_most: int) -> list[Pending]:
        """Up to `at_most` messages to write now, oldest first; they count as written."""
        if not self._in_order:
            waiting = (
                (key, it)
                for key, it in self._pending.items()
                if not (it.in_flight or self._is_blocked(it))
            )
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
        """Seconds until `due` gives more without other events; infinite if it does not."""
        if not self.waiting or now >= self._paused_until:
            return math.inf
        return self._paused_until - now

    def acknowledge(self, receipt: Receipt | ChangeReceipt) -> None:
        """Settle the message or change of this receipt; a receipt for an unknown one is ignored."""
        pending = self._pending.get(receipt.client_message_id or "")
        if pending is not None:
            self._allowance = min(self._limit, self._allowance + 1)
            pending.receipt = receipt
            self._named(pending.key, receipt.message_id)
            self._settle(pending)

    def refuse(self, key: str, refused: Refused, now: float, delay: float) -> None:
        """Fail the message, or after a temporary refusal pause for `delay` seconds and send it again."""
        pending = self._pending[key]
        if not refused.temporary:
            pending.error = refused
            self._settle(pending)
            return
        self._land(pending)
        self._in_order = False
        self._allowance = 1
        self._paused_until = max(self._paused_until, now + delay)

    def hold(self, key: str, held: MessageHeld) -> None:
        """Settle a message or change that waits for a moderator's decision."""
        self._pending[key].error = held
        self._settle(self._pending[key])

    def rewind(self) -> None:
        """Restart on a new socket: all messages without a receipt are sent again, in their original order."""
        for pending in self._pending.values():
            pending.in_flight = False
        self._in_flight = 0
        self._in_order = False

    def drop_largest(self, error: Exception) -> bool:
        """Fail the largest written message, after the server closed the socket because of a message's size."""
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
        """Remove a message; no effect if it was settled already."""
        if self._pending.get(pending.key) is pending:
            self._forget(pending)

    def _settle(self, pending: Pending) -> None:
        self._forget(pending)
        pending.settled()

    def _forget(self, pending: Pending) -> None:
        del self._pending[pending.key]
        self._unsent.pop(pending.key, None)
        self._land(pending)
        changes = self._changes.get(pending.target, [])
        if pending in changes:
            changes.remove(pending)
            self._unblock(pending.target)
        for change in [it for it in self._changes.get(pending.key, ()) if it.waits]:
            change.error = pending.error or Refused(_WITHDRAWN)
            self._settle(change)

    def _named(self, key: str, message_id: str) -> None:
        """A message has its id, and so have the changes that waited for it."""
        for change in self._changes.pop(key, ()):
            change.target, change.waits = message_id, False
            self._changes.setdefault(message_id, []).append(change)
        self._unblock(message_id)

    def _is_blocked(self, pending: Pending) -> bool:
        if pending.frame is None:
            return False
        return pending.waits or self._changes[pending.target][0] is not pending

    def _unblock(self, target: str) -> None:
        """The first change of a message may be written, if it is not already."""
        changes = self._changes.get(target)
        if not changes:
            self._changes.pop(target, None)
            return
        first = changes[0]
        if first.waits or first.in_flight:
            return
        first.text = json.dumps(
            {**(first.frame or {}), "message_id": target}, separators=(",", ":")
        )
        self._unsent.setdefault(first.key, first)

    def _land(self, pending: Pending) -> None:
        self._in_flight -= pending.in_flight
        pending.in_flight = False


def message_fields(
    content: str,
    key: str,
    reply_to: str | None,
    metadata: Frame | None,
    mentions: Sequence[str] = (),
    files: Sequence[str | Mapping[str, str]] = (),
    thread_id: str | None = None,
    also_in_channel: bool = False,
) -> Frame:
    """The fields of a message, the same over HTTP and in a frame."""
    named = [{"file_id": each} if isinstance(each, str) else dict(each) for each in files]
    optional = given(
        reply_to=reply_to,
        metadata=metadata,
        mentions=[*mentions] or None,
        files=named or None,
        thread_id=thread_id,
        also_in_channel=also_in_channel or None,
    )
    return {"content": content, "client_message_id": key, **optional}


def given(**values: Any) -> Frame:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}
