"""An agent at a raw socket, for tests that are plain functions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import trio

from salon.web.client import Client, Socket
from tests.patience import PATIENCE
from tests.server import ServerProcess


class Agent:
    """The test's agent in one conversation, at a socket in a thread of its own."""

    def __init__(self, server: ServerProcess, room: str) -> None:
        self._server, self._room = server, room
        self._ready = threading.Event()
        self._said: dict[str, int] = {}
        self._thread = threading.Thread(target=trio.run, args=(self._main,))
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    def start(self, run_id: str, **more: Any) -> None:
        self._said[run_id] = 0
        self._do(self._asked, {"type": "run_start", "run_id": run_id, **more})

    def status(self, run_id: str, state: str, label: str) -> None:
        frame = {"type": "run_status", "run_id": run_id, "state": state, "label": label}
        self._do(self._asked, frame)

    def say(self, run_id: str, *pieces: str) -> None:
        for text in pieces:
            frame = {"type": "delta", "run_id": run_id, "offset": self._said[run_id], "text": text}
            self._do(self._send, frame)
            self._said[run_id] += len(text)

    def requested(self) -> Any:
        """The next message that it is asked to answer."""
        return trio.from_thread.run(self._next_request, trio_token=self._token)

    def end(self, run_id: str, **more: Any) -> Any:
        """The server's word on the end."""
        return self._do(self._asked, {"type": "run_end", "run_id": run_id, **more})

    def close(self) -> None:
        trio.from_thread.run_sync(self._stop.set, trio_token=self._token)
        self._thread.join()

    def _do(self, act: Callable[[dict[str, Any]], Any], frame: dict[str, Any]) -> Any:
        return trio.from_thread.run(act, frame, trio_token=self._token)

    async def _send(self, frame: dict[str, Any]) -> None:
        await self._socket.send_json(frame)

    async def _asked(self, frame: dict[str, Any]) -> dict[str, Any]:
        """What the server answers."""
        await self._socket.send_json(frame)
        with trio.fail_after(PATIENCE):
            async for answer in self._answers:
                assert answer["type"] == "run_ack", answer
                if frame["type"] != "run_end" or answer["status"] != "open":
                    return answer
        raise AssertionError("the server did not answer")

    async def _next_request(self) -> dict[str, Any]:
        with trio.fail_after(PATIENCE):
            return await self._requests.receive()

    async def _main(self) -> None:
        client = Client(self._server.url, token="agent_token")
        await client.join(self._room)
        async with client.socket(self._room) as self._socket:
            self._token, self._stop = trio.lowlevel.current_trio_token(), trio.Event()
            answered, self._answers = trio.open_memory_channel[dict[str, Any]](100)
            asked, self._requests = trio.open_memory_channel[dict[str, Any]](100)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, self._socket, answered, asked)
                self._ready.set()
                await self._stop.wait()
                nursery.cancel_scope.cancel()

    async def _read(
        self,
        socket: Socket,
        answered: trio.MemorySendChannel[dict[str, Any]],
        asked: trio.MemorySendChannel[dict[str, Any]],
    ) -> None:
        while True:
            frame = await socket.receive_json()
            if frame["type"] == "run_requested":
                await asked.send(frame)
            if frame["type"] in ("run_ack", "error"):
                await answered.send(frame)
