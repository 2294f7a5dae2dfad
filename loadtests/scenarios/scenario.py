"""The parameters of a load scenario: rooms, senders, rates, durations. A small YAML file holds those of each scenario."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
SETTLE = 60.0  # seconds for the end of a run
OBEDIENCE = 150.0  # seconds in addition: more than the longest `retry_after` for a rate limit
COUNTED = {
    "receipts": "receipt",
    "deliveries": "delivered to all",
}  # what frees a place in a window -> how that is said in words
SMALLEST = 40  # characters of a message: its due time, its key, and padding


@dataclass(frozen=True, slots=True)
class Scenario:
    """The parameters; each can also be set on the command line. Raises `ValueError` if they cannot be played.

    With a `window` each sender has that many messages in flight. A message is in flight until its receipt has arrived, or, if
    `window_counts` is deliveries, until all readers of the room, in all processes, have it and all messages before it. With
    a `rate` all senders together send so many messages a second, on schedule, independent of the server.
    """

    name: str
    about: str = ""
    rooms: int = 1
    readers: int = 4  # people in a room
    senders: int = 4  # people in a room that send
    window: int = 1  # messages in flight per sender; 0: by rate
    window_counts: str = "receipts"  # or deliveries
    rate: float = 0.0  # messages a second, in total
    size: int = 100  # characters of a message
    seconds: float = 5.0  # measured
    warm_up: float = 1.0  # seconds before that
    keys: bool = True  # each message carries a client_message_id
    never_read: int = 0  # people of each room that stop reading
    churn: float = 0.0  # connections cut and reconnected a second, in total
    leaving: float = 0.0  # people that leave a room and rejoin it a second, in total
    storm: float = (
        0.0  # second of the measured time at which all connections are cut and reconnected
    )
    obey: bool = False  # a message refused for load is resent after the `retry_after` given
    burst_factor: float = 1.0  # the rate is multiplied by this during the burst
    burst_from: float = 0.0  # second of the measured time at which the burst begins
    burst_until: float = 0.0  # second at which it ends
    mix: tuple[tuple[float, int], ...] = ()  # (share of the rooms, people): instead of `readers`
    typing: float = 0.0  # typing frames a second, in total
    reading: float = 0.0  # read frames a second, in total

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(f"scenario {self.name}: {problem}")

    @property
    def settle(self) -> float:
        """Seconds at the end within which everything has to arrive; longer with `obey`, which waits as long as told."""
        return SETTLE + OBEDIENCE * self.obey

    @property
    def everywhere(self) -> bool:
        """Whether the window counts a message until all readers have it."""
        return self.window > 0 and self.window_counts == "deliveries"

    @property
    def pace(self) -> str:
        """The rule that decides when a message is sent, in words."""
        if not self.window:
            return f"{self.rate:,g} messages/s, on schedule"
        return f"window {self.window}, until {COUNTED[self.window_counts]}"

    @property
    def sizes(self) -> list[int]:
        """The number of people in each room."""
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
        """A copy with the given values; None leaves a parameter as it is. Raises `ValueError`."""
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
    """A scenario by its name, or by the path of a YAML file. Raises `ValueError`; the text names the fault."""
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
    """The names of the shipped scenarios."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _typed(where: str, given: dict[str, Any]) -> dict[str, Any]:
    """The values, converted to the types of their parameters. Raises `ValueError`."""
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
