"""The plan of a seed: the setting and the steps, all drawn before the run begins.

So a run can be repeated with fewer of its steps, and each step stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from .frequencies import (
    AGENT_STEPS,
    CHANGE_STEPS,
    CHANGES,
    DEEDS,
    FAULTS,
    IN_ROOMS,
    OPERATED,
    OPERATOR_STEPS,
    ROOM_PEOPLE,
    ROOM_STEPS,
    STEPS,
    WITH_AGENT,
    WITH_AGENTS,
    WITH_OPERATORS,
    WITH_ROOMS,
)

# In seeds with operators: people with tokens that end.
VISITORS = ("fay", "gus")
NAMES = ("ada", "ben", "cleo", "dan", "eve")
AGENTS = ("bot", "bit")
CALLS = 2  # messages of agents in a row that an agent answers
SECONDS = 1200.0  # the steps are spread over this time, most of them in clusters
CLUSTERS = 8  # moments around which most steps happen
NEAR = 3.0  # seconds: standard deviation of the distance from such a moment


@dataclass(frozen=True, slots=True)
class Setting:
    """The constants of a run. Small limits are reached in minutes, the usual ones only in years."""

    people: int
    conversations: int
    recent: int  # events that a conversation keeps in memory
    replay: int  # events of one page of a replay
    page_bytes: int
    outbox_bytes: int
    capacity: int  # bytes of a link's buffer
    queue_size: int
    queue_share: int
    resume_limit: int
    message_rate: int
    window: int  # events that a client buffers for its user
    outbox: int  # messages that a client has in flight
    idle_timeout: float
    turns: int = 256  # of actors between two visits of the scheduler
    agents: int = 0
    hosted: bool = False  # whether the server hosts one more
    rooms: int = 0
    endpoint: bool = False  # whether messages are judged by an endpoint, too
    operated: bool = False
    retention: int = 0  # days that the server keeps messages
    own_retention: int = 0  # days of the first conversation
    nodes: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `who` and `conversation` are taken modulo how many there are; `more`, in [0, 1), is for the kind's use."""

    number: int
    at: float
    kind: str
    who: int
    conversation: int
    more: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a seed, with all of its steps or only some."""

    seed: int
    setting: Setting
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, seed: int) -> Plan:
        """Draw the plan of a seed."""
        chance = Random(f"plan {seed}")
        setting = Setting(
            people=chance.randint(2, 4),
            conversations=chance.choice((1, 1, 2)),
            recent=chance.choice((3, 8, 50)),
            replay=chance.choice((2, 5, 200)),
            page_bytes=chance.choice((300, 2_000, 131_072)),
            outbox_bytes=chance.choice((400, 2_000, 262_144)),
            capacity=chance.choice((600, 3_000, 65_536)),
            queue_size=chance.choice((8, 20, 1000)),
            queue_share=chance.choice((4, 10, 250)),
            resume_limit=chance.choice((0, 10, 1000)),
            message_rate=chance.choice((0, 0, 2, 20)),
            window=chance.choice((5, 1000)),
            outbox=chance.choice((3, 50, 200)),
            idle_timeout=chance.choice((5.0, 60.0)),
        )
        steps = _steps(chance)
        # Drawn apart, so that the other steps are what they would be without these.
        steps += _steps(Random(f"changes {seed}"), CHANGES, CHANGE_STEPS, first=len(steps))
        if seed % WITH_AGENTS == 0:
            apart = Random(f"agents {seed}")
            hosted = Random(f"hosted {seed}").random() < 0.5
            turns = Random(f"turns {seed}").choice((1, 2, 256))
            agents = apart.randint(1, len(AGENTS))
            setting = replace(setting, agents=agents, hosted=hosted, turns=turns)
            steps += _steps(apart, WITH_AGENT, AGENT_STEPS, first=len(steps))
        if seed % WITH_ROOMS == 1:
            apart = Random(f"rooms {seed}")
            rooms, endpoint = apart.randint(1, 2), apart.random() < 0.5
            people = max(setting.people, ROOM_PEOPLE)
            setting = replace(setting, people=people, rooms=rooms, endpoint=endpoint)
            steps += _steps(apart, IN_ROOMS, ROOM_STEPS, first=len(steps))
        if seed % WITH_OPERATORS == 2:
            apart = Random(f"operators {seed}")
            days, own = apart.choice((0, 1, 3)), apart.choice((0, 0, 2))
            setting = replace(setting, operated=True, retention=days, own_retention=own)
            steps += _steps(apart, OPERATED, OPERATOR_STEPS, first=len(steps))
        return cls(seed, setting, tuple(sorted(steps, key=lambda step: step.at)))

    def only(self, numbers: set[int]) -> Plan:
        """The same plan with only these steps."""
        return replace(self, steps=tuple(each for each in self.steps if each.number in numbers))

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of its steps."""
        return tuple(each.number for each in self.steps)


def _steps(
    chance: Random,
    weighted: dict[str, int] = DEEDS | FAULTS,
    how_many: tuple[int, int] = STEPS,
    first: int = 0,
) -> tuple[Step, ...]:
    kinds, weights = [*weighted], [*weighted.values()]
    moments = [chance.uniform(0, SECONDS) for _ in range(CLUSTERS)]
    drawn = []
    for _ in range(chance.randint(*how_many)):
        near = chance.choice(moments) + chance.gauss(0, NEAR)
        at = near if chance.random() < 0.8 else chance.uniform(0, SECONDS)
        kind = chance.choices(kinds, weights)[0]
        what = kind, chance.randrange(60), chance.randrange(60), chance.random()
        drawn.append((max(0.0, at), *what))
    return tuple(Step(number, *each) for number, each in enumerate(sorted(drawn), first))


draw_steps = _steps  # for plans that add steps of their own


def ranges(numbers: tuple[int, ...]) -> str:
    """Numbers in the notation of the command line, such as 1,4-7."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def parse_ranges(text: str) -> set[int]:
    """The numbers that a text such as 1,4-7 names. Raises `ValueError`."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers
