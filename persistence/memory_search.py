"""Searching the memory store: every message is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors import rights
from salon.actors.search import WINDOW, Found, Hit

from .ranking import Candidate, matches, page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from salon.actors.search import Sought
    from salon.actors.store import Record

    from .memory_conversation import Conversation

NEAR = 20  # events on each side of a hit, among which its neighbour is looked for
Arrival = tuple["Conversation", int]  # and the sequence


def find(sought: Sought, arrivals: Sequence[Arrival]) -> Found:
    """A page of hits. `arrivals` are all events in the order of arrival."""
    place = sought.place
    top = min(len(arrivals) if place is None else place.top, len(arrivals))
    if top < 1:
        return Found(())
    floor = 1 if place is None or place.floor is None else place.floor
    newest = _record(arrivals[top - 1])
    found = matches(sought, _candidates(sought, arrivals, top, floor), newest.at)
    if len(found) == WINDOW:
        floor = found[-1].position
    shown, following = page(sought, found, top, floor)
    return Found(tuple(_hit(sought, arrivals[each.position - 1]) for each in shown), following)


def first_readable(conversation: Conversation, sought: Sought) -> int | None:
    """The first sequence that the person may read in a conversation; None where they may read nothing."""
    state = conversation.state
    if sought.conversation_id not in (None, state.id):
        return None
    if sought.only is not None and state.id not in sought.only:
        return None
    if sought.reader is None:
        return None if sought.conversation_id is None else 1
    member = state.members.get(sought.reader)
    return None if member is None else rights.first_readable(state, member)


def _candidates(
    sought: Sought, arrivals: Sequence[Arrival], top: int, floor: int
) -> Iterator[Candidate]:
    for position in range(top, max(floor, 1) - 1, -1):
        conversation, sequence = arrivals[position - 1]
        record = conversation.records[sequence - 1]
        first = first_readable(conversation, sought) if record.is_message else None
        if first is not None and sequence >= first:
            yield Candidate(position, conversation.state.number, record)


def _record(arrival: Arrival) -> Record:
    conversation, sequence = arrival
    return conversation.records[sequence - 1]


def _hit(sought: Sought, arrival: Arrival) -> Hit:
    conversation, sequence = arrival
    first = first_readable(conversation, sought) or 1
    records = conversation.records
    before = records[max(first - 1, sequence - 1 - NEAR, 0) : sequence - 1]
    after = records[sequence : sequence + NEAR]
    return Hit(
        conversation.state.id,
        conversation.state.title,
        records[sequence - 1].body,
        next((each.body for each in reversed(before) if each.is_message), None),
        next((each.body for each in after if each.is_message), None),
    )
