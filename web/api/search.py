"""The route of searching all messages that the caller may read."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import trio
from quart import Blueprint, Response
from quart_schema import document_querystring, document_response, tag

from salon.actors.rates import TokenBucket
from salon.actors.refusals import Code, too_fast
from salon.actors.search import QueryError, Sought, excerpt, parse
from salon.actors.store import SearchUnavailableError

from ..http import Refused, answer, query, refusals
from ..socket import message_of
from .search_schemas import SearchAnswer, SearchQuery
from .view import seen

if TYPE_CHECKING:
    from salon.actors.search import Found, Hit, Place, Term

    from ..http import Parts
    from ..identity import Identity

AT_ONCE = 2  # searches: half of the store's readers, so that pages of history never wait for searches alone
BURST = 4  # seconds' worth of searches at once: somebody types, and the client searches with each letter
KEPT = 10_000  # people whose searches are counted: about 3 MB
SHOWN = ("message_id", "sequence_id", "sender_id", "sender_name", "sender_type", "timestamp")
BESIDE = ("message_id", "sequence_id", "sender_id", "sender_name", "timestamp")


def search_routes(parts: Parts) -> Blueprint:
    """The route of searching."""
    routes = Blueprint("search", __name__, url_prefix="/chat")
    rate = _Rate(parts.settings.limits.search_rate)
    turns = trio.CapacityLimiter(AT_ONCE)

    @routes.get("/search")
    @tag(["messages"])
    @document_querystring(SearchQuery)
    @document_response(SearchAnswer)
    @refusals(Code.NOT_FOUND, Code.RATE_LIMITED, Code.STORE_UNAVAILABLE, Code.SEARCH_UNAVAILABLE)
    async def search_messages() -> Response:
        """Search the messages that the caller may read now, in one conversation or in all."""
        identity = parts.caller()
        asked = query(SearchQuery)
        terms = _terms(parts, asked.q)
        rate.check(identity.participant.id)
        sought = await _sought(parts, identity, asked, terms)
        async with turns:
            try:
                found = await parts.directory.store.search(sought).wait()
            except SearchUnavailableError:
                raise parts.refusal(Code.SEARCH_UNAVAILABLE) from None
        return answer(_page(found, terms))

    return routes


class _Rate:
    """Limits searches to a number a second for each person; 0 turns the limit off."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def check(self, who: str) -> None:
        """Count a search. Raises the refusal if the limit is exceeded."""
        if not self._rate:
            return
        now = trio.current_time()
        new = TokenBucket(self._rate, self._rate * BURST, now)
        bucket = self._buckets.setdefault(who, new)
        self._buckets.move_to_end(who)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        wait = bucket.take(now)
        if wait:
            raise Refused(too_fast(self._rate, "searches a second", wait, "participant"))


def _terms(parts: Parts, text: str) -> tuple[Term, ...]:
    if not text.strip():
        return ()
    try:
        return parse(text)
    except QueryError as problem:
        raise parts.malformed(f"q: {problem}") from None


async def _sought(
    parts: Parts, identity: Identity, asked: SearchQuery, terms: tuple[Term, ...]
) -> Sought:
    """The search for the store. Raises the refusal where the caller may not see the conversation."""
    reader: str | None = identity.participant.id
    if asked.conversation_id is not None:
        if not identity.reaches(asked.conversation_id):
            raise parts.refusal(Code.NOT_FOUND)
        snapshot = await seen(parts, identity, asked.conversation_id)
        if reader not in snapshot.state.members:
            reader = None  # an admin, who may read everything
    after, before = asked.times
    return Sought(
        reader,
        terms,
        asked.conversation_id,
        asked.sender,
        after,
        before,
        asked.has == "file",
        asked.limit,
        asked.place,
        identity.conversations,
    )


def _page(found: Found, terms: tuple[Term, ...]) -> dict[str, Any]:
    return {
        "hits": [_hit(hit, terms) for hit in found.hits],
        "next": None if found.next is None else _cursor(found.next),
        "complete": found.complete,
    }


def _cursor(place: Place) -> str:
    if place.floor is None:
        return str(place.top)
    return "-".join(map(str, place))


def _hit(hit: Hit, terms: tuple[Term, ...]) -> dict[str, Any]:
    message = json.loads(message_of(hit.body))
    fields = {
        "conversation_id": hit.conversation_id,
        "title": hit.title,
        **{name: message[name] for name in SHOWN},
    }
    if "thread_id" in message:
        fields["thread_id"] = message["thread_id"]
    return fields | {
        "snippet": [
            {"text": text, "match": True} if match else {"text": text}
            for text, match in excerpt(terms, message["content"])
        ],
        "before": _neighbour(hit.before),
        "after": _neighbour(hit.after),
    }


def _neighbour(body: bytes | None) -> dict[str, Any] | None:
    if body is None:
        return None
    message = json.loads(message_of(body))
    fields = {name: message[name] for name in BESIDE}
    if message.get("deleted"):
        return fields | {"text": "", "deleted": True}
    return fields | {"text": "".join(text for text, _ in excerpt((), message["content"]))}
