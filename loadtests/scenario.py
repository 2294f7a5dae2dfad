"""What is to be tried: who talks to whom, how fast, for how long. Small YAML files hold the parameters of each scenario."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).with_name("scenarios")


@dataclass(frozen=True, slots=True)
class Scenario:
    """The parameters; each can be set on the command line too.

    With a `window` each sender has that many messages on their way; with a `rate` all senders together send so many a
    second, on schedule, whatever the server does.
    """

    name: str
    about: str = ""
    rooms: int = 1
    readers: int = 4  # people in a room
    senders: int = 4  # of them, how many send
    window: int = 1  # 0: by rate
    rate: float = 0.0  # messages a second in all
    size: int = 100  # characters of a message
    seconds: float = 5.0  # measured
    warm_up: float = 1.0  # seconds before that
    keys: bool = True  # each message carries a client_message_id
    never_read: int = 0  # people of each room who stop reading
    churn: float = 0.0  # reconnects a second in all
    storm: float = 0.0  # seconds into the run at which everybody drops and comes back
    burst_factor: float = 1.0  # the rate is multiplied by this
    burst_from: float = 0.0  # from this second
    burst_until: float = 0.0  # to this one
    mix: tuple[tuple[float, int], ...] = ()  # (share of the rooms, people): instead of `readers`
    typing: float = 0.0  # typing frames a second in all
    reading: float = 0.0  # read frames a second in all

    @property
    def sizes(self) -> list[int]:
        """How many people each room has."""
        if not self.mix:
            return [self.readers] * self.rooms
        sizes: list[int] = []
        for share, people in self.mix:
            sizes += [people] * round(share * self.rooms)
        return sizes

    def changed(self, **values: Any) -> Scenario:
        """The scenario with the values that are given, not None."""
        return replace(self, **{name: value for name, value in values.items() if value is not None})


def load(name: str) -> Scenario:
    """A scenario by its name, or by the path of a YAML file. Raises `ValueError` saying what is wrong."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    try:
        given = yaml.safe_load(path.read_text())
    except OSError:
        raise ValueError(f"there is no scenario {name}; known are: {', '.join(names())}") from None
    known = {field.name for field in fields(Scenario)}
    unknown = set(given) - known
    if unknown:
        raise ValueError(
            f"{path.name}: unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
    given["mix"] = tuple(tuple(pair) for pair in given.get("mix", ()))
    return Scenario(**{"name": path.stem, **given})


def names() -> list[str]:
    """The scenarios that are shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))
