"""The console's feed: server-sent events with the changes of the figures and of the watched list or object.

Each listener is sent the changes since its last events. Nothing is queued for a slow listener; it skips looks instead. A
listener that does not take its data within the HTTP stream's write timeout is closed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import trio
from quart import Blueprint, Response
from quart_schema import document_querystring, document_response, tag

from salon.actors.refusals import Code, Refusal
from salon.actors.store import StoreError

from ..http import EventStream, Refused, query, refusals
from ..socket import compact
from . import everywhere, schemas
from .figures import COLUMNS
from .inspection import Clock
from .patch import difference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..identity import Identity
    from .parts import AdminParts

# Concurrent listeners: each costs a pass over all live actors, a few milliseconds a second with 10,000 conversations
LISTENERS = 32
RETRY = 5.0  # seconds until a refused listener retries: by then a write has detected any lost one
BEAT = 5  # maximum seconds without data: proxies and the HTTP stream close silent connections
INSIDE = 50  # connections shown of an inspected actor
# Durations that change at every look. They are left out, since the time at which each began is sent beside it.
PASSING = frozenset({"age", "idle"})

View = dict[str, Any]
Look = Callable[[Clock], Awaitable[View]]


class Watch(NamedTuple):
    """The parameters of a listener's request."""

    view: Look | None
    history: int
    every: int


def feed_routes(parts: AdminParts) -> Blueprint:
    """The route of the stream below /admin."""
    routes = Blueprint("feed", __name__, url_prefix="/admin")

    @routes.get("/events")
    @tag(["admin"])
    @document_querystring(schemas.FeedQuery)
    @document_response(EventStream)
    @refusals(Code.FORBIDDEN, Code.TOO_MANY_CONNECTIONS)
    async def follow() -> Response:
        """Stream changes of the figures and of the watched list or item, until the client leaves or the server drains."""
        operator = parts.admin()
        asked = query(schemas.FeedQuery)
        watch = Watch(_view(parts, asked), asked.history, asked.every)
        if parts.figures.listeners >= LISTENERS:
            facts = {"limit": LISTENERS}
            raise Refused(
                Refusal(Code.TOO_MANY_CONNECTIONS, facts, retry_after=RETRY, scope="server")
            )
        response = Response(_stream(parts, operator, watch), content_type="text/event-stream")
        response.timeout = None
        response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back
        return response

    return routes


async def _stream(parts: AdminParts, operator: Identity, watch: Watch) -> AsyncIterator[bytes]:
    figures, feed = parts.figures, _Feed(parts, watch)
    figures.listeners += 1
    try:
        while not parts.stop.is_set():
            if not parts.identities.holds(operator):
                yield feed.event("end", {"why": "the identity has expired or was revoked"})
                return
            yield await feed.look()
            seen = figures.number
            while figures.number < seen + watch.every and not parts.stop.is_set():
                with trio.move_on_after(BEAT):
                    await figures.wait_sampled(figures.number)
                if (figures.number - seen) % BEAT == 0:
                    yield b": still here\n\n"
        yield feed.event("drain", {"draining": True})
    finally:
        figures.listeners -= 1


class _Feed:
    """One listener's stream: keeps the state last sent, and numbers the events."""

    def __init__(self, parts: AdminParts, watch: Watch) -> None:
        self._parts = parts
        self._watch = watch
        self._anchor = Clock(parts.directory.sources).anchor
        self._stats: View = {}
        self._view: View = {}
        self._deed = 0
        self._sample = max(0, parts.figures.number - watch.history)
        self._number = 0

    def event(self, name: str, fields: Any) -> bytes:
        """An event as bytes."""
        self._number += 1
        return f"event: {name}\nid: {self._number}\ndata: {compact(fields)}\n\n".encode()

    async def look(self) -> bytes:
        """All changes since the last look, as a few events."""
        first = not self._number
        events = [self._stats_event(await self._parts.figures.read() if first else None)]
        if first or self._parts.figures.number > self._sample:
            events.append(self._samples_event(first))
        if first or self._parts.audit.number > self._deed:
            events.append(self._audit_event())
        if self._watch.view is not None:
            view = await self._watch.view(Clock(self._parts.directory.sources, self._anchor))
            patch = difference(self._view, view)
            self._view = view
            if patch:
                events.append(self.event("view", patch))
        return b"".join(events)

    def _stats_event(self, stats: View | None) -> bytes:
        stats = stats or self._parts.figures.latest
        patch = difference(self._stats, stats)
        self._stats = stats
        return self.event("stats", patch)

    def _samples_event(self, first: bool) -> bytes:
        figures = self._parts.figures
        rows = figures.samples(self._sample)
        self._sample = figures.number
        return self.event(
            "samples", {"columns": COLUMNS, "rows": rows} if first else {"rows": rows}
        )

    def _audit_event(self) -> bytes:
        deeds = self._parts.audit.after(self._deed)
        self._deed = self._parts.audit.number
        return self.event("audit", {"deeds": [asdict(deed) for deed in deeds]})


