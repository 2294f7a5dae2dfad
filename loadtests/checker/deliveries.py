"""What subscribers of webhooks were told of one conversation: all that they want, each at least once, in order."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .history import Delivery, Subscriber

Event = dict[str, Any]
Found = tuple[str, str, tuple[int, ...], int]  # kind, text, lines, sequence


class _Told(NamedTuple):
    line: int
    sequence: int
    taken: bool


class ObservedDeliveries:
    """Takes the deliveries of one conversation, in the order in which they arrived."""

    def __init__(self) -> None:
        self._told: dict[str, list[_Told]] = {}  # by subscriber

    def take(self, line: int, delivery: Delivery) -> None:
        """Take the next one."""
        told = _Told(line, int(delivery.frame["sequence_id"]), delivery.taken)
        self._told.setdefault(delivery.subscriber, []).append(told)

    def verdict(
        self,
        conversation: str,
        events: Sequence[Event],
        subscribers: Mapping[str, tuple[int, Subscriber]],
        line: int,
    ) -> Iterator[Found]:
        """What is wrong, by the whole log, which was read on this line."""
        for name, (registered, subscriber) in subscribers.items():
            wanted = [e["sequence_id"] for e in events if _wants(subscriber, conversation, e)]
            have, at = 0, registered
            for told in self._told.get(name, ()):
                place = bisect_right(wanted, have)
                due = wanted[place] if place < len(wanted) else None
                if told.sequence not in wanted:
                    text = (
                        f"{name} was told of sequence {told.sequence}, which it has not asked for"
                    )
                    yield "unwanted", text, (registered, told.line), told.sequence
                elif due is not None and told.sequence > due:
                    text = f"{name} was told of sequence {told.sequence}, and had not taken {due}"
                    yield "reordered", text, (at, told.line), told.sequence
                if told.taken and told.sequence > have:
                    have, at = told.sequence, told.line
            if wanted and have < wanted[-1]:
                text = f"{name} has taken everything up to {have}, and the log has {wanted[-1]}"
                yield "untold", text, (at, line), wanted[-1]


def _wants(subscriber: Subscriber, conversation: str, event: Event) -> bool:
    kinds, conversations = subscriber.events, subscriber.conversations
    return (kinds is None or event["type"] in kinds) and (
        conversations is None or conversation in conversations
    )
