"""A pooler before PostgreSQL, as PgBouncer is in transaction mode; and a network that can lose an answer.

Each transaction gets whichever connection to the server is free, and never the one of the transaction before if there is another.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path

_NO_ENCRYPTION = (80877103, 80877104)  # what a client asks before it begins: SSL, GSS


class Pooler:
    """Listens on a port of this machine for a server that listens on a socket in a folder."""

    def __init__(self, folder: Path, port: int = 5432) -> None:
        self._server = f"{folder}/.s.PGSQL.{port}"
        self._free: dict[bytes, list[socket.socket]] = {}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.transactions = 0
        self._lose = b""
        self.lost = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database: str, user: str) -> str:
        """The URL of a database, through the pooler."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def lose_the_answer_to(self, statement: bytes) -> None:
        """Cut the connection instead of passing on what the server answers to the next statement that has these words."""
        self._lose = statement

    def close(self) -> None:
        """Accept nobody any more, and leave the server."""
        self._listener.close()
        for connection in [each for free in self._free.values() for each in free]:
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError), client:
            startup = _startup(client)
            server, greeting = self._connect(startup)
            client.sendall(greeting)
            self._give(startup, server)
            while True:
                asked = _until(client, b"QSX")
                if asked[:1] == b"X":
                    return
                self._transact(client, self._take(startup), startup, asked)

    def _transact(
        self, client: socket.socket, server: socket.socket, startup: bytes, asked: bytes
    ) -> None:
        try:
            while True:
                server.sendall(asked)
                answer = _until(server, b"Z")
                if self._lose and self._lose in asked:
                    self._lose = b""
                    self.lost.set()
                    raise EOFError
                client.sendall(answer)
                if answer[-1:] == b"I":
                    break
                asked = _until(client, b"QSX")
        except (OSError, EOFError):
            server.close()
            raise
        self.transactions += 1
        self._give(startup, server)

    def _take(self, startup: bytes) -> socket.socket:
        with self._lock:
            free = self._free.setdefault(startup, [])
            if len(free) > 1:
                return free.pop(0)
        return self._connect(startup)[0]

    def _give(self, startup: bytes, server: socket.socket) -> None:
        with self._lock:
            self._free.setdefault(startup, []).append(server)

    def _connect(self, startup: bytes) -> tuple[socket.socket, bytes]:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        server.sendall(startup)
        return server, _until(server, b"Z")


def _startup(client: socket.socket) -> bytes:
    while True:
        head = _exactly(client, 8)
        length, code = struct.unpack("!ii", head)
        rest = _exactly(client, length - 8)
        if code not in _NO_ENCRYPTION:
            return head + rest
        client.sendall(b"N")


def _until(source: socket.socket, kinds: bytes) -> bytes:
    """Messages up to and with one of these kinds."""
    messages = b""
    while True:
        head = _exactly(source, 5)
        messages += head + _exactly(source, struct.unpack("!i", head[1:])[0] - 4)
        if head[:1] in [bytes([kind]) for kind in kinds]:
            return messages


def _exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = source.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