def _view(parts: AdminParts, asked: schemas.FeedQuery) -> Look | None:
    """A function that reads the watched list or object. Raises the refusal if that list is invalid."""
    match asked.watch:
        case "actors":
            actors = query(schemas.ActorQuery)
            inside = _inside(parts, asked, "participant_id")
            return _rows(parts, "actors", actors, inside)
        case "conversations":
            conversations = query(schemas.ConversationQuery)
            inside = _inside(parts, asked, "conversation_id")
            return _rows(parts, "conversations", conversations, inside)
        case "connections":
            return _rows(parts, "connections", query(schemas.ConnectionQuery))
        case "conversation":
            return _conversation(parts, _id(parts, asked))
        case "participant":
            return _participant(parts, _id(parts, asked))
        case None:
            return None


def _id(parts: AdminParts, asked: schemas.FeedQuery) -> str:
    if asked.id is None:
        raise parts.malformed("id: which one to watch has to be said")
    return asked.id


def _rows(
    parts: AdminParts, name: str, asked: schemas.RowQuery, inside: Look | None = None
) -> Look:
    """The list of this name, with the connections of one of its actors if they were requested."""

    async def look(clock: Clock) -> View:
        found = await everywhere.rows(parts, name, asked, clock)
        order = [_key(name, row) for row in found.rows]
        lasting = map(_lasting, found.rows)
        view: View = {"total": found.total, "order": order, "silent": found.silent}
        view["rows"] = dict(zip(order, lasting, strict=True))
        if inside is not None:
            view["inside"] = await inside(clock)
        return view

    return look


def _key(name: str, row: View) -> str:
    """What tells a row from others: a participant has an actor at each node where they are connected."""
    if name != "actors":
        return str(row["id"])
    at = "" if row["node"] is None else f"@{row['node']}"
    return f"{row['kind']}:{row['key']}{at}"


def _inside(parts: AdminParts, asked: schemas.FeedQuery, whose: str) -> Look | None:
    """The connections of the inspected actor; None if none is inspected."""
    if asked.inside is None:
        return None
    connections = schemas.ConnectionQuery.model_validate({whose: asked.inside, "limit": INSIDE})
    return _rows(parts, "connections", connections)


def _conversation(parts: AdminParts, conversation_id: str) -> Look:
    asleep: View = {}  # the view from the store, which is valid until the conversation is activated

    async def look(clock: Clock) -> View:
        nonlocal asleep
        if asleep and parts.directory.active(conversation_id) is None:
            return asleep
        try:
            found = await everywhere.conversation(parts, conversation_id, clock)
        except StoreError as error:
            parts.directory.report(error)
            return {"found": False, "why": "the store cannot be read now"}
        asleep = {}
        if found is None:
            return {"found": False, "why": "there is no such conversation"}
        view = _keyed(
            found, traces="turn", participants="participantId", refusals="id", runs="run_id"
        )
        if not found["active"] and parts.relay is None:
            asleep = view
        return view

    return look


def _participant(parts: AdminParts, participant_id: str) -> Look:
    async def look(clock: Clock) -> View:
        try:
            found = await everywhere.participant(parts, participant_id, clock)
        except StoreError as error:
            parts.directory.report(error)
            return {"found": False, "why": "the store cannot be read now"}
        if found is None:
            return {"found": False, "why": "there is no such participant"}
        return _keyed(found)

    return look


def _keyed(dossier: View, **lists: str) -> View:
    """A dossier whose lists are replaced by objects keyed by id, so that patches are small."""
    view: View = {"found": True} | dossier
    for name, key in {"connections": "id", **lists}.items():
        view[name] = {row[key]: _lasting(row) for row in dossier[name]}
    if dossier["actor"] is not None:
        view["actor"] = _lasting(dossier["actor"])
    return view


def _lasting(row: View) -> View:
    return {name: value for name, value in row.items() if name not in PASSING}
