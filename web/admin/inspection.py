"""The operators' view of the engine: read from outside, without messages to actors and without changing them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from resource import getpagesize
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar, overload

import trio

from salon.actors.conversation import ConversationActor
from salon.actors.participant import ParticipantActor

from ..socket import Connection, Phase, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from salon.actors.directory import Directory
    from salon.actors.model import State
    from salon.actors.runtime import TrioActor
    from salon.actors.sources import Sources

Row = TypeVar("Row")
T = TypeVar("T")

ActorState = Literal["starting", "busy", "waiting", "idle"]
ConnectionState = Literal["attaching", "live", "behind", "closing"]

ROWS_AT_ONCE = 250  # rows made between two checkpoints: two or three milliseconds


class Clock:
    """Converts times of trio's clock, in seconds, for people.

    `anchor` is a pair: such a time, and the wall clock at that time in milliseconds. Clocks with the same anchor convert the
    same time to the same text.
    """

    def __init__(self, sources: Sources, anchor: tuple[float, int] | None = None) -> None:
        self.seconds = trio.current_time()
        self.anchor = anchor or (self.seconds, sources.now())

    @overload
    def since(self, at: float) -> float: ...
    @overload
    def since(self, at: float | None) -> float | None: ...
    def since(self, at: float | None) -> float | None:
        """Seconds from `at` to now; None for None."""
        return None if at is None else round(self.seconds - at, 3)

    def wall(self, at: float) -> str:
        """The wall-clock time of `at`, as text."""
        second, milliseconds = self.anchor
        return timestamp(milliseconds + round((at - second) * 1000))


@dataclass(frozen=True, slots=True)
class ActorRow:
    """One live actor. `node` is the name of the node that has it, null without a cluster."""

    node: str | None
    kind: str
    key: str
    state: ActorState
    depth: int
    limit: int
    turns: int
    restarts: int
    connections: int
    age: float
    idle: float
    started_at: str
    last_turn_at: str


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """One active conversation; what its state says is null while it is being loaded. `node` is the name of its owner."""

    node: str | None
    id: str
    title: str | None
    status: Literal["active", "inactive"] | None
    state: ActorState
    depth: int
    limit: int
    head: int | None
    messages: int | None
    participants: int | None
    connections: int
    behind: int
    turns: int
    restarts: int
    age: float
    idle: float
    started_at: str
    last_turn_at: str


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One open WebSocket or stream of events. `position` is the last sequence it has been given, or is on its way to be given.

    `node` is the name of the node that it is at, null without a cluster.
    """

    node: str | None
    id: str
    conversation_id: str
    participant_id: str
    name: str
    address: str
    protocol: str
    state: ConnectionState
    position: int | None
    outbox_bytes: int
    stalled: float | None
    age: float
    opened_at: str
    expires_at: str | None


@dataclass(frozen=True, slots=True)
class Depths:
    """Commands that wait in the conversations' mailboxes."""

    deepest: int
    total: int
    limit: int


def actor_state(actor: TrioActor) -> ActorState:
    """The state of an actor."""
    if isinstance(actor, ConversationActor) and actor.state is None:
        return "starting"
    if actor.busy:
        return "busy"
    return "idle" if actor.actor_inbox.empty() else "waiting"


class Sight(NamedTuple):
    """The context that a column may need in addition to the item."""

    directory: Directory
    clock: Clock


class Table(Generic[T, Row]):
    """Turns items of one kind into rows: one function per column, so that a list can be sorted without making rows."""

    def __init__(self, row: Callable[..., Row], **columns: Callable[[T, Sight], Any]) -> None:
        self._row = row
        self.columns = columns

    def row(self, item: T, sight: Sight) -> Row:
        """One item as a row."""
        return self._row(**{name: column(item, sight) for name, column in self.columns.items()})


def _of_state(read: Callable[[State], Any]) -> Callable[[ConversationActor, Sight], Any]:
    return lambda actor, _: None if actor.state is None else read(actor.state)


