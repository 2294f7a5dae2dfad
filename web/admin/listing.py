"""Lists of live actors and connections, filtered, sorted and paged without making a row of every item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import trio

from .inspection import (
    ACTORS,
    CONNECTIONS,
    CONVERSATIONS,
    ActorRow,
    Clock,
    ConnectionRow,
    ConversationRow,
    Sight,
    Table,
    actor_state,
    connection_state,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from salon.actors.conversation import ConversationActor
    from salon.actors.runtime import TrioActor

    from ..http import Parts
    from ..socket import Connection
    from .schemas import ActorQuery, ConnectionQuery, ConversationQuery, RowQuery

AT_ONCE = 500  # items checked between two checkpoints: half a millisecond

T = TypeVar("T")
Row = TypeVar("Row")


class Selection(NamedTuple, Generic[T, Row]):
    """The items that match a query, out of all items at the time of the query."""

    everything: Callable[[], Iterable[T]]
    table: Table[T, Row]
    wanted: Callable[[T], bool]


def select_actors(parts: Parts, asked: ActorQuery) -> Selection[TrioActor, ActorRow]:
    """The live actors that match the query."""
    key = (asked.key or "").casefold()

    def wanted(actor: TrioActor) -> bool:
        return (
            asked.kind in (None, actor.kind)
            and asked.state in (None, actor_state(actor))
            and (not key or key in actor.key.casefold())
        )

    return Selection(lambda: parts.directory, ACTORS, wanted)


def select_conversations(
    parts: Parts, asked: ConversationQuery
) -> Selection[ConversationActor, ConversationRow]:
    """The active conversations that match the query."""
    key = (asked.key or "").casefold()

    def named(actor: ConversationActor) -> bool:
        title = "" if actor.state is None else actor.state.title
        return key in actor.key.casefold() or key in title.casefold()

    def wanted(actor: ConversationActor) -> bool:
        return asked.state in (None, actor_state(actor)) and (not key or named(actor))

    return Selection(parts.directory.conversations.values, CONVERSATIONS, wanted)


def select_connections(
    parts: Parts, asked: ConnectionQuery
) -> Selection[Connection, ConnectionRow]:
    """The open connections that match the query."""
    key = (asked.key or "").casefold()

    def named(connection: Connection) -> bool:
        who = connection.participant
        return any(key in text.casefold() for text in (connection.connection_id, who.id, who.name))

    def wanted(connection: Connection) -> bool:
        return (
            asked.conversation_id in (None, connection.conversation_id)
            and asked.participant_id in (None, connection.participant.id)
            and asked.state in (None, connection_state(parts.directory, connection))
            and (not key or named(connection))
        )

    return Selection(lambda: parts.wire, CONNECTIONS, wanted)


async def page(
    parts: Parts, selection: Selection[T, Row], asked: RowQuery, clock: Clock | None = None
) -> tuple[list[Row], int]:
    """One page of the matching rows, and the number of all matches. Other tasks run meanwhile."""
    sight = Sight(parts.directory, clock or Clock(parts.directory.sources))
    everything, total = tuple(selection.everything()), 0
    wanted = asked.offset + asked.limit
    best: list[T] = []
    for start in range(0, len(everything), AT_ONCE):
        found = [item for item in everything[start : start + AT_ONCE] if selection.wanted(item)]
        total += len(found)
        best += found
        if len(best) >= 2 * wanted:  # not each time: sorting costs all that is kept
            best = _ordered(best, selection.table, asked.sort, sight)[:wanted]
        await trio.lowlevel.checkpoint()
    best = _ordered(best, selection.table, asked.sort, sight)[:wanted]
    return [selection.table.row(item, sight) for item in best[asked.offset :]], total


def _ordered(items: list[T], table: Table[T, Any], sort: str | None, sight: Sight) -> list[T]:
    """The items sorted by a column's name, descending with a leading `-`. A missing value counts as the least."""
    if sort is None:
        return items
    column, descending = table.columns[sort.removeprefix("-")], sort.startswith("-")
    values = [column(item, sight) for item in items]
    unknown = [item for item, value in zip(items, values, strict=True) if value is None]
    places = [place for place, value in enumerate(values) if value is not None]
    places.sort(key=values.__getitem__, reverse=descending)
    ordered = [items[place] for place in places]
    return ordered + unknown if descending else unknown + ordered
