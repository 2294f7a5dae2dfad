"""A real S3-compatible server for the tests: nanio, which checks signatures and keeps objects as files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

from salon.persistence.s3_options import S3Options
from tests.patience import PATIENCE

KEY, SECRET = "salon-key", "salon-secret-of-the-tests"


class S3Server:
    """One server, started at once, with its buckets in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self._numbers = count()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.start()

    @property
    def options(self) -> S3Options:
        return S3Options(f"http://127.0.0.1:{self._port}", "us-east-1", KEY, SECRET)

    def bucket(self) -> str:
        """A new bucket; its name."""
        name = f"bucket-{next(self._numbers)}"
        (self._folder / name).mkdir()
        return name

    def start(self) -> None:
        """Start, and wait until it accepts."""
        words = ["serve", "--data-dir", str(self._folder), "--host", "127.0.0.1"]
        words += ["--port", str(self._port), "--no-access-log", "--log-level", "warning"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from nanio.cli import main; main()", *words],
            env={**os.environ, "NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET},
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                assert self._process.poll() is None, "the S3 server did not start"
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
