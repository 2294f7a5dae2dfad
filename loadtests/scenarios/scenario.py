"""What is to be tried: who talks to whom, how fast, for how long. Small YAML files hold the parameters of each scenario."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
SETTLE = 60.0  # seconds at the end in all
OBEDIENCE = (
    150.0  # seconds beside that: more than the longest time that a server tells who is too fast
)
COUNTED = {
    "receipts": "receipt",
    "deliveries": "delivered to all",
}  # what frees a place in a window
SMALLEST = 40  # characters of a message: when it was due, its key, and something to say


@dataclass(frozen=True, slots=True)
class Scenario:
    """The parameters; each can be set on the command line too. Raises `ValueError` for what cannot be played.

    With a `window` each sender has that many messages on their way: until their receipts have come, or with `window_counts`
    set to deliveries until everybody who reads in the room, in whatever process, has them and all before them. With a
    `rate` all senders together send so many a second, on schedule, whatever the server does.
    """

    name: str
    about: str = ""
    rooms: int = 1
    readers: int = 4  # people in a room
    senders: int = 4  # of them, how many send
    window: int = 1  # 0: by rate
    window_counts: str = "receipts"  # or deliveries
    rate: float = 0.0  # messages a second in all
    size: int = 100  # characters of a message
    seconds: float = 5.0  # measured
    warm_up: float = 1.0  # seconds before that
    keys: bool = True  # each message carries a client_message_id
    never_read: int = 0  # people of each room who stop reading
    churn: float = 0.0  # connections that are lost and made again, a second in all
    leaving: float = 0.0  # people who leave a room and join it again, a second in all
    storm: float = 0.0  # seconds into the run at which everybody drops and comes back
    obey: bool = False  # who is refused for load says the same again, when they were told
    burst_factor: float = 1.0  # the rate is multiplied by this
    burst_from: float = 0.0  # from this second
    burst_until: float = 0.0  # to this one
    mix: tuple[tuple[float, int], ...] = ()  # (share of the rooms, people): instead of `readers`
    typing: float = 0.0  # typing frames a second in all
    reading: float = 0.0  # read frames a second in all

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(f"scenario {self.name}: {problem}")

    @property
    def settle(self) -> float:
        """Seconds at the end in which everything has to arrive; those who obey come back as late as they were told."""
        return SETTLE + OBEDIENCE * self.obey

    @property
    def everywhere(self) -> bool:
        """Whether who sends waits until everybody has what they sent."""
        return self.window > 0 and self.window_counts == "deliveries"

    @property
    def pace(self) -> str:
        """In words, what decides when a message is sent."""
        if not self.window:
            return f"{self.rate:,g} messages/s, on schedule"
        return f"window {self.window}, until {COUNTED[self.window_counts]}"

    @property
    def sizes(self) -> list[int]:
        """How many people each room has."""
        if not self.mix:
            return [self.readers] * self.rooms
        sizes, passed = [], 0.0
        kinds = list(self.mix)
        for room in range(self.rooms):
            while (room + 0.5) / self.rooms > passed + kinds[0][0] and len(kinds) > 1:
                passed += kinds.pop(0)[0]
            sizes.append(kinds[0][1])
        return sizes

    def changed(self, **values: Any) -> Scenario:
        """The scenario with the values that are given, not None."""
        given = {name: value for name, value in values.items() if value is not None}
        return replace(self, **_typed(self.name, given))

    def _problems(self) -> list[str]:
        least = {"rooms": 1, "readers": 1, "senders": 1, "size": SMALLEST, "seconds": 0.5}
        problems = [
            f"{field.name} has to be at least {least.get(field.name, 0)}"
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), int | float)
            and value < least.get(field.name, 0)
        ]
        if not self.window and not self.rate:
            problems.append("it needs a window or a rate")
        if self.window_counts not in COUNTED:
            problems.append(f"window_counts has to be one of: {', '.join(COUNTED)}")
        if self.never_read >= self.readers and not self.mix:
            problems.append("somebody has to read")
        if self.mix and not (
            abs(sum(share for share, _ in self.mix) - 1) < 0.01
            and all(people > 0 for _, people in self.mix)
        ):
            problems.append("mix is a list of [share, people] whose shares make 1")
        return problems


def load(name: str) -> Scenario:
    """A scenario by its name, or by the path of a YAML file. Raises `ValueError` saying what is wrong."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        raise ValueError(f"there is no scenario {name}; known are: {', '.join(names())}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is not YAML: {error}") from None
    if not isinstance(given, dict):
        raise ValueError(f"{path.name}: lines of 'parameter: value' are wanted")
    return Scenario(**{"name": path.stem, **_typed(path.name, given)})


def names() -> list[str]:
    """The scenarios that are shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _typed(where: str, given: dict[str, Any]) -> dict[str, Any]:
    """The values, each of its parameter's kind."""
    known = {field.name: str(field.type) for field in fields(Scenario)}
    unknown = set(map(str, given)) - set(known)
    if unknown:
        raise ValueError(
            f"{where}: unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
    return {name: _value(where, name, known[name], value) for name, value in given.items()}


def _value(where: str, name: str, kind: str, value: Any) -> Any:
    try:
        if name == "mix":
            return tuple((float(share), int(people)) for share, people in value)
        if kind == "float" and not isinstance(value, bool):
            return float(value)
    except (TypeError, ValueError):
        pass
    else:
        if type(value).__name__ == kind:
            return value
    raise ValueError(f"{where}: {name}: {value!r} is not what it takes ({kind})")
