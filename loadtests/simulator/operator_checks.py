"""Checks of what operators want: nothing of the erased is kept, nothing held or young is deleted, what is told is right."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from salon.actors.search import Sought

from .in_memory import remembered
from .operators import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .operators import Operators
    from .visitor import Visitor
    from .world import World

UNSTEADY = 7_200_000  # milliseconds by which an age may be wrong where the clock was set back
DERIVED = ("texts", "forgotten", "hashes", "deeds")  # what the simulated disk notes for the checks


def wrong(world: World) -> Iterator[str]:
    """A text for each thing that is kept and should not be, or was deleted and should not have been."""
    operators = world.operators
    if operators is None:
        return
    yield from operators.transport.problems
    for visitor in operators.visitors:
        if visitor.is_erased:
            yield from _left(world, visitor)
    yield from _deleted(world, operators)


def _left(world: World, visitor: Visitor) -> Iterator[str]:
    """What is left of somebody on the disk or in memory."""
    disk = world.disk
    words = set(visitor.names)
    for id in world.conversation_ids:
        for event in world.log(id):
            if event.get("message", {}).get("sender_id") == visitor.id:
                words.update(disk.texts.get((id, event["sequence_id"]), ()))
    places = {"the disk": {k: v for k, v in vars(disk).items() if k not in DERIVED}}
    for process in world.processes:
        for each in remembered(process):
            places[each.where] = {"state": each.state, "recent": each.recent}
    for place, there in places.items():
        text = repr(there)
        for word in words:
            if repr(word)[1:-1] in text:
                yield f"{visitor.id} is erased, and {place} has {word!r}"
                break
    for id in world.conversation_ids:
        for hit in disk.search(Sought(None, (), id)).get().hits:
            if visitor.id.encode() in hit.body and b'"deleted":true' not in hit.body:
                yield f"{visitor.id} is erased, and what they have said is found in {id}"


def _deleted(world: World, operators: Operators) -> Iterator[str]:
    """Messages that retention deleted too soon, and messages that were changed while they were held."""
    steady = all(step.kind != "jump" for step in world.plan.steps)
    for id in world.conversation_ids:
        log = world.log(id)
        said = {e["message"]["message_id"]: e["message"] for e in log if e["type"] == "message"}
        days = operators.days(id)
        for event in log:
            if event["type"] == "message_deleted" and event["by"] == "salon":
                age = _millis(event) - _millis(said[event["message_id"]])
                if not days or age < days * DAY - (0 if steady else UNSTEADY):
                    yield f"{event['message_id']} was deleted {age} ms after it was said"
        for at, where, message_id, kind in world.disk.deeds:
            if where == id and operators.is_held(id, said[message_id]["sender_id"], at):
                yield f"{message_id} was held, and there is {kind} of {at:.3f}"


def _millis(fields: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(fields["timestamp"]).timestamp() * 1000)
