"""Sets up people, rooms and memberships over HTTP, after a check of the server's limits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from ..users import Api, Person, RunError, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .scenario import Scenario

HANDS = 4  # concurrent requests
NAMED = 9  # people that can be named when a room is created, besides its creator


class Room(NamedTuple):
    """A conversation, its last sequence before any message, and its people as (number, person); numbers are unique."""

    conversation_id: str
    head: int
    people: tuple[tuple[int, Person], ...]


def set_up_rooms(target: Target, scenario: Scenario) -> list[Room]:
    """Create the rooms and their people. Raises `RunError`."""
    _check_limits(Api(target), scenario)
    sizes = scenario.sizes
    first = [sum(sizes[:index]) for index in range(len(sizes))]

    def make(api: Api, index: int) -> Room:
        return _make_room(api, scenario, sizes[index], first[index])

    return _by_hands(target, make, list(range(len(sizes))))


def heads_of(target: Target, rooms: list[Room]) -> dict[str, int]:
    """The last sequence in the log of each room, by its id. Raises `RunError`."""

    def head(api: Api, room: Room) -> int:
        path = f"/chat/{room.conversation_id}/messages?limit=1"
        found: int = api.call("GET", path, room.people[0][1].token)["head_sequence_id"]
        return found

    found = _by_hands(target, head, rooms)
    return {room.conversation_id: head for room, head in zip(rooms, found, strict=True)}


def logs_of(
    target: Target, rooms: list[Room], heads: Mapping[str, int]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The log of each room up to its head, as pages of (room id, events). Raises `RunError`."""
    api = Api(target)
    for room in rooms:
        after, head = 0, heads[room.conversation_id]
        while after < head:
            path = f"/chat/{room.conversation_id}/messages?after={after}"
            events = api.call("GET", path, room.people[0][1].token)["events"]
            yield room.conversation_id, events
            if not events:
                break
            after = events[-1]["sequence_id"]


def _by_hands(target: Target, work: Callable[[Api, Any], Any], what: list[Any]) -> list[Any]:
    """Call `work` for each item, `HANDS` at once; return the results in the items' order."""
    parts = [what[hand::HANDS] for hand in range(HANDS)]

    def hand(part: list[Any]) -> list[Any]:
        api = Api(target)
        return [work(api, each) for each in part]

    with ThreadPoolExecutor(HANDS) as hands:
        done = [iter(part) for part in hands.map(hand, parts)]
    return [next(done[index % HANDS]) for index in range(len(what))]


def _check_limits(api: Api, scenario: Scenario) -> None:
    """Check the one limit that the server reports in advance; the others show when it refuses."""
    health = api.call("GET", "/health/chat")
    if "queue_depths" not in health:
        return
    limit = health["queue_depths"]["limit"]
    waiting = scenario.window * min(scenario.senders, max(scenario.sizes))
    if limit and waiting > limit:
        raise RunError(
            f"{waiting} messages would wait in one conversation, whose mailbox takes {limit}: "
            "lift limits.queue_size and limits.queue_share, or use a smaller --window"
        )


def _make_room(api: Api, scenario: Scenario, size: int, first: int) -> Room:
    guests = [
        api.call("POST", "/auth/guest", body={"name": f"Person {first + index}"})
        for index in range(size)
    ]
    owner = guests[0]["token"]
    named = [guest["participant"] for guest in guests[1 : NAMED + 1]]
    others = [{"user_id": who["id"], "name": who["name"]} for who in named]
    body = {"title": f"Load {first}", "participants": others}
    room = api.call("POST", "/chat/create", owner, body)["conversation_id"]
    for guest in guests[NAMED + 1 :]:
        api.send("POST", f"/chat/{room}/join", guest["token"])
    head = api.call("GET", f"/chat/{room}/messages?limit=1", owner)["head_sequence_id"]
    people = [
        person._replace(id=guest["participant"]["id"])
        for person, guest in zip(
            _people(scenario, [guest["token"] for guest in guests]), guests, strict=True
        )
    ]
    return Room(room, head, tuple(enumerate(people, first)))


def _people(scenario: Scenario, tokens: list[str]) -> list[Person]:
    reading = max(1, len(tokens) - scenario.never_read)
    return [
        Person(
            token,
            sends=index < min(scenario.senders, reading),
            reads=index < reading,
            stays=index == 0 or index >= reading,
        )
        for index, token in enumerate(tokens)
    ]


def bare_rooms(scenario: Scenario) -> list[Room]:
    """Rooms for the C program, which has no accounts and needs no set-up."""
    rooms, first = [], 0
    for number, size in enumerate(scenario.sizes, 1):
        people = [person._replace(reads=True) for person in _people(scenario, [""] * size)]
        rooms.append(Room(str(number), 0, tuple(enumerate(people, first))))
        first += size
    return rooms
