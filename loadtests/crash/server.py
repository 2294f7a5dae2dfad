"""A server of our own that is killed and started again, on the same file and port."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import trio

from ..users import RunError

CONFIG = Path(__file__).with_name("crash.yaml")
READY = 60.0  # seconds for a start, on a machine with other things to do
TAIL = 20  # lines of its log that are worth showing


class Failed(Exception):
    """Something gave up that should not have: the server ended by itself, or a client would not go on. The text says which."""


class KilledServer:
    """`salon serve` on a store in a folder. It is not running until `start`."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "salon.db"
        self.url = ""
        self._log = folder / "salon.log"
        self._process: trio.Process | None = None

    @property
    def log(self) -> str:
        """What it has written to stderr, over all its starts."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    async def start(self) -> None:
        """Start it and wait until it accepts connections. Raises `RunError` where it does not."""
        process = await self._begin()
        assert process.stdout is not None
        said = b""
        with trio.move_on_after(READY):
            while not said.endswith(b"\n") and (more := await process.stdout.receive_some()):
                said += more
        if b"listening on" not in said:
            await self.kill()
            raise RunError(f"the server did not start:\n{self.last_words}")
        self.url = said.decode().split()[-1]

    async def start_in_vain(self, seconds: float) -> None:
        """Start it and kill it after so long, whatever it has come to."""
        process = await self._begin()
        with trio.move_on_after(seconds):
            await process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it on the spot. Raises `Failed` where it has ended by itself before."""
        process, self._process = self._process, None
        assert process is not None, "only what runs is killed"
        process.kill()
        if await _ended(process) != -signal.SIGKILL:
            raise Failed(
                f"the server ended by itself, with {process.returncode}:\n{self.last_words}"
            )

    async def stop(self) -> None:
        """Have it drain and end. Raises `Failed` where it does not end with 0."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        if code := await _ended(process):
            raise Failed(f"the server drained and ended with {code}:\n{self.last_words}")

    async def aclose(self) -> None:
        """End it, if it runs, whatever becomes of it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with trio.CancelScope(shield=True):
                await _ended(process)

    @property
    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.splitlines()[-TAIL:])

    async def _begin(self) -> trio.Process:
        port = self.url.rpartition(":")[2] or "0"
        command = [
            *(sys.executable, "-m", "salon.web.cli", "serve", "--port", port),
            *("--config", str(CONFIG), "--store", f"sqlite:///{self.store}"),
        ]
        with self._log.open("ab") as log:
            self._process = await trio.lowlevel.open_process(
                command, stdout=subprocess.PIPE, stderr=log
            )
        return self._process


async def _ended(process: trio.Process) -> int:
    code = await process.wait()
    if process.stdout is not None:
        await process.stdout.aclose()
    return code
