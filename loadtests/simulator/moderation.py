"""Moderation in a simulation: the server's real desk with rules, and an endpoint that is slow and fails now and then."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import trio

from salon.web.moderation import Desk
from salon.web.moderation.rules import EndpointError, Verdict
from salon.web.settings import ModerationRule, ModerationSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.directory import Directory

    from .plan import Plan

HELD, REFUSED, DOUBTFUL = "unsure", "forbidden", "doubtful"  # words; the last is for the endpoint
RULES = (
    ModerationRule(words=(HELD,), action="hold"),
    ModerationRule(words=(REFUSED,), action="refuse"),
)
SLOWEST = 5.0  # seconds of an answer of the endpoint, at most
FAILS = 0.15  # share of the messages in rooms about which it says nothing


class SimulatedEndpoint:
    """An endpoint that always says the same of one text, when it answers. Outside of rooms it only takes its time."""

    breaker = None

    def __init__(self, chance: Random, is_room: Callable[[str], bool]) -> None:
        self._chance = chance
        self._is_room = is_room

    async def judge(self, question: dict[str, Any]) -> Verdict:
        """What it says of a message. Raises `EndpointError`."""
        is_room, chance = self._is_room(question["conversation_id"]), self._chance
        await trio.sleep((SLOWEST if is_room else 0.1) * chance.random() ** 6)
        if is_room and chance.random() < FAILS:
            raise EndpointError("it is down")
        if DOUBTFUL in question["content"]:
            return Verdict("hold", "somebody should look at it")
        return Verdict("allow")

    async def close(self) -> None:
        """Do nothing: it has no connections."""


def desk(plan: Plan, is_room: Callable[[str], bool]) -> Callable[[Directory], Desk]:
    """Makes the desk of each process."""
    chance = Random(f"endpoint {plan.seed}")

    def make(directory: Directory) -> Desk:
        made = Desk(ModerationSettings(rules=RULES), directory)
        if plan.setting.endpoint:
            made._endpoint = SimulatedEndpoint(chance, is_room)  # type: ignore[assignment]
        return made

    return make
