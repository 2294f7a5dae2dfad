"""How long a fault was felt: how long receipts took, who was refused, how long nothing was delivered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from .plan import Toll


@dataclass(slots=True)
class Write:
    """A message: sent at the node `home` to the conversation `room`, at `began`; its receipt came at `ended`."""

    home: str
    room: str
    began: float
    ended: float | None = None


@dataclass(slots=True)
class Window:
    """What was measured from `began` on; the fault came at `struck`. `arrivals` are the times of events at each reader."""

    began: float
    struck: float = 0.0
    writes: list[Write] = field(default_factory=list)
    arrivals: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def arrived(self, home: str, room: str, at: float) -> None:
        """Take that an event came to the reader at this node in this conversation."""
        self.arrivals.setdefault((home, room), []).append(at)

    def is_served(self, rooms: Iterable[str], homes: Container[str]) -> bool:
        """Whether a message that was sent at these nodes since the fault has its receipt, in each conversation."""
        served = {
            each.room
            for each in self.writes
            if each.ended is not None and each.began >= self.struck and each.home in homes
        }
        return served.issuperset(rooms)


class Outages:
    """The figures of all faults that were measured. `refused` counts commands that were refused in a leave, by code."""

    def __init__(self) -> None:
        self.kills = self.leaves = 0
        self.refused: Counter[str] = Counter()
        self._longest: list[float] = []  # wait for a receipt, for each kill and conversation
        self._others: list[float] = []
        self._before: list[float] = []
        self._leaving: list[
            float
        ] = []  # waits for receipts in leaves, at nodes that stay and at the one that leaves
        self._presence: list[float] = []
        self._gaps: dict[str, list[float]] = {"staying": [], "leaving": [], "before": []}

    def add_kill(self, window: Window, victim: str, owned: Container[str]) -> None:
        """Take a kill of the node that owned these conversations. Those whose own node was killed are not measured."""
        self.kills += 1
        longest: dict[str, float] = {}
        for write in window.writes:
            if write.home == victim or write.ended is None:
                continue
            wait = write.ended - write.began
            if write.ended < window.struck:
                self._before.append(wait)
            elif write.room in owned:
                longest[write.room] = max(wait, longest.get(write.room, 0.0))
            else:
                self._others.append(wait)
        self._longest += longest.values()

    def add_leave(self, window: Window, leaving: str, until: float) -> None:
        """Take a planned leave that was over at `until`."""
        self.leaves += 1
        self.refused += window.refused
        self._leaving += [
            (each.ended or until) - each.began
            for each in window.writes
            if each.began >= window.struck
        ]
        for (home, _), times in window.arrivals.items():
            before = [at for at in times if at < window.struck]
            since = [*before[-1:], *(at for at in times if at >= window.struck), until]
            self._gaps["before"].append(_longest(before))
            self._gaps["leaving" if home == leaving else "staying"].append(_longest(since))

    def add_presence(self, seconds: float) -> None:
        """Take how long it took until people were shown as offline who were killed together with their node."""
        self._presence.append(seconds)

    def as_json(self) -> dict[str, Any]:
        """The figures: seconds."""
        return {
            "kills_of_owners": self.kills,
            "unavailable": _summary(self._longest),
            "others": _summary(self._others),
            "before": _summary(self._before),
            "leaves": self.leaves,
            "refused": dict(self.refused),
            "receipts_in_leaves": _summary(self._leaving),
            "gaps": {name: _summary(values) for name, values in self._gaps.items()},
            "presence": _summary(self._presence),
        }


def in_words(toll: Toll) -> Iterator[str]:
    """The figures of a cluster, a line each."""
    outages = toll.outages
    yield "faults: " + ", ".join(f"{count} {kind}" for kind, count in sorted(toll.strikes.items()))
    if outages["kills_of_owners"]:
        yield (
            f"kill -9 of an owner, {outages['kills_of_owners']} times: longest wait for a receipt in its conversations "
            f"{_in_words(outages['unavailable'])}; in others {_in_words(outages['others'])}, "
            f"before the kill {_in_words(outages['before'])}"
        )
    if outages["leaves"]:
        gaps = outages["gaps"]
        yield (
            f"planned leave, {outages['leaves']} times: {sum(outages['refused'].values())} commands refused, receipts "
            f"{_in_words(outages['receipts_in_leaves'])}; longest gap in deliveries at nodes that stay "
            f"{_in_words(gaps['staying'])}, at the one that leaves {_in_words(gaps['leaving'])}, "
            f"before it {_in_words(gaps['before'])}"
        )
    if outages["presence"]["count"]:
        yield f"people killed with their node are shown as offline after {_in_words(outages['presence'])}"


def _in_words(summary: dict[str, float]) -> str:
    if not summary["count"]:
        return "not measured"
    return f"p50 {summary['p50']:.2f} s, p99 {summary['p99']:.2f} s ({summary['count']:,})"


def _longest(times: list[float]) -> float:
    return max((after - before for before, after in pairwise(times)), default=0.0)


def _summary(values: list[float]) -> dict[str, float]:
    """The count, the median, the 99th percentile (the highest of fewer than 100) and the highest, in seconds."""
    if not values:
        return {"count": 0}
    ordered = sorted(values)
    last = len(ordered) - 1
    p50, p99 = ordered[last // 2], ordered[-(-last * 99 // 100)]
    return {
        "count": len(values),
        **{name: round(x, 3) for name, x in (("p50", p50), ("p99", p99), ("max", ordered[-1]))},
    }