ACTORS: Table[TrioActor, ActorRow] = Table(
    ActorRow,
    node=lambda _, sight: node_name(sight.directory),
    kind=lambda actor, _: actor.kind,
    key=lambda actor, _: actor.key,
    state=lambda actor, _: actor_state(actor),
    depth=lambda actor, _: actor.actor_inbox.commands,
    limit=lambda actor, _: actor.actor_inbox.limit,
    turns=lambda actor, _: actor.turns,
    restarts=lambda actor, sight: sight.directory.restarts(actor),
    connections=lambda actor, _: connection_count(actor),
    age=lambda actor, sight: sight.clock.since(actor.started_at),
    idle=lambda actor, sight: sight.clock.since(actor.last_turn_at),
    started_at=lambda actor, sight: sight.clock.wall(actor.started_at),
    last_turn_at=lambda actor, sight: sight.clock.wall(actor.last_turn_at),
)
CONVERSATIONS: Table[ConversationActor, ConversationRow] = Table(
    ConversationRow,
    node=lambda _, sight: node_name(sight.directory),
    id=lambda actor, _: actor.key,
    title=_of_state(lambda state: state.title),
    status=_of_state(lambda state: "active" if state.ended_at is None else "inactive"),
    state=lambda actor, _: actor_state(actor),
    depth=lambda actor, _: actor.actor_inbox.commands,
    limit=lambda actor, _: actor.actor_inbox.limit,
    head=_of_state(lambda state: state.head),
    messages=_of_state(lambda state: state.messages),
    participants=_of_state(lambda state: len(state.members)),
    connections=lambda actor, _: len(actor.audience),
    behind=lambda actor, _: len(actor.audience.behind),
    turns=lambda actor, _: actor.turns,
    restarts=lambda actor, sight: sight.directory.restarts(actor),
    age=lambda actor, sight: sight.clock.since(actor.started_at),
    idle=lambda actor, sight: sight.clock.since(actor.last_turn_at),
    started_at=lambda actor, sight: sight.clock.wall(actor.started_at),
    last_turn_at=lambda actor, sight: sight.clock.wall(actor.last_turn_at),
)
CONNECTIONS: Table[Connection, ConnectionRow] = Table(
    ConnectionRow,
    node=lambda _, sight: node_name(sight.directory),
    id=lambda connection, _: connection.connection_id,
    conversation_id=lambda connection, _: connection.conversation_id,
    participant_id=lambda connection, _: connection.participant.id,
    name=lambda connection, _: connection.participant.name,
    address=lambda connection, _: connection.address,
    protocol=lambda connection, _: connection.protocol,
    state=lambda connection, sight: _place(sight.directory, connection)[0],
    position=lambda connection, sight: _place(sight.directory, connection)[1],
    outbox_bytes=lambda connection, _: connection.outbox_bytes,
    stalled=lambda connection, sight: sight.clock.since(connection.stalled_since),
    age=lambda connection, sight: sight.clock.since(connection.opened_at),
    opened_at=lambda connection, sight: sight.clock.wall(connection.opened_at),
    expires_at=lambda connection, _: (
        None if connection.expires_at is None else timestamp(connection.expires_at)
    ),
)


def node_name(directory: Directory) -> str | None:
    """The name of this node of a cluster; None where there is none."""
    cluster = getattr(directory, "cluster", None)
    return None if cluster is None else str(cluster.node.name)


def connection_state(directory: Directory, connection: Connection) -> ConnectionState:
    """How a connection is currently served."""
    return _place(directory, connection)[0]


def connection_count(actor: TrioActor) -> int:
    """The number of connections of a conversation or a participant."""
    if isinstance(actor, ParticipantActor):
        return len(actor.connections)
    return len(getattr(actor, "audience", ()))  # a conversation's, or its replica's


def _place(directory: Directory, connection: Connection) -> tuple[ConnectionState, int | None]:
    if connection.phase is not Phase.OPEN:
        return "closing", None
    if not connection.conversation_id:  # about all conversations of its person
        return "live", None
    actor = directory.attended(connection.conversation_id)
    if actor is not None and connection in actor.audience.live:
        return "live", actor.audience.head
    behind = None if actor is None else actor.audience.behind.get(connection)
    return ("attaching", None) if behind is None else ("behind", behind.sequence)


async def depths(directory: Directory) -> Depths:
    """The numbers of commands that wait in the conversations' mailboxes."""
    deepest = total = 0
    for number, actor in enumerate(tuple(directory.conversations.values()), 1):
        waiting = actor.actor_inbox.commands
        deepest, total = max(deepest, waiting), total + waiting
        if not number % ROWS_AT_ONCE:
            await trio.lowlevel.checkpoint()
    return Depths(deepest, total, directory.limits.queue_size)


def quantiles(values: Iterable[float]) -> dict[str, float]:
    """The median, the 99th percentile and the largest value, by nearest rank; all are 0 without values."""
    ranked = sorted(values) or [0.0]
    return {
        "p50": ranked[math.ceil(len(ranked) * 0.5) - 1],
        "p99": ranked[math.ceil(len(ranked) * 0.99) - 1],
        "max": ranked[-1],
    }


def memory_bytes() -> int | None:
    """The resident memory of the process in bytes; None if the system does not report it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()
    except OSError:
        return None
