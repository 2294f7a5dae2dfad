"""What operators see of the engine: read from outside, without a message to any actor and without changing one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from resource import getpagesize
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import trio

from salon.actors.conversation import ConversationActor

from .codec import timestamp
from .connection import Connection, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from salon.actors.conversation import Trace
    from salon.actors.directory import Directory
    from salon.actors.runtime import TrioActor
    from salon.actors.sources import Sources

Row = TypeVar("Row")
T = TypeVar("T")

ActorState = Literal["starting", "busy", "waiting", "idle"]
ConnectionState = Literal["attaching", "live", "behind", "closing"]

ROWS_AT_ONCE = 250  # made between two checkpoints: two or three milliseconds


class Clock:
    """Turns seconds of trio's clock into what people read."""

    def __init__(self, sources: Sources) -> None:
        self.seconds = trio.current_time()
        self._milliseconds = sources.now()

    def since(self, at: float) -> float:
        """Seconds from then to now."""
        return round(self.seconds - at, 3)

    def wall(self, at: float) -> str:
        """Then, by the wall clock."""
        return timestamp(self._milliseconds - round((self.seconds - at) * 1000))


@dataclass(frozen=True, slots=True)
class ActorRow:
    """One live actor."""

    kind: str
    key: str
    state: ActorState
    depth: int
    limit: int
    turns: int
    restarts: int
    age: float
    idle: float


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """One active conversation; what its state says is null while it is being loaded."""

    id: str
    title: str | None
    status: Literal["active", "inactive"] | None
    state: ActorState
    depth: int
    head: int | None
    messages: int | None
    participants: int | None
    connections: int
    behind: int
    turns: int
    restarts: int
    age: float
    idle: float


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One open WebSocket. `position` is the last sequence it has been given, or is on its way to be given."""

    id: str
    conversation_id: str
    participant_id: str
    name: str
    address: str
    state: ConnectionState
    position: int | None
    outbox_bytes: int
    stalled: float | None
    age: float
    expires_at: str | None


@dataclass(frozen=True, slots=True)
class Depths:
    """Commands that wait in the conversations' mailboxes."""

    deepest: int
    total: int
    limit: int


def actor_state(actor: TrioActor) -> ActorState:
    """What an actor is doing."""
    if isinstance(actor, ConversationActor) and actor.state is None:
        return "starting"
    if actor.busy:
        return "busy"
    return "idle" if actor.actor_inbox.empty() else "waiting"


def actor_row(directory: Directory, actor: TrioActor, clock: Clock) -> ActorRow:
    """An actor as a row."""
    return ActorRow(
        actor.kind,
        actor.key,
        actor_state(actor),
        actor.actor_inbox.commands,
        actor.actor_inbox.limit,
        actor.turns,
        directory.restarts(actor),
        clock.since(actor.started_at),
        clock.since(actor.last_turn_at),
    )


def conversation_row(
    directory: Directory, actor: ConversationActor, clock: Clock
) -> ConversationRow:
    """A conversation as a row."""
    state = actor.state
    return ConversationRow(
        actor.key,
        None if state is None else state.title,
        None if state is None else "active" if state.ended_at is None else "inactive",
        actor_state(actor),
        actor.actor_inbox.commands,
        None if state is None else state.head,
        None if state is None else state.messages,
        None if state is None else len(state.members),
        len(actor.audience),
        len(actor.audience.behind),
        actor.turns,
        directory.restarts(actor),
        clock.since(actor.started_at),
        clock.since(actor.last_turn_at),
    )


def connection_row(directory: Directory, connection: Connection, clock: Clock) -> ConnectionRow:
    """A connection as a row."""
    state, position = _place(directory, connection)
    stalled, expires = connection.stalled_since, connection.expires_at
    return ConnectionRow(
        connection.connection_id,
        connection.conversation_id,
        connection.participant.id,
        connection.participant.name,
        connection.address,
        state,
        position,
        connection.outbox_bytes,
        None if stalled is None else clock.since(stalled),
        clock.since(connection.opened_at),
        None if expires is None else timestamp(expires),
    )


def _place(directory: Directory, connection: Connection) -> tuple[ConnectionState, int | None]:
    if connection.phase is not Phase.OPEN:
        return "closing", None
    actor = directory.active(connection.conversation_id)
    if actor is not None and connection in actor.audience.live:
        return "live", actor.audience.head
    behind = None if actor is None else actor.audience.behind.get(connection)
    return ("attaching", None) if behind is None else ("behind", behind.sequence)


async def page(
    items: Collection[T],
    describe: Callable[[T], Row],
    wanted: Callable[[Row], bool],
    *,
    sort: str | None,
    offset: int,
    limit: int,
) -> tuple[list[Row], int]:
    """One page of the rows that are wanted, and how many there are in all; others have their turn meanwhile.

    No more rows are kept than the page needs: ten thousand new objects would have the garbage collector walk the heap.
    """
    everything, best, total = tuple(items), list[Row](), 0
    for start in range(0, len(everything), ROWS_AT_ONCE):
        described = map(describe, everything[start : start + ROWS_AT_ONCE])
        found = [row for row in described if wanted(row)]
        total += len(found)
        best = ordered(best + found, sort)[: offset + limit]
        await trio.lowlevel.checkpoint()
    return best[offset:], total


def ordered(rows: list[Row], sort: str | None) -> list[Row]:
    """Rows by the column of that name, descending with a `-`. What has no value there counts as the least."""
    if sort is None:
        return rows
    column, descending = attrgetter(sort.removeprefix("-")), sort.startswith("-")
    unknown = [row for row in rows if column(row) is None]
    known = [row for row in rows if column(row) is not None]
    known.sort(key=column, reverse=descending)
    return known + unknown if descending else unknown + known


async def depths(directory: Directory) -> Depths:
    """How much waits in the mailboxes."""
    deepest = total = 0
    for number, actor in enumerate(tuple(directory.conversations.values()), 1):
        waiting = actor.actor_inbox.commands
        deepest, total = max(deepest, waiting), total + waiting
        if not number % ROWS_AT_ONCE:
            await trio.lowlevel.checkpoint()
    return Depths(deepest, total, directory.limits.queue_size)


def quantiles(values: Iterable[float]) -> dict[str, float]:
    """The median, the 99th percentile and the largest, by nearest rank; all 0 of nothing."""
    ranked = sorted(values) or [0.0]
    return {
        "p50": ranked[math.ceil(len(ranked) * 0.5) - 1],
        "p99": ranked[math.ceil(len(ranked) * 0.99) - 1],
        "max": ranked[-1],
    }


def trace_fields(trace: Trace, clock: Clock) -> dict[str, Any]:
    """One turn: when its oldest command came, and how long each step took."""
    return {
        "enqueued_at": clock.wall(trace.enqueued_at),
        "begun_at": clock.wall(trace.begun_at),
        "committed_at": clock.wall(trace.committed_at),
        "delivered_at": clock.wall(trace.delivered_at),
        "waited": round(trace.begun_at - trace.enqueued_at, 6),
        "committing": round(trace.committed_at - trace.begun_at, 6),
        "delivering": round(trace.delivered_at - trace.committed_at, 6),
        "commands": list(trace.commands),
        "size": trace.size,
        "first_sequence_id": trace.first_sequence,
        "last_sequence_id": trace.last_sequence,
        "refused": trace.refused,
    }


def memory_bytes() -> int | None:
    """What the process holds in memory; None where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()
    except OSError:
        return None
