"""One measurement of several nodes: real processes, their CPU time, the database's and NATS's, and what goes between them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from salon.actors.cluster.view import Node as ViewNode
from salon.actors.cluster.view import View, owner_of

from ..scenarios import run
from ..servers import Process
from ..users import Target
from .wiretap import WireTap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..scenarios import Result, Scenario
    from ..scenarios.setup import Room
    from ..servers import Node, Services

ANY = "any node"  # as behind a load balancer that knows nothing of conversations
OWNER = "the owner"
OTHER = "another"
BOTH = "the owner and another"
ROWS = (
    "SELECT coalesce(sum(n_tup_ins), 0), coalesce(sum(n_tup_upd), 0), coalesce(sum(n_tup_del), 0) "
    "FROM pg_stat_user_tables"
)
TRANSACTIONS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


class Spent(NamedTuple):
    """Seconds of CPU within the measured time."""

    nodes: tuple[float, ...]
    postgres: float
    nats: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A run on several nodes. `counts` are of the measured time, `owner` is the place of the first room's owner."""

    result: Result
    spent: Spent
    counts: Mapping[str, float]
    owner: int

    @property
    def messages(self) -> float:
        """Messages of people, of the measured time."""
        sizes = self.result.scenario.sizes
        return self.result.tally.deliveries / (sum(sizes) / len(sizes))

    def a_delivery(self, seconds: float, share: float = 1.0) -> float:
        """Microseconds, for the share of the deliveries that it was spent for."""
        return 1e6 * seconds / max(1.0, share * self.result.tally.deliveries)


class Places:
    """Where people connect. `at` is one of the constants above."""

    def __init__(self, nodes: Sequence[Node], at: str) -> None:
        self._ids = [node.id for node in nodes]
        self._view = View(1, tuple(ViewNode(id, "", "") for id in self._ids))
        self._targets = [Target.of(node.url) for node in nodes]
        self._at = at

    def owner(self, conversation_id: str) -> int:
        """The place of the node that owns a conversation."""
        return self._ids.index(owner_of(self._view, conversation_id))

    def place(self, rooms: list[Room]) -> list[Room]:
        """The rooms, whose people have the node that they connect to."""
        return [
            room._replace(
                people=tuple(
                    (number, person._replace(target=self._targets[self._of(room, number)]))
                    for number, person in room.people
                )
            )
            for room in rooms
        ]

    def _of(self, room: Room, number: int) -> int:
        count = len(self._ids)
        if self._at == ANY:
            return number % count
        owner = self.owner(room.conversation_id)
        return {OWNER: owner, OTHER: owner + 1, BOTH: owner + number % 2}[self._at] % count


def on_nodes(
    services: Services,
    count: int,
    plan: Scenario,
    at: str,
    progress: Callable[..., None],
    *,
    tap: bool = False,
) -> Measured:
    """Play a scenario on so many new nodes. With `tap` the messages between nodes are counted, which costs NATS CPU."""
    first: list[Room] = []
    with services.nodes(count) as (nodes, name), ExitStack() as stack:
        places, processes = Places(nodes, at), [Process(node.pid) for node in nodes]
        listening = None
        if tap:
            listening = WireTap(services.nats.port, name)
            stack.callback(listening.close)

        def place(rooms: list[Room]) -> list[Room]:
            first[:] = rooms[:1]
            return places.place(rooms)

        def beside() -> dict[str, float]:
            counts: dict[str, float] = {
                f"node {number}": process.cpu() for number, process in enumerate(processes)
            }
            counts |= {"postgres": services.postgres.cpu(), "nats": services.nats.cpu()}
            counts |= {f"wire {k}": v for k, v in (listening.counts() if listening else {}).items()}
            return counts | (_rows(services, name) if tap else {})

        result = run(
            plan, nodes[0].url, pid=None, processes=1, progress=progress, place=place, beside=beside
        )
        owner = places.owner(first[0].conversation_id)
    found = dict(result.beside)
    spent = Spent(
        tuple(found.pop(f"node {number}") for number in range(count)),
        found.pop("postgres"),
        found.pop("nats"),
    )
    return Measured(result, spent, found, owner)


def _rows(services: Services, name: str) -> dict[str, float]:
    (row,) = services.postgres.execute(ROWS, database=name)
    ((transactions,),) = services.postgres.execute(TRANSACTIONS, database=name)
    written: list[Any] = [int(each) for each in row]
    return dict(zip(("inserted", "updated", "deleted"), written, strict=True)) | {
        "transactions": int(transactions)
    }
