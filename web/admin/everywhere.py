"""What operators ask of all nodes of a cluster at once: lists, details and searches, put together at the node that was asked.

Each function answers for a server alone as well: then there is nobody else to ask.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from .details import (
    conversation_dossier,
    conversation_sockets,
    participant_dossier,
    refusal_dossier,
)
from .inspection import Clock
from .listing import page, select_actors, select_connections, select_conversations
from .schemas import SHOWN, ActorQuery, ConnectionQuery, ConversationQuery
from .search import HITS, find

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .parts import AdminParts
    from .relay import Said
    from .schemas import RowQuery

DEEPEST = 10_000  # rows before the page, of several nodes: each sends all of its own up to there
ANCHORED = 600.0  # seconds for which times of this node are converted alike for others

View = dict[str, Any]


class Rows(NamedTuple):
    """One page of a list over all nodes, the number of all matches, and the names of the nodes that did not answer."""

    rows: list[View]
    total: int
    silent: list[str]


# The parameters of each list, and what selects its items.
LISTS: dict[str, tuple[type[RowQuery], Callable[..., Any]]] = {
    "actors": (ActorQuery, select_actors),
    "conversations": (ConversationQuery, select_conversations),
    "connections": (ConnectionQuery, select_connections),
}


async def rows(parts: AdminParts, name: str, asked: RowQuery, clock: Clock | None = None) -> Rows:
    """A page of the list of this name. Raises the refusal for a page that lies too deep."""
    if parts.relay is None or len(parts.relay.nodes) < 2:
        found, total = await page(parts, LISTS[name][1](parts, asked), asked, clock)
        return Rows([asdict(row) for row in found], total, [])
    if asked.offset > DEEPEST:
        raise parts.malformed(f"offset: at most {DEEPEST} over several nodes; search by `key`")
    fields = asked.model_dump(exclude_defaults=True, exclude={"limit", "offset"})
    count = asked.offset + asked.limit
    said = await parts.relay.ask_all("rows", {"list": name, "asked": fields, "count": count})
    own, total = await _own_rows(parts, name, fields, count, clock)
    by_node = _in_order(parts, said, {"rows": own, "total": total})
    every = [row for each in by_node for row in each["rows"]]
    shown = _sorted(every, asked.sort)[asked.offset : count]
    return Rows(shown, sum(each["total"] for each in by_node), said.silent)


async def _own_rows(
    parts: AdminParts, name: str, fields: View, count: int, clock: Clock | None
) -> tuple[list[View], int]:
    model, select = LISTS[name]
    asked = model.model_validate(fields)
    asked.limit = count
    found, total = await page(parts, select(parts, asked), asked, clock)
    return [asdict(row) for row in found], total


def _sorted(found: list[View], sort: str | None) -> list[View]:
    """As one node sorts: a missing value counts as the least."""
    if sort is None:
        return found
    column = sort.removeprefix("-")

    def value(row: View) -> tuple[bool, Any]:
        return row[column] is not None, 0 if row[column] is None else row[column]

    return sorted(found, key=value, reverse=sort.startswith("-"))


def _in_order(parts: AdminParts, said: Said, own: View) -> list[View]:
    """What all nodes have said, in the order of the view: it is the same whichever is asked."""
    assert parts.relay is not None
    every = {**said.by_node, parts.relay.id: own}
    known = [node.id for node in parts.relay.nodes if node.id in every]
    return [every[id] for id in dict.fromkeys([*known, *every])]


async def conversation(
    parts: AdminParts, conversation_id: str, clock: Clock | None = None
) -> View | None:
    """A conversation's details from its owner, with its sockets at all nodes; None if it does not exist.

    Where the owner does not answer they are what the store has.
    """
    relay = parts.relay
    found = await conversation_dossier(parts.directory, conversation_id, clock)
    if relay is None or found is None:
        return found
    said = await relay.ask_all("conversation", {"id": conversation_id})
    owner = relay.node.node.owner(conversation_id)
    dossier = said.by_node.get(owner, {}).get("dossier") or found
    sockets = _in_order(parts, said, conversation_sockets(parts.directory, conversation_id, clock))
    return {
        **dossier,
        "node": relay.name_of(owner),
        "silent": said.silent,
        "connections": [row for each in sockets for row in each["connections"]][:SHOWN],
        "connection_count": sum(each["connection_count"] for each in sockets),
        "behind_count": sum(each["behind_count"] for each in sockets),
    }


async def participant(
    parts: AdminParts, participant_id: str, clock: Clock | None = None
) -> View | None:
    """A participant's details, with their connections at all nodes; None if nobody knows them.

    The actor is that of this node, or of the first that has one.
    """
    relay = parts.relay
    found = await participant_dossier(parts.directory, participant_id, clock)
    if relay is None:
        return found
    said = await relay.ask_all("participant", {"id": participant_id})
    every = [each for each in _in_order(parts, said, {"dossier": found}) if each["dossier"]]
    dossiers: list[View] = [each["dossier"] for each in every]
    if not dossiers:
        return None
    best = max(dossiers, key=lambda each: (each["connection_count"], each["active"]))
    named = [each["participant"] for each in dossiers if each["participant"]]
    return {
        **best,
        "active": any(each["active"] for each in dossiers),
        "participant": named[0] if named else None,
        "connections": [row for each in dossiers for row in each["connections"]][:SHOWN],
        "connection_count": sum(each["connection_count"] for each in dossiers),
        "silent": said.silent,
    }


async def refusal(parts: AdminParts, refusal_id: str) -> View | None:
    """The details of a refusal, whichever node made it."""
    found = _own_refusal(parts, refusal_id)
    if found is None and parts.relay is not None:
        said = await parts.relay.ask_all("refusal", {"id": refusal_id})
        found = next((each["found"] for each in said.by_node.values() if each["found"]), None)
    return found


def _own_refusal(parts: AdminParts, refusal_id: str) -> View | None:
    entry = parts.directory.refusals.find(refusal_id)
    return None if entry is None else refusal_dossier(entry)


async def search(parts: AdminParts, asked: str) -> list[View]:
    """What is found at any node, each once: items in memory before those that are only stored."""
    own = [asdict(hit) for hit in await find(parts.directory, parts.wire, asked)]
    if parts.relay is None:
        return own
    said = await parts.relay.ask_all("search", {"q": asked})
    by_node = _in_order(parts, said, {"hits": own})
    every = [hit for each in by_node for hit in each["hits"]]
    whole = [hit for hit in every if hit["id"] == asked]
    hits: dict[tuple[str, str], View] = {}
    for hit in sorted(whole, key=lambda hit: not hit["active"]) + every:
        hits.setdefault((hit["kind"], hit["id"]), hit)
    return list(hits.values())[:HITS]


class Handlers:
    """Answers other nodes that ask the same."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts
        self._anchored = Clock(parts.directory.sources)

    @property
    def by_kind(self) -> dict[str, Callable[[View], Awaitable[View]]]:
        """The functions by the kinds of calls."""
        return {
            "rows": self._rows,
            "conversation": self._conversation,
            "participant": self._participant,
            "refusal": self._refusal,
            "search": self._search,
        }

    def _clock(self) -> Clock:
        clock = Clock(self._parts.directory.sources, self._anchored.anchor)
        if clock.seconds - clock.anchor[0] > ANCHORED:
            clock = self._anchored = Clock(self._parts.directory.sources)
        return clock

    async def _rows(self, asked: View) -> View:
        found, total = await _own_rows(
            self._parts, asked["list"], asked["asked"], asked["count"], self._clock()
        )
        return {"rows": found, "total": total}

    async def _conversation(self, asked: View) -> View:
        directory, id, clock = self._parts.directory, asked["id"], self._clock()
        active = directory.active(id) is not None
        dossier = await conversation_dossier(directory, id, clock) if active else None
        return {"dossier": dossier, **conversation_sockets(directory, id, clock)}

    async def _participant(self, asked: View) -> View:
        known = asked["id"] in self._parts.directory.participants
        directory, clock = self._parts.directory, self._clock()
        return {
            "dossier": await participant_dossier(directory, asked["id"], clock) if known else None
        }

    async def _refusal(self, asked: View) -> View:
        return {"found": _own_refusal(self._parts, asked["id"])}

    async def _search(self, asked: View) -> View:
        found = await find(self._parts.directory, self._parts.wire, asked["q"])
        return {"hits": [asdict(hit) for hit in found]}
