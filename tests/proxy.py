"""A bad network: a TCP proxy in front of a server, which cuts lines when it is told to, or after so many bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from tests.server import ServerProcess

GONE = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


class Proxy:
    """`url` is where clients go. `patience` gives each new line its bytes towards the client before it is cut; None never."""

    def __init__(
        self, server: ServerProcess, patience: Callable[[], int | None] = lambda: None
    ) -> None:
        self.url = ""
        self.lines = 0
        self.cuts = 0
        self._port = int(server.url.rpartition(":")[2])
        self._patience = patience
        self._open: set[trio.CancelScope] = set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take connections until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        task_status.started()
        await trio.serve_listeners(self._carry, listeners)

    def cut(self) -> None:
        """Cut every line that is open now."""
        for scope in list(self._open):
            scope.cancel()

    async def _carry(self, client: trio.SocketStream) -> None:
        self.lines += 1
        with trio.CancelScope() as scope:
            self._open.add(scope)
            try:
                server = await trio.open_tcp_stream("127.0.0.1", self._port)
            except OSError:
                return
            async with server, trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, client, server, None, scope)
                nursery.start_soon(self._pass_on, server, client, self._patience(), scope)
        self._open.discard(scope)
        self.cuts += scope.cancelled_caught

    @staticmethod
    async def _pass_on(
        source: trio.SocketStream,
        target: trio.SocketStream,
        patience: int | None,
        scope: trio.CancelScope,
    ) -> None:
        try:
            async for data in source:
                if patience is not None:
                    data = data[:patience]
                    patience -= len(data)
                await target.send_all(data)
                if patience == 0:
                    scope.cancel()
            await target.send_eof()
        except GONE:
            scope.cancel()


@asynccontextmanager
async def bad_network(
    server: ServerProcess, patience: Callable[[], int | None] = lambda: None
) -> AsyncIterator[Proxy]:
    """A proxy for the length of the block."""
    async with trio.open_nursery() as nursery:
        proxy = Proxy(server, patience)
        await nursery.start(proxy.run)
        yield proxy
        nursery.cancel_scope.cancel()
