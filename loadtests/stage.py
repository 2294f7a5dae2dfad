"""Sets the stage over HTTP: people, rooms, who is in which; and looks at the server's limits first."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .seat import Person
from .worker import Room

if TYPE_CHECKING:
    from .scenario import Scenario

HANDS = 4  # requests at once


class StageError(Exception):
    """The stage cannot be set; the text says what to change."""


class Api:
    """JSON over one kept-alive connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=30)

    def call(self, method: str, path: str, token: str | None = None, body: Any = None) -> Any:
        """The answer's body. Raises `StageError` where it is a refusal."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data = json.dumps(body or {}) if method == "POST" else None
        try:
            self._connection.request(method, path, data, headers)
            response = self._connection.getresponse()
            answer = json.loads(response.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise StageError(f"the server does not answer {method} {path}: {error}") from None
        if response.status >= 400:
            raise StageError(
                f"{method} {path}: {answer.get('code')}: {answer.get('error')}{_advice(answer)}"
            )
        return answer


def _advice(answer: dict[str, Any]) -> str:
    """Which limit to lift."""
    limits = {
        "CAPACITY_EXCEEDED": "limits.max_participants",
        "RATE_LIMITED": "limits.message_rate or limits.conversations_per_hour",
        "TOO_MANY_CONNECTIONS": "limits.connections_per_person or limits.connections_per_address",
        "GUESTS_NOT_ALLOWED": "auth.guests (set it to true)",
    }
    limit = limits.get(str(answer.get("code")))
    return f" Lift {limit} for this, or run with --serve." if limit else ""


def set_stage(url: str, scenario: Scenario) -> list[Room]:
    """Make the rooms and their people. Raises `StageError`."""
    sizes = scenario.sizes
    owner = Api(url).call("POST", "/auth/guest", body={"name": "Owner"})["token"]
    with ThreadPoolExecutor(HANDS) as hands:
        parts = [range(hand, len(sizes), HANDS) for hand in range(HANDS)]
        if len(sizes) < HANDS:
            parts = [range(len(sizes))]
        made = list(hands.map(lambda part: _make_rooms(url, scenario, sizes, part, owner), parts))
    numbered, rooms = 0, []
    for conversation_id, head, people in (room for part in made for room in part):
        named = tuple((numbered + index, person) for index, person in enumerate(people))
        numbered += len(people)
        rooms.append(Room(conversation_id, head, named))
    return rooms


def _make_rooms(
    url: str, scenario: Scenario, sizes: list[int], part: range, owner: str
) -> list[tuple[str, int, list[Person]]]:
    api, rooms = Api(url), []
    for number in part:
        room = api.call("POST", "/chat/create", owner, {"title": f"Load {number}"})[
            "conversation_id"
        ]
        people = []
        for index in range(sizes[number]):
            token = api.call("POST", "/auth/guest", body={"name": f"Person {index}"})["token"]
            api.call("POST", f"/chat/{room}/join", token)
            quiet = index >= sizes[number] - scenario.never_read
            people.append(
                Person(token, sends=index < scenario.senders and not quiet, reads=not quiet)
            )
        rooms.append((room, sizes[number] + 1, people))
    return rooms


def bare_stage(scenario: Scenario) -> list[Room]:
    """Rooms for the C program, which knows nobody and needs no preparation."""
    rooms, numbered = [], 0
    for number, size in enumerate(scenario.sizes):
        people = [Person("", sends=index < scenario.senders, reads=True) for index in range(size)]
        rooms.append(Room(str(number + 1), 0, tuple(enumerate(people, numbered))))
        numbered += size
    return rooms
