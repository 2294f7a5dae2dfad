"""An agent that is a program of one's own, at the Python client, for tests that are plain functions."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable

import trio

from salon.web.client import Client, Request, Run
from tests.patience import PATIENCE
from tests.server import ServerProcess

Answer = Callable[[Request, Run], Awaitable[None]]


class ProgramAgent:
    """Answers every request in one conversation as `answer` says, in a thread of its own, until the block ends."""

    def __init__(self, server: ServerProcess, room: str, answer: Answer) -> None:
        self._server, self._room, self._answer = server, room, answer
        self._ready = threading.Event()
        self._scope = trio.CancelScope()
        self._thread = threading.Thread(target=trio.run, args=(self._main,))

    def __enter__(self) -> ProgramAgent:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_sync_soon(self._scope.cancel)
        self._thread.join()

    async def _main(self) -> None:
        self._loop = trio.lowlevel.current_trio_token()
        client = Client(self._server.url, token="agent_token")
        await client.join(self._room)
        with self._scope:
            async with (
                client.conversation(self._room) as conversation,
                trio.open_nursery() as nursery,
            ):
                await conversation.wait_caught_up()
                self._ready.set()
                async for request in conversation.requests():
                    nursery.start_soon(self._take, request)

    async def _take(self, request: Request) -> None:
        async with request.run() as run:
            await self._answer(request, run)
