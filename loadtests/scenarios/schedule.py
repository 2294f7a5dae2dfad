"""The times at which actions are due, independent of the server: latencies of a stalled server count from the due time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..users import NEVER

if TYPE_CHECKING:
    from .scenario import Scenario


class Schedule:
    """The due times of one process, evenly spaced. `senders` and `people` are its shares of all senders and people, 0 to 1."""

    def __init__(self, scenario: Scenario, start: float, *, senders: float, people: float) -> None:
        self._scenario = scenario
        self._measured_from = start + scenario.warm_up
        rates = {
            "post": 0.0 if scenario.window else scenario.rate * senders,
            "churn": scenario.churn * people,
            "leave": scenario.leaving * people,
            "typing": scenario.typing * people,
            "read": scenario.reading * people,
        }
        self._rates = {kind: rate for kind, rate in rates.items() if rate > 0}
        self._next = {kind: start + 1 / rate for kind, rate in self._rates.items()}
        self.next_due = min(self._next.values(), default=NEVER)

    def due(self, now: float) -> list[tuple[str, float]]:
        """The actions due up to `now` that were not returned before: (kind, when), each kind in its order."""
        found: list[tuple[str, float]] = []
        if now < self.next_due:
            return found
        for kind in self._rates:
            while (due := self._next[kind]) <= now:
                found.append((kind, due))
                self._next[kind] = due + 1 / self._rate(kind, due)
        self.next_due = min(self._next.values(), default=NEVER)
        return found

    def _rate(self, kind: str, at: float) -> float:
        scenario = self._scenario
        second = at - self._measured_from
        burst = kind == "post" and scenario.burst_from <= second < scenario.burst_until
        return self._rates[kind] * (scenario.burst_factor if burst else 1.0)
