"""Checks of what the server keeps of rooms: nothing of deleted ones, held messages once, files with their messages."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from salon.actors.search import Sought

if TYPE_CHECKING:
    from collections.abc import Iterator

    from salon.actors.held import HeldMessage

    from .world import World

MANY = 10_000  # of anything in a run: all of it


def wrong(world: World) -> Iterator[str]:
    """A text for each thing that is kept and should not be, or is not kept and should be."""
    rooms = world.rooms
    if rooms is None:
        return
    for id in (*rooms.ids, *rooms.directs):
        if id in world.disk._numbers and rooms.state(id) is None:
            yield from _deleted(world, id)
    yield from rooms.problems
    yield from _held(world)
    yield from _files(world)
    yield from _directs(world)
    reports = [*world.disk.reports(limit=MANY).get().reports]
    missing = rooms.reported - {each.position for each in reports}
    if missing:
        yield f"the reports {missing} are not kept"
    if len({each[1:4] for each in reports}) < len(reports):
        yield "somebody has reported a message twice"


def _deleted(world: World, conversation_id: str) -> Iterator[str]:
    """What is left of a deleted room, on the disk or in memory."""
    disk = world.disk
    number = disk._numbers[conversation_id]
    there = disk._conversations[number - 1]
    if any(record.body or record.sender_id or record.key for record in there.records):
        yield f"{conversation_id} is deleted, and the log has something of it"
    left = there.keys, there.mentions, there.runs, there.reactions, there.edits, there.thread_reads
    if any(left) or there.state.members or there.state.title or there.state.bans:
        yield f"{conversation_id} is deleted, and the store has something about it"
    if any(each.number == number for each in _all_held(world)):
        yield f"{conversation_id} is deleted, and a held message is left"
    if conversation_id in disk._invites.values():
        yield f"{conversation_id} is deleted, and an invite leads there"
    actor = None if world.process is None else world.process.directory.active(conversation_id)
    if actor is not None and (actor.audience._recent or (actor.state and actor.state.head)):
        yield f"{conversation_id} is deleted, and an actor has something of it"
    for person in world.people:
        listed = disk.listing(person.person, limit=MANY, archived=None).get().summaries
        if conversation_id in {each.conversation_id for each in listed}:
            yield f"{conversation_id} is deleted, and {person.person} has it in their list"
    if disk.search(Sought(None, (), conversation_id)).get().hits:
        yield f"{conversation_id} is deleted, and its messages are found"


def _all_held(world: World) -> list[HeldMessage]:
    pages = (world.disk.held_messages(is_open=each, limit=MANY).get() for each in (True, False))
    return [held for page in pages for held in page.messages]


def _held(world: World) -> Iterator[str]:
    """Held messages that are not in their log exactly once if they were approved, or are in it if they were not."""
    assert world.rooms is not None
    living = world.rooms.living
    logs = {id: world.log(id) for id in living}
    for held in _all_held(world):
        if held.kind != "message" or held.conversation_id not in logs:
            continue
        key = held.key or f"held:{held.position}"
        found = sum(
            (each["message"].get("client_message_id"), each["message"]["sender_id"])
            == (key, held.sender.id)
            for each in logs[held.conversation_id]
            if each["type"] == "message"
        )
        if held.outcome is not None and found != (held.outcome == "approved"):
            yield f"what {held.sender.id} said under {key} was {held.outcome}, and is there {found} times"
    for id, log in logs.items():
        said = Counter(e["message"]["content"] for e in log if e["type"] == "message")
        twice = [text for text, times in said.items() if text and times > 1]
        if twice:
            yield f"{twice[0]!r} is in {id} {said[twice[0]]} times"


def _files(world: World) -> Iterator[str]:
    """Files that are kept without their message, or are not with the message that shows them."""
    assert world.rooms is not None
    shown: dict[str, dict[str, Any]] = {}
    for id in world.rooms.living:
        for event in world.log(id):
            for file in event.get("message", {}).get("files", ()):
                if file["file_id"] in shown:
                    yield f"the file {file['file_id']} is in two messages"
                shown[file["file_id"]] = {**event["message"], "conversation": id}
    for id, file_id in world.rooms.uploads:
        file, message = world.disk._files._files.get(file_id), shown.get(file_id)
        if id not in world.rooms.living:
            if file is not None and not (file.gone and not file.name and not file.uploader):
                yield f"{id} is deleted, and its file {file_id} is kept"
        elif file is None:
            yield f"the file {file_id} of {id} is lost"
        elif message is not None and (file.gone, file.sequence) != (False, message["sequence_id"]):
            yield f"the file {file_id} of {message['message_id']} is kept as {file}"
        elif message is None and file.sequence and not (file.gone and not file.name):
            yield f"the file {file_id} is in no message, and kept as {file}"


def _directs(world: World) -> Iterator[str]:
    """Pairs of people with more than one direct conversation."""
    pairs: dict[tuple[str, ...], list[str]] = {}
    for there in world.disk._conversations:
        if there.state.direct:
            pairs.setdefault(tuple(sorted(there.state.members)), []).append(there.state.id)
            if len(there.state.members) != 2:
                yield f"{there.state.id} is of {', '.join(there.state.members)}"
    for pair, found in pairs.items():
        if len(found) > 1:
            yield f"{' and '.join(pair)} have {len(found)} direct conversations"
