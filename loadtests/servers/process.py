"""CPU time and memory of a server's process, and servers started for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..users import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONFIG = Path(__file__).with_name("bench.yaml")
FLOOR = Path(__file__).with_name("floor.c")
SALON = ("-m", "salon.web.cli")  # what Python is to run
STOP = 20.0  # seconds that a server has to drain
CPU_CLOCK = 2  # part of Linux's clock id for a process: the CPU time by the scheduler's count


class Process:
    """A process, by its id. Raises `RunError` if it does not exist or may not be inspected."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self.cpu()
        except OSError:
            raise RunError(f"there is no process {pid} to look at") from None

    def cpu(self) -> float:
        """CPU time used, user and system, of all threads, in seconds, exact to the nanosecond."""
        return time.clock_gettime(~self.pid << 3 | CPU_CLOCK)

    def memory(self) -> int:
        """Resident memory in bytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def family_cpu(pid: int) -> float:
    """CPU time of a process and its children so far, in seconds: of those that have ended, too, since it has waited for them."""
    ticks = sum(_ticks_of(pid))
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(each.read_text().rpartition(")")[2].split()[1]) == pid:
                ticks += sum(_ticks_of(int(each.parent.name))[:2])
        except (OSError, IndexError):
            continue  # it has ended meanwhile
    return ticks / os.sysconf("SC_CLK_TCK")


def _ticks_of(pid: int) -> list[int]:
    """User and system time of a process, and of its children that have ended."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(each) for each in words[11:15]]


def busy(seconds: float = 1.0) -> float:
    """The share of this machine's CPU in use, from 0 to 1, measured over so many seconds."""
    before = _ticks()
    time.sleep(seconds)
    idle, every = (after - then for after, then in zip(_ticks(), before, strict=True))
    return 1 - idle / max(1, every)


def _ticks() -> tuple[int, int]:
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


@contextmanager
def own_server(
    store: str | None = None, program: Sequence[str] = SALON, **settings: object
) -> Iterator[tuple[str, int]]:
    """Run a server with `bench.yaml` on a free port, its store in a temporary folder; yield its URL and process id.

    `settings` are named as in the environment, without the prefix: `LIMITS__IDLE_TIMEOUT=1`. Raises `RunError`.
    """
    with tempfile.TemporaryDirectory(prefix="salon-load-") as folder:
        command = [
            *(sys.executable, *program, "serve", "--port", "0"),
            *("--config", str(CONFIG), "--store", store or f"sqlite:///{folder}/salon.db"),
        ]
        environment = {f"SALON_{name}": str(value) for name, value in settings.items()}
        environment["XDG_DATA_HOME"] = folder  # for what is not in a database
        with _running(command, **environment) as server:
            yield server


@contextmanager
def floor() -> Iterator[tuple[str, int]]:
    """Build the C program that only writes, with gcc, and run it; yield its URL and process id. Raises `RunError`."""
    with tempfile.TemporaryDirectory(prefix="salon-floor-") as folder:
        program = f"{folder}/floor"
        try:
            subprocess.run(["gcc", "-O2", "-o", program, str(FLOOR)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RunError(f"the floor is built with gcc: {error}") from None
        with _running([program]) as server:
            yield server


@contextmanager
def _running(command: list[str], **environment: str) -> Iterator[tuple[str, int]]:
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | environment
    ) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            if "listening on" not in line:
                raise RunError("the server did not start; what it said stands above")
            yield line.split()[-1], server.pid
        finally:
            server.terminate()
            try:
                server.wait(STOP)
            except subprocess.TimeoutExpired:
                server.kill()
