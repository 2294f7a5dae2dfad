"""A real server for the tests that need one: `salon serve` in a process of its own, on a store of its own."""

from __future__ import annotations

import os
import select
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import psutil  # type: ignore[import-untyped]
import trio

from tests import new_store, processes
from tests.patience import PATIENCE
from tests.processes import Forked

CONFIG = Path(__file__).with_name("config_test.yaml")
ANNOUNCEMENT = "Salon listening on "
START_TIMEOUT = 60.0  # seconds: a first start makes the store, and the machine may have other work
STOP_TIMEOUT = 60.0  # seconds: many times drain_timeout and 2, for a busy machine
NO_TLS = ssl.SSLContext(
    ssl.PROTOCOL_TLS_CLIENT
)  # made once: else each client reads all certificates, 70 ms


class ServerProcess:
    """One server, started at once. `settings` are environment variables without their SALON_: LIMITS__QUEUE_SIZE="5".

    `store` is the URL of a store, by default of a file in the folder.
    `under` is the beginning of a command that runs the rest of it, such as strace's; it may be changed between starts.
    Without it the process is forked from one that has imported salon, and its store is laid out.
    """

    process: subprocess.Popen[str] | Forked

    def __init__(
        self,
        folder: Path,
        *,
        under: Sequence[str] = (),
        store: str | None = None,
        **settings: str,
    ) -> None:
        self.under = under
        self.store = store or f"sqlite:///{folder / 'salon.db'}"
        self.url = ""
        self._log = folder / "salon.log"
        self._port = 0
        inherited = {name: text for name, text in os.environ.items() if name[:6] != "SALON_"}
        if store is not None:
            inherited["XDG_DATA_HOME"] = str(folder)  # for what is not in a database
        self._environment = inherited | {f"SALON_{name}": text for name, text in settings.items()}
        if store is None and not under:
            new_store.lay(self.path)
        self.start()

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def path(self) -> Path:
        """The store's file."""
        return Path(self.store.removeprefix("sqlite:///"))

    @property
    def memory(self) -> int:
        """Bytes it has in memory now."""
        return int(psutil.Process(self.pid).memory_info().rss)

    @property
    def cpu_seconds(self) -> float:
        """Processor time it has used since its start."""
        used = psutil.Process(self.pid).cpu_times()
        return float(used.user + used.system)

    @property
    def log(self) -> str:
        """All that the server has written to stderr, over all its starts."""
        return self._log.read_text()

    def start(self) -> None:
        """Start, and wait until connections are accepted. Once more means on the same port."""
        words = ["serve", "--config", str(CONFIG), "--port", str(self._port), "--store", self.store]
        with self._log.open("a") as log:
            if self.under:
                self.process = subprocess.Popen(
                    [*self.under, sys.executable, "-m", "salon.web.cli", *words],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=self._environment,
                )
            else:
                self.process = processes.start(words, stderr=log, env=self._environment)
        self.url = self._announced()
        self._port = int(self.url.rpartition(":")[2])

    def token(self, id: str, kind: str = "--admin") -> str:
        """A new token of an operator, or of an `--agent`, with this id, by the command that makes them."""
        words = ["token", "--config", str(CONFIG), "--store", self.store]
        words += ["--id", id, "--name", id, kind]
        done = processes.run(words, env=self._environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def terminate(self) -> None:
        """Ask it to drain, without waiting for that."""
        self.process.terminate()

    def wait(self) -> int:
        """Its exit code, once it has one."""
        code = self.process.wait(STOP_TIMEOUT)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    async def wait_exited(self) -> int:
        """The same while this test goes on with other tasks."""
        return await trio.to_thread.run_sync(self.wait)

    def kill(self) -> None:
        """End it on the spot, as a power cut would."""
        self.process.kill()
        self.wait()

    def stop(self) -> int:
        """Drain and end it, if it runs; its exit code."""
        self.terminate()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def restart(self) -> None:
        """Drain it if it runs, then start it again on the same store and port."""
        self.stop()
        self.start()

    def _announced(self) -> str:
        stdout = self.process.stdout
        assert stdout is not None
        readable, _, _ = select.select([stdout], [], [], START_TIMEOUT)
        line = stdout.readline() if readable else ""
        if not line.startswith(ANNOUNCEMENT):
            self.kill()
            raise AssertionError(f"the server did not start, it said {line!r} and\n{self.log}")
        return line.removeprefix(ANNOUNCEMENT).strip()


async def api(
    server: ServerProcess,
    method: str,
    path: str,
    token: str | None = None,
    json: Any = None,
    **options: Any,
) -> httpx2.Response:
    """One HTTP request on a connection of its own, as whoever the token stands for; `options` are those of httpx2."""
    headers = dict(options.pop("headers", {}))
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if json is not None:
        options["json"] = json
    async with httpx2.AsyncClient(
        base_url=server.url, trust_env=False, timeout=PATIENCE, verify=NO_TLS
    ) as client:
        return await client.request(method, path, headers=headers, **options)
