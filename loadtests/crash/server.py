"""A server process that is killed and restarted, on the same file and port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import trio

from ..users import RunError

CONFIG = Path(__file__).with_name("crash.yaml")
READY = 180.0  # seconds for a start, on a busy machine
TAIL = 20  # lines of its log that are shown
# A process that has imported what a server is, and becomes one when it reads a line; without one it ends.
SPARE = (
    "import salon.web.app, salon.web.cli as cli, sys; sys.stdin.readline() and sys.exit(cli.main())"
)


class Failed(Exception):
    """The server ended by itself, or a client gave up; neither should happen. The text says which."""


class KilledServer:
    """`salon serve` with its store in `folder`, or at a URL, and with `environment` besides. It does not run before `start`."""

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self.store = store or f"sqlite:///{folder / 'salon.db'}"
        self._places = {"XDG_DATA_HOME": f"{folder}"}  # for what is not in a database
        self.url = ""
        self.environment: dict[str, str] = {}
        self._log = folder / "salon.log"
        self._process: trio.Process | None = None
        self._spare: trio.Process | None = None

    @property
    def log(self) -> str:
        """The server's stderr, over all its starts."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    async def start(self) -> None:
        """Start the server and wait until it accepts connections. Raises `RunError` if it does not."""
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
        """Start the server and kill it after so many seconds, whether it is ready or not."""
        process = await self._begin()
        with trio.move_on_after(seconds):
            await process.wait()
        await self.kill()

    async def kill(self) -> None:
        """Kill the server with SIGKILL. Raises `Failed` if it has ended by itself before."""
        process, self._process = self._process, None
        assert process is not None, "only what runs is killed"
        process.kill()
        if await _ended(process) != -signal.SIGKILL:
            raise Failed(
                f"the server ended by itself, with {process.returncode}:\n{self.last_words}"
            )

    async def stop(self) -> None:
        """Stop the server with SIGTERM, so that it drains. Raises `Failed` if its exit code is not 0."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        if code := await _ended(process):
            raise Failed(f"the server drained and ended with {code}:\n{self.last_words}")

    async def aclose(self) -> None:
        """Kill the server if it runs, and the spare process, without a check of its exit code."""
        processes = self._process, self._spare
        self._process = self._spare = None
        for process in processes:
            if process is not None:
                process.kill()
                with trio.CancelScope(shield=True):
                    await _ended(process)

    async def prepare(self) -> None:
        """Have a spare process that the next start uses: on a busy machine most of a start is the import of modules."""
        if self._spare is None:
            self._spare = await self._open("-c", SPARE, stdin=subprocess.PIPE)

    @property
    def port(self) -> int:
        """The port that it listens on, and will listen on again. It was started before."""
        return int(self.url.rpartition(":")[2])

    @property
    def runs(self) -> bool:
        """Whether it was started and neither killed nor stopped."""
        return self._process is not None

    def pause(self) -> None:
        """Have the server stand still, by SIGSTOP."""
        assert self._process is not None, "only what runs is paused"
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have the server go on after `pause`."""
        assert self._process is not None, "only what runs goes on"
        self._process.send_signal(signal.SIGCONT)

    @property
    def last_words(self) -> str:
        """The last `TAIL` lines of its log."""
        return "\n".join(self.log.splitlines()[-TAIL:])

    async def _begin(self) -> trio.Process:
        spare, self._spare = self._spare, None
        if spare is None:
            spare = await self._open("-m", "salon.web.cli")
        else:
            assert spare.stdin is not None
            await spare.stdin.send_all(b"\n")
            await spare.stdin.aclose()
        self._process = spare
        return spare

    async def _open(self, *program: str, stdin: int | None = None) -> trio.Process:
        port = self.url.rpartition(":")[2] or "0"
        command = [
            *(sys.executable, *program, "serve", "--port", port),
            *("--config", str(CONFIG), "--store", self.store),
        ]
        with self._log.open("ab") as log:
            return await trio.lowlevel.open_process(
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._places, **self.environment},
            )


async def _ended(process: trio.Process) -> int:
    code = await process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            await stream.aclose()
    return code
