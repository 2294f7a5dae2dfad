"""`salon bench --cluster`: what PostgreSQL and several nodes cost, against one node and SQLite, in pairs one after the other."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from ..scenarios import run
from ..scenarios import scenario as scenarios
from ..servers import own_server, services
from .cluster_case import ANY, BOTH, OTHER, OWNER, on_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..scenarios import Result, Scenario
    from ..servers import Services
    from .case import Case
    from .cluster_case import Measured

    Tell = Callable[[str], None]

NODES = 3
TO_ALL = {"window_counts": "deliveries"}
BUSY = {"senders": 10, "window": 8, **TO_ALL}


class Work(NamedTuple):
    """What people do."""

    name: str
    scenario: str
    changes: dict[str, Any]

    def plan(self, seconds: float) -> Scenario:
        """The scenario, measured for so many seconds."""
        return scenarios.load(self.scenario).changed(**self.changes, seconds=seconds)


SPREAD = (
    Work(
        "10 rooms of 100, all talk, 200 messages/s",
        "fanout",
        {"rooms": 10, "readers": 100, "senders": 100, "window": 0, "rate": 200.0},
    ),
    Work("500 rooms of 4, all send, window 1", "rooms", {"rooms": 500, **TO_ALL}),
    Work("250 rooms of 4, 500 messages/s", "rooms", {"rooms": 250, "window": 0, "rate": 500.0}),
)
SAID = (
    Work("250 rooms of 4, nothing said", "rooms", {"rooms": 250, "window": 0, "rate": 0.2}),
    Work("250 rooms of 4, 500 messages/s", "rooms", {"rooms": 250, "window": 0, "rate": 500.0}),
    Work(
        "room of 100, all talk, 200 messages/s",
        "fanout",
        {"readers": 100, "senders": 100, "window": 0, "rate": 200.0},
    ),
    Work("room of 100, 10 senders, window 8", "fanout", {"readers": 100, **BUSY}),
)


class ClusterBench:
    """Measures each part so many times, and takes the median of the ratios. `wrong` has what went wrong, in words."""

    def __init__(self, there: Services, pairs: int, seconds: float, tell: Tell) -> None:
        self.wrong: list[str] = []
        self._services = there
        self._pairs = pairs
        self._seconds = seconds
        self._tell = tell

    def stores(self, case: Case) -> dict[str, Any]:
        """The same work on one server over SQLite and over PostgreSQL."""
        plan = scenarios.load(case.scenario).changed(**case.changes)
        if not plan.storm:
            plan = plan.changed(seconds=self._seconds)
        pairs = []
        for number in range(self._pairs):
            self._tell(f"{case.name}, over SQLite and PostgreSQL, {number + 1} of {self._pairs}")
            lite, _ = self._one(case.name, plan, None)
            large, database = self._one(case.name, plan, self._services.database())
            pairs.append((lite, large, database))
        return {"name": case.name, **_middle(("sqlite", "postgres", "database"), pairs)}

    def readers(self) -> list[dict[str, Any]]:
        """The busy room: 100 readers at the owner, 100 at another node; and all 100 at the one or the other."""
        halves, whole = [], []
        for number in range(self._pairs):
            self._tell(f"a busy room at two nodes, {number + 1} of {self._pairs}")
            both = self._on(2, Work("", "fanout", {"readers": 200, **BUSY}), BOTH)
            spent, half = both.spent, 0.5
            owner = both.a_delivery(spent.nodes[both.owner], half)
            other = both.a_delivery(spent.nodes[1 - both.owner], half)
            halves.append((owner, other, both.a_delivery(spent.postgres)))
            room = Work("", "fanout", {"readers": 100, **BUSY})
            here, there = self._on(2, room, OWNER), self._on(2, room, OTHER)
            whole.append(
                (
                    here.a_delivery(sum(here.spent.nodes)),
                    there.a_delivery(sum(there.spent.nodes)),
                    there.a_delivery(there.spent.postgres),
                )
            )
        names = ("owner", "other", "database")
        return [
            {
                "name": "100 readers at each of two nodes: each node's own CPU",
                **_middle(names, halves),
            },
            {"name": "all 100 readers at the one node: CPU of both", **_middle(names, whole)},
        ]

    def spread(self, work: Work) -> list[dict[str, Any]]:
        """The same work on one node, and on three: by people at the owner of their conversation, and by people anywhere."""
        found: dict[str, list[tuple[float, ...]]] = {OWNER: [], ANY: []}
        for number in range(self._pairs):
            self._tell(f"{work.name}, on 1 and {NODES} nodes, {number + 1} of {self._pairs}")
            one, database = self._one(
                work.name, work.plan(self._seconds), self._services.database()
            )
            for at, rows in found.items():
                many = self._on(NODES, work, at)
                spent = [many.a_delivery(each) for each in many.spent.nodes]
                beside = many.a_delivery(many.spent.postgres), many.a_delivery(many.spent.nats)
                rows.append((one, max(spent), sum(spent), database, *beside))
        names = ("one", "busiest", "all", "database_of_one", "database", "nats")
        return [
            {"name": work.name, "people": at, **_middle(names, rows)} for at, rows in found.items()
        ]

    def traffic(self, work: Work) -> dict[str, Any]:
        """What goes between three nodes, and what the database writes, a second, and for each message of a person."""
        self._tell(f"{work.name}, what goes between {NODES} nodes")
        many = self._on(NODES, work, ANY, tap=True)
        rates = {name: count / self._seconds for name, count in many.counts.items()}
        return {
            "name": work.name,
            "messages": many.messages / self._seconds,
            **{name: round(rate, 2) for name, rate in sorted(rates.items())},
        }

    def _one(self, name: str, plan: Scenario, store: str | None) -> tuple[float, float]:
        """Microseconds of the server and of PostgreSQL for a delivery, on one server."""
        with own_server(store) as (url, pid):
            result = run(
                plan,
                url,
                pid=pid,
                processes=1,
                progress=_quiet,
                beside=lambda: {"postgres": self._services.postgres.cpu()},
            )
        self._check(name, result)
        deliveries = max(1, result.tally.deliveries)
        return result.cpu_per_delivery, 1e6 * result.beside["postgres"] / deliveries

    def _on(self, count: int, work: Work, at: str, *, tap: bool = False) -> Measured:
        plan = work.plan(self._seconds)
        found = on_nodes(self._services, count, plan, at, _quiet, tap=tap)
        self._check(work.name or "busy room", found.result)
        return found

    def _check(self, name: str, result: Result) -> None:
        if not result.well:
            self.wrong += [f"{name}: {each}" for each in result.tally.anomalies[:5] or ("nothing",)]


PARTS = ("stores", "readers", "spread", "traffic")


def measure(
    part: str, cases: Sequence[Case], pairs: int, seconds: float, tell: Tell
) -> Iterator[tuple[list[dict[str, Any]], list[str]]]:
    """One of `PARTS`: the rows for the page so far, after each measurement, and what went wrong.

    CPU is in microseconds a delivery. Raises `RunError`.
    """
    with services() as there:
        bench = ClusterBench(there, pairs, seconds, tell)
        steps: dict[str, list[Callable[[], list[dict[str, Any]]]]] = {
            "stores": [partial(_one_row, bench.stores, case) for case in cases],
            "readers": [bench.readers],
            "spread": [partial(bench.spread, work) for work in SPREAD],
            "traffic": [partial(_one_row, bench.traffic, work) for work in SAID],
        }
        rows: list[dict[str, Any]] = []
        for step in steps[part]:
            rows += step()
            yield rows, bench.wrong


def _one_row(measured: Callable[[Any], dict[str, Any]], what: Any) -> list[dict[str, Any]]:
    return [measured(what)]


def _middle(names: Sequence[str], rows: Sequence[tuple[float, ...]]) -> dict[str, float]:
    """The median of each figure, and of the ratio of the second to the first, which is taken in each pair."""
    found = {
        name: round(median(column), 3)
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    return {**found, "ratio": round(median(row[1] / row[0] for row in rows if row[0]), 3)}


def _quiet(*_: object) -> None:
    """No progress is shown: the measurements are many and short."""
