"""What a step in a room is about: the room, who acts and on whom."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

from salon.actors.rights import RANK
from salon.web.client import Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from salon.actors.messages import Command
    from salon.actors.model import Role

    from .person import Person
    from .plan import Step
    from .world import World

SHORT = 120_000  # milliseconds that a ban, a mute or an invite lasts, at most, if it ends by itself
ABLE = 0.75  # share of the steps that are of somebody who may


class Scene:
    """What a step is about: a room, who acts and on whom, by the step's own chance."""

    def __init__(self, world: World, step: Step) -> None:
        assert world.rooms is not None, "only plans with rooms have such steps"
        self.world, self.rooms = world, world.rooms
        self.chance = Random(f"room {world.plan.seed} {step.number}")
        living = self.rooms.living
        self.room = self.chance.choice(living or self.rooms.ids)
        state, people = self.rooms.state(self.room), world.people
        members = {} if state is None else state.members
        rank = {each: RANK[member.role] for each, member in members.items()}
        able = [each for each in people if rank.get(each.person, 0) >= RANK["moderator"]]
        self.who = self._mostly(able, people)
        others = [each for each in people if each is not self.who]
        self.whom = self.chance.choice(others)
        own = rank.get(self.who.person, 0)
        # Mostly, members are acted on by who may, and outsiders want to come in.
        self.lower = self._mostly([e for e in others if rank.get(e.person, own) < own], others)
        self.outsider = self._mostly([e for e in others if e.person not in rank], others)
        self.now = world.sources.now()

    def having(self, role: Role) -> list[Person]:
        """The people who have a role in the room."""
        state = self.rooms.state(self.room)
        members = {} if state is None else state.members
        there = [each for each in self.world.people if each.person in members]
        return [each for each in there if members[each.person].role == role]

    def _mostly(self, likely: Sequence[Person], all_others: Sequence[Person]) -> Person:
        return self.chance.choice(likely if likely and self.chance.random() < ABLE else all_others)

    @property
    def place(self) -> tuple[str, object, str]:
        """The first fields of a command about a member."""
        return self.room, self.who.identity.participant, self.lower.person

    def until(self) -> int | None:
        """When something ends: soon, or only when somebody ends it."""
        chance = self.chance
        return self.now + int(chance.random() * SHORT) if chance.random() < 0.5 else None

    def ask(self, command: Command, who: Person | None = None) -> None:
        """Have somebody ask for something, once."""
        self.world.start(attempt, who or self.who, command)


async def attempt(person: Person, command: Command) -> None:
    """Ask, and take whatever comes of it."""
    with suppress(Refused, Unreachable):
        await person.ask(command)


def post(scene: Scene, person: Person, words: str = "") -> None:
    """Have somebody say something in the room, over HTTP, until it is answered."""
    tab = scene.rooms.tab(person, scene.room)
    if tab is not None:
        key = scene.world.key(tab)
        scene.world.start(tab.post, key, f"said in {scene.room} under {key} {words}".strip())
