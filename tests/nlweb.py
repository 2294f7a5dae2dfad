"""A server that speaks the wires of NLWeb, and misbehaves on demand: the beginning of the path says how."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
import trio

from tests.model import STEP, Line

HUGE = 2 << 20  # bytes of one event
JSON = [("Content-Type", "application/json; charset=utf-8")]


def event(body: object, name: str | None = None) -> bytes:
    """One event of a stream, with bytes beyond ASCII in it."""
    line = f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
    return (f"event: {name}\n{line}" if name else line).encode()


def result(number: int, **more: Any) -> dict[str, Any]:
    """A result of the classic kind."""
    return {
        "url": f"https://food.example/{number}",
        "name": f"Dish {number} 🍟",
        "site": "food.example",
        "siteUrl": "food.example",
        "score": 50 + number,
        "description": "Well done",
        "schema_object": {"@type": "Recipe", "recipeYield": number},
        **more,
    }


def thing(number: int) -> dict[str, Any]:
    """A result of version 0.5: the thing itself."""
    old = result(number)
    return {**old.pop("schema_object"), **old, "grounding": {"source_urls": [old["url"]]}}


FOUND = [{key: each for key, each in result(n).items() if key != "siteUrl"} for n in (3, 2, 1)]
SUMMARY = "Fish and chips 🍟"
META = {"_meta": {"response_type": "Answer", "version": "0.54", "decontextualized_query": "fish"}}
CLASSIC = [
    {"message_type": "begin-nlweb-response", "query": "?"},
    {"message_type": "asking_sites", "message": "Asking Food, Drinks"},
    {"message_type": "decontextualized_query", "decontextualized_query": "fish"},
    {"message_type": "results_map", "locations": [{"title": "Home"}]},
    {"message_type": "result_batch", "results": [result(1), result(3)], "query_id": "q"},
    {"message_type": "result_batch", "results": [result(2), result(1)]},
    {"message_type": "summary", "message": SUMMARY},
]
NEWER = [
    *CLASSIC[:4],
    {"message_type": "result", "content": [result(1), result(3), result(2)]},
    {"message_type": "result", "@type": "Summary", "content": SUMMARY},
]
STREAMS: dict[str, list[bytes]] = {
    "classic": [*map(event, CLASSIC), event({"message_type": "complete"})],
    "newer": [
        b": keepalive\n\n",
        *map(event, NEWER),
        event({"message_type": "end-nlweb-response"}),
    ],
    "list": [event(CLASSIC[4]), event(CLASSIC[5]), event({"message_type": "complete"})],
    "nothing": [event({"message_type": "complete"})],
    "done": [event(CLASSIC[6]), b"data: [DONE]\n\n"],
    "generated": [
        event({"message_type": "nlws", "answer": SUMMARY, "items": []}),
        event({"message_type": "nlws", "answer": SUMMARY, "items": [result(1), result(2)]}),
    ],
    "asks": [event({"message_type": "ask_user", "message": "For how many?"})],
    "0.54": [
        event(META),
        event({"results": [thing(1), thing(3), thing(2)]}),
        event({"results": [{"@type": "Summary", "text": SUMMARY}]}),
    ],
    "0.55": [
        event(
            {"_meta": {"version": "0.55", "response_type": "answer"}, "streaming": True}, "start"
        ),
        event(CLASSIC[2]),
        *(event({"index": n, "item": result(n)}, "result") for n in (1, 3, 2)),
        event(NEWER[5]),
        event({"_meta": {"version": "0.55"}}, "complete"),
    ],
    "app": [
        event(
            {
                **META,
                "content": [{"type": "text", "text": SUMMARY}],
                "structuredData": [thing(1), thing(3), thing(2)],
            }
        )
    ],
    "elicits": [
        event({"_meta": {"response_type": "Elicitation", "version": "0.54"}}),
        event(
            {
                "elicitation": {
                    "text": "I need to know more.",
                    "questions": [
                        {"id": "a", "text": "How many?", "type": "text"},
                        {"text": "Hot?", "type": "single_select", "options": ["yes", "no"]},
                    ],
                }
            }
        ),
    ],
    "promises": [
        event({"_meta": {"response_type": "Promise", "version": "0.54"}}),
        event({"promise": {"token": "t", "estimated_time": 60}}),
    ],
    # What is wrong
    "fails": [
        event({"_meta": {"response_type": "Failure", "version": "0.54"}}),
        event({"error": {"code": "INTERNAL_ERROR", "message": "no secrets please"}}),
    ],
    "fails-without-a-word": [event({"_meta": {"response_type": "Failure", "version": "0.54"}})],
    "errs": [
        event(CLASSIC[4]),
        event({"message_type": "error", "error": "no secrets please", "status": 503}),
    ],
    "ends-in-error": [
        event(CLASSIC[6]),
        event({"message_type": "end-nlweb-response", "error": True}),
    ],
    "ends-early": [event(each) for each in CLASSIC],
    "ends-early-by-name": [
        event({"_meta": {"version": "0.55"}}, "start"),
        event({"index": 1, "item": result(1)}, "result"),
    ],
    "says-only-hello": [event(META)],
    "empty": [],
    "garbage": [event(CLASSIC[6]), b"data: {no json\n\n"],
    "no-event": [event(CLASSIC[6]), b"data: [1]\n\n"],
    "deep": [event(CLASSIC[6]), b"data: " + b"[" * 100_000 + b"]" * 100_000 + b"\n\n"],
    "huge": [event({"message_type": "summary", "message": "x" * HUGE})],
    "huge-line": [b"data: ", b"x" * HUGE],
}
BODIES: dict[str, object] = {
    "json": {"query_id": "q", "results": [result(1), result(3), result(2)], "summary": SUMMARY},
    "json-messages": [{"message_type": "query", "content": {"query": "?"}}, *NEWER[4:]],
    "json-content": {"content": [result(1), result(3), result(2)], "answer": SUMMARY},
    "json-0.54": {**META, "results": [thing(1), thing(3), thing(2), {"text": SUMMARY}]},
    "json-fails": {"_meta": {"response_type": "failure"}, "error": {"code": "NO", "message": "no"}},
    "json-empty": {},
    "json-huge": {"summary": "x" * HUGE},
}


class NLWebServer:
    """What it was asked, and which of its streams were closed by the other side."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.targets: list[str] = []
        self.lines: list[bytes] = []
        self.keys: list[str] = []
        self.hung_up = trio.Event()
        self.url = ""

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer the request of one connection."""
        wire = Line(stream)
        try:
            request = await wire.request()
            if request is not None:
                head, body = request
                self.lines.append(head.target)
                target = urlsplit(head.target.decode())
                self.targets.append(f"{head.method.decode()} {unquote(target.path)}")
                self.asked.append(json.loads(body) if body else dict(parse_qsl(target.query)))
                self.keys += [
                    value.decode() for key, value in head.headers if key == b"authorization"
                ]
                await self._answer(wire, target.path.split("/")[1])
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.LocalProtocolError):
            self.hung_up.set()
        finally:
            await stream.aclose()

    async def _answer(self, wire: Line, how: str) -> None:
        again = len(self.asked) > 2
        words = STREAMS["classic"]
        busy = [("Retry-After", "0")]
        behaviours: dict[str, Callable[[], Awaitable[None]]] = {
            "silent": trio.sleep_forever,
            "stalls": lambda: self._stall(wire, []),
            "endless": lambda: self._endless(wire),
            "stalls-after-words": lambda: self._stall(wire, words[:-1]),
            "cut": lambda: wire.stream(words[:6], whole=False),
            "cut-in-an-event": lambda: wire.stream([*words[:6], words[6][:20]], whole=False),
            "cut-at-first": lambda: wire.stream(words if again else [], whole=again),
            "gone-at-first": lambda: self._vanish(wire, words if again else []),
            "busy": lambda: wire.refuse(429, busy),
            "busy-for-long": lambda: wire.refuse(429, [("Retry-After", "900")]),
            "busy-at-first": lambda: wire.stream(words) if again else wire.refuse(429, busy),
            "broken": lambda: wire.refuse(500, busy),
            "unknown": lambda: wire.refuse(404, []),
            "moved": lambda: wire.answer(307, [("Location", "/classic/ask")], b""),
            "drips": lambda: wire.stream(bytes([each]) for each in b"".join(words)),
            "stays-open": lambda: self._stall(wire, words),
            "mislabelled": lambda: wire.stream(words, kind="Text/Event-Stream; charset=utf-16"),
            "page": lambda: wire.answer(200, [("Content-Type", "text/html")], b"<p>Hello"),
            "zipped": lambda: wire.answer(
                200, [*JSON, ("Content-Encoding", "gzip")], gzip.compress(body("json"))
            ),
        }
        if how in STREAMS:
            await wire.stream(STREAMS[how])
        elif how in BODIES:
            await wire.answer(200, JSON, body(how))
        else:
            await behaviours[how]()

    async def _vanish(self, wire: Line, words: list[bytes]) -> None:
        if words:
            await wire.stream(words)

    async def _endless(self, wire: Line) -> None:
        while True:
            await wire.stream(
                [event({"message_type": "summary", "message": "on and "})], whole=False
            )
            await trio.sleep(STEP)

    async def _stall(self, wire: Line, events: Iterable[bytes]) -> None:
        await wire.stream(events, whole=False)
        await trio.sleep_forever()


def body(how: str) -> bytes:
    """A body of JSON."""
    return json.dumps(BODIES[how]).encode()


@asynccontextmanager
async def nlweb() -> AsyncIterator[NLWebServer]:
    """A server that listens."""
    it = NLWebServer()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, it.serve, 0)
        it.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        yield it
        nursery.cancel_scope.cancel()
