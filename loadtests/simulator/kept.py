"""Checks of what the server keeps about changed messages: texts that are gone, hashes that stay, counts of what is unread."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from salon.actors.posted import sequence_of
from salon.actors.store import MOST_MENTIONS, event_hash

from .in_memory import remembered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .world import World

Event = dict[str, Any]
JOINED = "participant_joined"


def wrong(world: World) -> Iterator[str]:
    """A text for each thing that is kept and should not be, or is kept otherwise than it was."""
    for conversation_id in world.everywhere:
        log = world.log(conversation_id)
        yield from _texts(world, conversation_id)
        yield from _hashes(world, conversation_id)
        yield from _counts(world, conversation_id, log)
        yield from _threads(world, conversation_id, log)
    yield from _positions(world)


def _texts(world: World, conversation_id: str) -> Iterator[str]:
    """Texts of deleted messages on the disk or in memory."""
    disk = world.disk
    number = disk.load(conversation_id).get().number  # type: ignore[union-attr]
    kept = disk._conversations[number - 1]
    bodies = {
        "the log": [record.body for record in kept.records],
        "the keys": [record.body for record in kept.keys.values()],
    }
    for each in chain.from_iterable(map(remembered, world.processes)):
        if each.conversation_id == conversation_id:
            bodies[each.where] = [record.body for record in each.recent]
    for (where, text), _ in disk.forgotten.items():
        if where != conversation_id:
            continue
        for place, there in bodies.items():
            quoted = json.dumps(text, ensure_ascii=False).encode()
            if any(quoted in body for body in there):
                yield f"{text!r} was deleted, and {place} of {conversation_id} has it"


def _hashes(world: World, conversation_id: str) -> Iterator[str]:
    for record in world.disk.log(conversation_id):
        name = conversation_id, record.sequence
        known = {world.disk.hashes[name], *world.told_hashes.get(name, ())}
        if known != {event_hash(record)}:
            yield f"{conversation_id}-{record.sequence} has another hash than it had"


def _counts(world: World, conversation_id: str, log: list[Event]) -> Iterator[str]:
    number = world.disk.load(conversation_id).get().number  # type: ignore[union-attr]
    said = [event["message"] for event in log if event["type"] == "message"]
    shown = [
        each["sequence_id"]
        for each in said
        if ("thread_id" not in each or each.get("also_in_channel")) and not each.get("deleted")
    ]
    for read in range(len(log) + 1):
        found = world.disk.messages_after(number, read).get()
        unread = sum(sequence > read for sequence in shown)
        if found != unread:
            yield f"in {conversation_id} {found} messages after {read} count, and {unread} are there"
            break
    for person in world.people:
        named = [each["sequence_id"] for each in said if person.person in each.get("mentions", ())]
        for read in range(0, len(log) + 1, 7):
            found = world.disk.mentions_after(number, person.person, read).get()
            if found != min(MOST_MENTIONS, sum(sequence > read for sequence in named)):
                yield f"in {conversation_id} {found} mentions of {person.person} after {read} count"
                break


def _threads(world: World, conversation_id: str, log: list[Event]) -> Iterator[str]:
    """Threads whose unread replies are miscounted, or whose read position went back."""
    number = world.disk.load(conversation_id).get().number  # type: ignore[union-attr]
    # What was said before somebody joined is not unread for them.
    joined = {e["participant"]["id"]: e["sequence_id"] for e in log if e["type"] == JOINED}
    replies: dict[str, list[Event]] = {}
    for event in log:
        message = event.get("message", {})
        if "thread_id" in message:
            replies.setdefault(message["thread_id"], []).append(message)
    for root, there in replies.items():
        for person in world.people:
            place = number, sequence_of(root), person.person
            read = world.disk.thread_read(*place).get()
            if read < world.thread_reads.get((person.person, root), 0):
                yield f"{person.person} has read more of {root} than up to {read}"
            since = max(read, joined.get(person.person, 0))
            unread = [e for e in there if e["sequence_id"] > since and not e.get("deleted")]
            found = world.disk.thread_unread(*place).get()
            if found != len(unread):
                yield f"{found} replies in {root} count for {person.person}, {len(unread)} are there"


def _positions(world: World) -> Iterator[str]:
    """Read positions that are not where somebody has moved them to, after all else was done."""
    for (person, conversation_id), wanted in world.moved_back.items():
        stored = world.disk.load(conversation_id).get()
        states = [stored, *(each.state for each in world.actors(conversation_id))]
        found = {state.reads.get(person) for state in states if state is not None}
        if found != {wanted}:
            yield f"{person} has moved back to {wanted} in {conversation_id}, it is {found}"
