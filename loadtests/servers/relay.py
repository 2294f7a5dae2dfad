"""A process that passes connections on to a port, and can be cut: then nothing comes through, and nobody is told."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

PROGRAM = """
import sys, trio

async def passing(source, sink):
    try:
        while data := await source.receive_some(65536):
            await sink.send_all(data)
        await sink.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        await trio.aclose_forcefully(sink)

async def handle(client):
    server = await trio.open_tcp_stream("127.0.0.1", int(sys.argv[2]))
    async with client, server, trio.open_nursery() as nursery:
        nursery.start_soon(passing, client, server)
        nursery.start_soon(passing, server, client)

async def safely(client):
    try:
        await handle(client)
    except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass

async def main():
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(__import__("socket").socket(fileno=int(sys.argv[1]))))
    await trio.serve_listeners(safely, [listener])

trio.run(main)
"""


class Relay:
    """Passes on what comes to `port`."""

    def __init__(self, to: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(listener.fileno()), str(to)],
                pass_fds=(listener.fileno(),),
            )

    def cut(self) -> None:
        """Let nothing through."""
        self._process.send_signal(signal.SIGSTOP)

    def mend(self) -> None:
        """Let through again, also what came meanwhile."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
