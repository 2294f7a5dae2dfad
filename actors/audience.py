"""The subscribers of one conversation: live delivery, replay from the log, and the change from one to the other.

A subscriber is either live, with every delivered event sent to it, or behind, with a position in the log. A new subscriber,
a subscriber that asks for a resync and one that falls behind are served alike: from memory if it reaches back far enough,
else page by page from the log at the reader's own pace, until the subscriber has every event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .future import Breath
from .readable import body_for
from .signals import CaughtUp, Delta, Lagging, Presence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .signals import Signal
    from .store import Record, Rewrite
    from .subscriber import Codec, Subscriber

# Events a new subscriber gets at once, a screenful; kept in memory while the conversation is active
RECENT_EVENTS = 50
RECENT_BYTES = 65_536  # of them, in memory: long messages are read from the log instead
PAGE_BYTES = 131_072  # bytes of one replayed payload: about what a socket's own buffer takes
# Bytes of one live payload: a batch of a thousand long messages is tens of MB, and what of it waits for a reader counts
DELIVERY_BYTES = 262_144
BREATH_EVERY = 64  # sockets written between two checkpoints: about 0.4 ms

BREATH = Breath()


@dataclass(slots=True)
class Position:
    """The replay position of a subscriber that is not live."""

    sequence: int
    reading: bool = False  # a page of the log is being read
    stale: bool = False  # has missed presence signals


class Audience:
    """The subscribers of one conversation, and the events last delivered to all live ones.

    `fetch` is called with a subscriber and a sequence when the log must be read; the page comes back through `replayed`.
    `roster` gives the current list of members as a subscriber may see it, encoded, for those that missed presence signals;
    `so_far` what a subscriber that has just become live must know besides the events: the text so far of the open runs.
    `oldest` gives the sequence of the first message that a subscriber may read.
    """

    __slots__ = (
        "_codec",
        "_fetch",
        "_oldest",
        "_recent",
        "_recent_bytes",
        "_roster",
        "_so_far",
        "behind",
        "connections",
        "head",
        "live",
    )

    def __init__(
        self,
        codec: Codec,
        fetch: Callable[[Subscriber, int], None],
        roster: Callable[[Subscriber], bytes],
        so_far: Callable[[Subscriber], Iterable[Signal]],
        oldest: Callable[[Subscriber], int],
    ) -> None:
        self.live: dict[Subscriber, None] = {}
        self.behind: dict[Subscriber, Position] = {}
        self.head = 0  # the last sequence delivered to live subscribers
        self._codec = codec
        self._fetch = fetch
        self._roster = roster
        self._so_far = so_far
        self._oldest = oldest
        self.connections: dict[
            str, dict[Subscriber, None]
        ] = {}  # by participant; read only outside
        self._recent: list[Record] = []
        self._recent_bytes = 0

    def __len__(self) -> int:
        return len(self.live) + len(self.behind)

    def __iter__(self) -> Iterator[Subscriber]:
        yield from self.live
        yield from self.behind

    def __contains__(self, subscriber: Subscriber) -> bool:
        return subscriber in self.live or subscriber in self.behind

    def connected(self, participant_id: str) -> bool:
        """Whether a participant has a connection now."""
        return participant_id in self.connections

    def of(self, participant_id: str) -> list[Subscriber]:
        """All connections of one participant."""
        return list(self.connections.get(participant_id, ()))

    def participants(self) -> Iterator[str]:
        """The ids of all connected participants, in the order in which they connected."""
        return iter(self.connections)

    def positions(self) -> list[tuple[Subscriber, int]]:
        """All subscribers, each with the sequence up to which it has everything."""
        behind = [(each, position.sequence) for each, position in self.behind.items()]
        return [*((each, self.head) for each in self.live), *behind]

    def adopt(self, positions: Iterable[tuple[Subscriber, int]]) -> None:
        """Add subscribers whom others have served, each up to its sequence; they are served once they are caught up."""
        for subscriber, sequence in positions:
            self._fall_behind(subscriber, sequence)
            self.behind[subscriber].stale = True

    def let_go(self) -> None:
        """Forget all subscribers without a word: others serve them from now on."""
        self.live.clear()
        self.behind.clear()
        self.connections.clear()

    def at_hand(self, sequence: int) -> Record | None:
        """The event with this sequence, if it is among the newest events in memory; else None."""
        recent = self._recent
        place = sequence - recent[0].sequence if recent else -1
        return recent[place] if 0 <= place < len(recent) else None

    def recall(self, records: Sequence[Record]) -> None:
        """Replace the remembered events, which may have a gap, by the newest events of the log."""
        self._recent.clear()
        self._recent_bytes = 0
        for record in records:
            self.remember((record,))

    def rewrite(self, rewrites: Mapping[int, Rewrite]) -> None:
        """Replace the stored forms of remembered events: whoever catches up gets what is true now."""
        for sequence, rewrite in rewrites.items():
            record = self.at_hand(sequence)
            if record is not None:
                place = sequence - self._recent[0].sequence
                self._recent[place] = record._replace(
                    body=rewrite.body, salt=b"", hash=rewrite.hash
                )
                self._recent_bytes += len(rewrite.body) - len(record.body)

    def remember(self, records: Sequence[Record]) -> int:
        """Keep the newest events in memory; the bytes of these. A whole batch stays: who just fell behind needs it."""
        if not records:
            return 0
        recent, added = self._recent, 0
        for record in records:
            added += len(record.body)
        recent.extend(records)
        size, old = self._recent_bytes + added, len(recent) - len(records)
        surplus = max(0, min(len(recent) - RECENT_EVENTS, old))
        for record in recent[:surplus]:
            size -= len(record.body)
        while size > RECENT_BYTES and surplus < old:
            size -= len(recent[surplus].body)
            surplus += 1
        if surplus:
            del recent[:surplus]
        self._recent_bytes = size
        self.head = records[-1].sequence
        return added

    async def deliver(self, records: Sequence[Record]) -> int:
        """Deliver committed events to all live subscribers; return how many took them. It waits only to let other tasks run."""
        if self.remember(records) < DELIVERY_BYTES:
            return await self._deliver(records)
        taken = 0
        for part in _cut(records):
            taken = await self._deliver(part)
        return taken

    async def _deliver(self, records: Sequence[Record]) -> int:
        payload = self._codec.payload([record.body for record in records])
        edited = min([r.target for r in records if r.relation == "edit" and r.target], default=None)
        taken = 0
        for written, subscriber in enumerate(tuple(self.live), 1):
            # Who came in after an edited message gets its edit without content.
            whole = edited is None or self._oldest(subscriber) <= edited
            if subscriber.deliver(payload if whole else self._for(subscriber, records)):
                taken += 1
            elif subscriber in self.live:
                self._fall_behind(subscriber, records[0].sequence - 1)
            if not written % BREATH_EVERY:
                await BREATH
        return taken

    def _for(self, subscriber: Subscriber, records: Sequence[Record]) -> bytes:
        """The payload of records of which a subscriber may perhaps not read all."""
        oldest = self._oldest(subscriber)
        return self._codec.payload([body_for(record, oldest, self._codec) for record in records])

    def signal(self, signal: Signal, *, but: str | None = None) -> None:
        """Send a signal to all live subscribers except those of one participant. A subscriber that is behind misses it.

        Signals are not replayed. A subscriber that missed a presence signal gets the list of members again once it caught up, one
        that missed a delta the text so far.
        """
        stale = isinstance(signal, Presence)
        lasting = stale or isinstance(signal, Delta)
        if stale:
            for position in self.behind.values():
                position.stale = True
        body = self.encode(signal)
        for subscriber in tuple(self.live):
            if subscriber.participant.id != but and not subscriber.deliver(body) and lasting:
                self._fall_behind(subscriber, self.head)
                self.behind[subscriber].stale = stale

    def encode(self, *signals: Signal | bytes) -> bytes:
        """Signals as one payload; a signal given as bytes is already encoded."""
        return self._codec.payload(
            [
                signal if isinstance(signal, bytes) else self._codec.encode(signal)
                for signal in signals
            ]
        )

    def place(self, subscriber: Subscriber, sequence: int) -> None:
        """Add a subscriber, or move it: it has everything up to `sequence` and gets the events after that."""
        self.connections.setdefault(subscriber.participant.id, {})[subscriber] = None
        self.live.pop(subscriber, None)
        before = self.behind.get(subscriber)
        if before is None:
            self.behind[subscriber] = Position(sequence)
        else:
            before.sequence = sequence

    def remove(self, subscriber: Subscriber) -> bool:
        """Remove a subscriber; return whether it was there."""
        if subscriber not in self:
            return False
        self.live.pop(subscriber, None)
        self.behind.pop(subscriber, None)
        participant_id = subscriber.participant.id
        del self.connections[participant_id][subscriber]
        if not self.connections[participant_id]:
            del self.connections[participant_id]
        return True

    def catch_up(self, subscriber: Subscriber) -> None:
        """Start the next replay step of a subscriber that is behind, unless a page is being read for it."""
        position = self.behind.get(subscriber)
        if position is None or position.reading:
            return
        if self._recent and position.sequence + 1 < self._recent[0].sequence:
            position.reading = True
            self._fetch(subscriber, position.sequence)
            return
        missing = [record for record in self._recent if record.sequence > position.sequence]
        if self._send(subscriber, position, missing):
            del self.behind[subscriber]
            self.live[subscriber] = None
            caught_up = CaughtUp(position.sequence)
            signals = (self._roster(subscriber), caught_up) if position.stale else (caught_up,)
            subscriber.push(self.encode(*signals, *self._so_far(subscriber)))

    def replayed(self, subscriber: Subscriber, after: int, records: Sequence[Record]) -> None:
        """Take a page of the log that begins after the sequence `after`."""
        position = self.behind.get(subscriber)
        if position is None or not position.reading:
            return  # the subscriber was removed meanwhile
        position.reading = False
        if position.sequence != after or self._send(subscriber, position, records):
            self.catch_up(subscriber)  # if a resync moved the position meanwhile, from there

    def release(self) -> None:
        """Release the references of a stopped conversation, so that its memory is freed without the garbage collector."""
        del self._fetch, self._roster, self._so_far, self._oldest

    def fall_back(self, sequence: int) -> None:
        """Mark all live subscribers as behind: they got nothing after `sequence` and must catch up."""
        for subscriber in tuple(self.live):
            self.place(subscriber, sequence)
            self.catch_up(subscriber)

    def _send(self, subscriber: Subscriber, position: Position, records: Sequence[Record]) -> bool:
        """Send records in payloads of moderate size. False where the subscriber must drain first; it then sends `Drained`."""
        bodies: list[bytes] = []
        size, oldest = 0, 0
        for index, record in enumerate(records):
            if record.relation == "edit":
                oldest = oldest or self._oldest(subscriber)
                bodies.append(body_for(record, oldest, self._codec))
            else:
                bodies.append(record.body)
            size += len(record.body)
            if size >= PAGE_BYTES or index == len(records) - 1:
                if not subscriber.deliver(self._codec.payload(bodies)):
                    return False
                position.sequence = record.sequence
                bodies, size = [], 0
        return True

    def _fall_behind(self, subscriber: Subscriber, sequence: int) -> None:
        self.place(subscriber, sequence)
        subscriber.push(self.encode(Lagging(sequence)))


def _cut(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Split the records into payloads of moderate size; usually there is one."""
    start, size = 0, 0
    for index, record in enumerate(records):
        size += len(record.body)
        if size >= DELIVERY_BYTES:
            yield records[start : index + 1]
            start, size = index + 1, 0
    if start < len(records):
        yield records[start:] if start else records
