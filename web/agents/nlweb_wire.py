"""The wire of NLWeb: a question to `/ask`, as query parameters or, from version 0.5 on, as JSON, and a stream of events."""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2

from .event_stream import FAULTS, body, events
from .nlweb_answer import PLAIN, NLWebAnswer
from .pieces import UpstreamError
from .results import cut, loads
from .retrying import Passing, refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from ..settings import AgentSettings
    from .pieces import Piece
    from .prompt import Prompt

CONNECT = 5.0  # seconds
LARGEST = 1 << 20  # bytes of one event, and of an answer that is no stream
PREVIOUS = (
    10  # earlier questions that are passed on, the newest: as many as NLWeb's own page passes on
)
EARLIER = 500  # characters of each; in a classic request, as they stand there
# Characters, as they stand in a classic request: a server takes lines of 8,190
QUERY = 3_500  # of the question: what is longer is cut
PREV = 2_000  # of the earlier ones: of more, the oldest are left out
SITES = 2_000  # of all sites: more are not asked, since some alone would be another question
STREAM, JSON = "text/event-stream", "application/json"
# Classic servers of two generations read the mode from fields of two names, with two words for a plain list.
GENERATE_MODE = {"list": "none"}
LOST = (
    httpx2.NetworkError,
    httpx2.ProxyError,
    httpx2.RemoteProtocolError,
    httpx2.TimeoutException,
)

for chatty in ("httpx2", "httpcore2"):  # their lines have what people said, and the key
    logging.getLogger(chatty).setLevel(logging.WARNING)


class NLWeb:
    """One server. The first stream opens the connection."""

    def __init__(self, agent: AgentSettings, key: str = "") -> None:
        self._agent = agent
        endpoint = agent.endpoint or ""
        self._url = endpoint if endpoint.endswith("/ask") else f"{endpoint}/ask"
        # Compression would let a small answer expand to a huge one, and hold events back.
        headers = {"Accept": f"{STREAM}, {JSON};q=0.5", "Accept-Encoding": "identity"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._client = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(agent.timeout, connect=CONNECT),
            # A proxy from the environment is for the world: plain http is for servers nearby.
            trust_env=self._url.startswith("https:"),
        )

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yield what the server says. Its results come last; those of an answer that fails, as far as it has come."""
        answer = NLWebAnswer(prompt.asked)
        try:
            async with self._open(prompt) as response, aclosing(_events(response)) as said:
                async for name, event in said:
                    for piece in answer.take(name, event):
                        yield piece
                    if answer.ended:  # some servers leave it to the client to close the stream
                        break
                if not _is(STREAM, response):
                    answer.close()
            for piece in answer.end():
                yield piece
        except UpstreamError:
            for results in answer.found():
                yield results
            raise

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def _open(self, prompt: Prompt) -> AsyncIterator[httpx2.Response]:
        """The answer to the request, if it is one."""
        classic = self._agent.api_version is None
        request = self._classic(prompt) if classic else self._structured(prompt)
        try:
            response = await self._client.send(request, stream=True)
        except FAULTS as fault:
            raise _error(fault) from None
        try:
            if not response.is_success:
                raise refused(response.status_code, response.headers.get("Retry-After", ""))
            yield response
        finally:
            await response.aclose()

    def _classic(self, prompt: Prompt) -> httpx2.Request:
        previous = [_shortened(text, EARLIER) for text in _previous(prompt)]
        while len(quote(_json(previous))) > PREV:
            previous = previous[1:]
        sites = self._sites(prompt)
        if len(quote(sites)) > SITES:
            raise UpstreamError("more sites than a classic request has room for")
        fields = {
            "query": _shortened(prompt.asked, QUERY),
            "site": sites,
            "prev": _json(previous) if previous else "",
            "mode": prompt.mode,
            "generate_mode": GENERATE_MODE.get(prompt.mode, prompt.mode),
            "streaming": "true",
            "query_id": uuid.uuid4().hex,
        }
        given = {name: text for name, text in fields.items() if text}
        return self._client.build_request("GET", self._url, params=given)

    def _structured(self, prompt: Prompt) -> httpx2.Request:
        version = self._agent.api_version
        query = {"text": prompt.asked}
        if sites := self._sites(prompt):
            query["site"] = sites
        # One name of the version is that of the server, one that of the specification.
        meta: dict[str, Any] = {"api_version": version, "version": version}
        if prompt.conversation_id:
            # Who knows the id of a conversation may come in: it is for nobody else.
            secret = f"{self._agent.id}\n{prompt.conversation_id}"
            pseudonym = hashlib.sha256(secret.encode()).hexdigest()[:32]
            meta["session_context"] = {"conversation_id": pseudonym}
        prefer = {"streaming": True, "mode": prompt.mode, "response_format": "conv_search"}
        asked: dict[str, Any] = {"query": query, "prefer": prefer, "meta": meta}
        if previous := _previous(prompt):
            asked["context"] = {"@type": "ConversationalContext", "prev": previous}
        return self._client.build_request("POST", self._url, json=asked)

    def _sites(self, prompt: Prompt) -> str:
        """The sites to ask, as the wire has them; none for all."""
        return ",".join(prompt.sites or self._agent.sites)


async def _events(response: httpx2.Response) -> AsyncGenerator[tuple[str, object]]:
    """What the answer consists of, each with its name."""
    try:
        if _is(STREAM, response):
            async with aclosing(events(response, LARGEST)) as said:
                async for event in said:
                    if event.data == "[DONE]":
                        yield "complete", {}
                    elif event.data.strip():
                        yield event.event, loads(event.data)
        elif _is(JSON, response):
            found = await body(response, LARGEST)
            if found is None:
                raise UpstreamError("the answer is too large")
            answer = loads(found.decode(errors="replace"))
            for each in answer if isinstance(answer, list) else [answer]:
                yield PLAIN, each
        else:
            raise UpstreamError("the answer is neither a stream of events nor JSON")
    except FAULTS as fault:
        raise _error(fault) from None


def _is(kind: str, response: httpx2.Response) -> bool:
    found: str = response.headers.get("Content-Type", "").partition(";")[0]
    return found.strip().lower() == kind


def _error(fault: Exception) -> UpstreamError:
    kind = Passing if isinstance(fault, LOST) else UpstreamError
    return kind(type(fault).__name__)


def _previous(prompt: Prompt) -> list[str]:
    return [cut(text, EARLIER) for text in prompt.previous[-PREVIOUS:]]


def _shortened(text: str, most: int) -> str:
    """The beginning of a text, of so many characters as it stands in a URL."""
    while (length := len(quote(text))) > most:
        text = text[: len(text) * most // length]
    return text


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
