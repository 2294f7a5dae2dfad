"""A server that speaks the wire of OpenAI, and misbehaves on demand: the model's name says how."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import h11
import trio

WORDS = ("Fish ", "and ", "chips 🍟")
HUGE = 20_000  # code points in one event: more than a message may have
STEP = 0.02  # seconds between two words of a model that goes on for ever


def chunk(text: str | None, finish: str | None = None, **more: Any) -> bytes:
    """One event of the stream."""
    delta: dict[str, Any] = {} if text is None else {"role": "assistant", "content": text}
    if "tool_calls" in more:
        delta["tool_calls"] = more.pop("tool_calls")
    choices = [] if "usage" in more else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": choices,
        **more,
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
END = [chunk(None, "stop"), chunk(None, usage=USAGE), b"data: [DONE]\n\n"]


class Model:
    """What it was asked, and which of its streams were closed by the other side."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.targets: list[str] = []
        self.heads: list[dict[str, str]] = []
        self.open = 0
        self.most_open = 0
        self.hung_up = trio.Event()
        self.go_on = trio.Event()
        self.is_asked = trio.Event()  # and holds its answer back
        self.url = ""

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer the requests of one connection."""
        wire = Line(stream)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            request = await wire.request()
            if request is not None:
                head, body = request
                self.asked.append(json.loads(body))
                secret = (b"authorization", b"api-key")
                self.keys += [value.decode() for name, value in head.headers if name in secret]
                self.targets.append(head.target.decode())
                self.heads.append({name.decode(): value.decode() for name, value in head.headers})
                await self._answer(wire, self.asked[-1]["model"])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.hung_up.set()
        finally:
            self.open -= 1
            await stream.aclose()

    async def _answer(self, wire: Line, how: str) -> None:
        again = len(self.asked) > 2
        behaviours: dict[str, Callable[[], Awaitable[None]]] = {
            "words": lambda: wire.stream([*map(chunk, WORDS), *END]),
            "silent": trio.sleep_forever,
            "stalls": lambda: self._stall(wire),
            "endless": lambda: self._endless(wire),
            "waits": lambda: self._wait(wire),
            "cut": lambda: wire.stream(map(chunk, WORDS), whole=False),
            "ends early": lambda: wire.stream([*map(chunk, WORDS), b"data: [DONE]\n\n"]),
            "garbage": lambda: wire.stream([chunk("Fish"), b"data: {no json\n\n"]),
            "no chunks": lambda: wire.stream([chunk("Fish"), b"data: [1]\n\n"]),
            "error": lambda: wire.stream(
                [chunk("Fish"), b'data: {"error": {"message": "overloaded"}}\n\n']
            ),
            "error at once": lambda: wire.stream([b'data: {"error": {"message": "no"}}\n\n']),
            "busy": lambda: wire.refuse(429, [("Retry-After", "0")]),
            "busy for long": lambda: wire.refuse(429, [("Retry-After", "900")]),
            "busy at first": lambda: (
                wire.stream([*map(chunk, WORDS), *END])
                if again
                else wire.refuse(429, [("Retry-After", "0")])
            ),
            "waits and is busy": lambda: self._wait_and_refuse(wire),
            "moved": lambda: wire.refuse(307, [("Location", f"{self.url}/elsewhere")]),
            "broken": lambda: wire.refuse(500, [("Retry-After", "0")]),
            "drips": lambda: wire.stream(
                bytes([each]) for event in (*map(chunk, WORDS), *END) for each in event
            ),
            "halves": lambda: wire.stream(map(chunk, ["Chips \ud83c", "\udf5f", "\ud800"]), *END),
            "huge": lambda: wire.stream([chunk("x" * HUGE), *END]),
            "uses a tool": lambda: self._use(wire, at_most=1),
            "uses tools for ever": lambda: self._use(wire, at_most=1000),
            "does not count": lambda: wire.stream([*map(chunk, WORDS), END[0], END[2]]),
            "counts all the time": lambda: wire.stream([*map(chunk, WORDS), *END[1:2] * 5, *END]),
            "counts nothing": lambda: wire.stream(
                [*map(chunk, WORDS), END[0], chunk(None, usage={"total_tokens": 0}), END[2]]
            ),
        }
        await behaviours[how]()

    async def _stall(self, wire: Line) -> None:
        await wire.stream(map(chunk, WORDS), whole=False)
        await trio.sleep_forever()

    async def _wait(self, wire: Line) -> None:
        await wire.stream([chunk("Well, ")], whole=False)
        await self.go_on.wait()
        await wire.stream([chunk("yes"), *END])

    async def _wait_and_refuse(self, wire: Line) -> None:
        """Refuse the first request once the test says so, and answer the next."""
        if len(self.asked) > 1:
            await wire.stream([*map(chunk, WORDS), *END])
            return
        self.is_asked.set()
        await self.go_on.wait()
        await wire.refuse(503, [("Retry-After", "0")])

    async def _use(self, wire: Line, at_most: int) -> None:
        """Call the tool that the person has named, so often; then say what it has given."""
        request = self.asked[-1]
        done = [each["content"] for each in request["messages"] if each["role"] == "tool"]
        offered = [each["function"]["name"] for each in request.get("tools", ())]
        asked = [each["content"] for each in request["messages"] if each["role"] == "user"][-1]
        named = next((name for name in offered if name in asked), None)
        if named is None or len(done) >= at_most:
            await wire.stream([chunk(f"It gave {done[-1] if done else 'nothing'}"), *END])
            return
        pieces: list[dict[str, Any]] = [
            {"id": f"call{len(done)}", "type": "function", "function": {"name": named}},
            {"function": {"arguments": '{"ci'}},
            {"function": {"arguments": 'ty": "Paris"}'}},
        ]
        calls = [chunk(None, tool_calls=[{"index": 0, **piece}]) for piece in pieces]
        await wire.stream([chunk("Let me look. "), *calls, chunk(None, "tool_calls"), *END[1:]])

    async def _endless(self, wire: Line) -> None:
        while True:
            await wire.stream([chunk("on and ")], whole=False)
            await trio.sleep(STEP)


class Line:
    """One connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._wire = h11.Connection(h11.SERVER)
        self._begun = False

    async def request(self) -> tuple[h11.Request, bytes] | None:
        """The next request and its body."""
        head, body = None, b""
        while True:
            event = self._wire.next_event()
            if event is h11.NEED_DATA:
                self._wire.receive_data(await self._stream.receive_some())
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return head, body
            else:
                return None

    async def stream(
        self,
        events: Iterable[bytes],
        *more: bytes,
        whole: bool = True,
        kind: str = "text/event-stream",
    ) -> None:
        """Send events; a stream that is not `whole` is not ended."""
        if not self._begun:
            self._begun = True
            headers = [("Content-Type", kind)]
            await self._send(h11.Response(status_code=200, headers=headers))
        for event in (*events, *more):
            await self._send(h11.Data(data=event))
        if whole:
            await self._send(h11.EndOfMessage())

    async def refuse(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Answer without a stream."""
        await self.answer(status, headers, b'{"error": {"message": "no", "type": "t"}}')

    async def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer with a whole body."""
        headers = [*headers, ("Content-Length", str(len(body))), ("Connection", "close")]
        await self._send(h11.Response(status_code=status, headers=headers))
        await self._send(h11.Data(data=body))
        await self._send(h11.EndOfMessage())

    async def _send(self, event: Any) -> None:
        await self._stream.send_all(self._wire.send(event) or b"")


@asynccontextmanager
async def model() -> AsyncIterator[Model]:
    """A model that listens."""
    it = Model()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, it.serve, 0)
        it.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1"
        yield it
        nursery.cancel_scope.cancel()
