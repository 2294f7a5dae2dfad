"""`make cluster`: nodes to try out in one command, which outlive each other and end together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.server import api

ROOT = Path(__file__).parents[2]


class Served:
    """As a test's server, as far as `api` wants one."""

    def __init__(self, url: str) -> None:
        self.url = url


async def test_one_command_serves_in_processes_and_a_killed_one_is_started_again() -> None:
    command = [sys.executable, "-m", "tests.cluster", "--port", "0", "--nodes", "2", "--no-browser"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.Popen(  # noqa: ASYNC220 - the test waits for it anyhow
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert ran.stdout is not None
    assert ran.stderr is not None
    try:
        lines = iter(ran.stdout.readline, "")
        url = next(line.split()[3] for line in lines if line.startswith("Salon listening"))
        served = Served(url)
        found = await api(served, "POST", "/auth/guest", json={"name": "Ada"})  # type: ignore[arg-type]
        token = found.json()["token"]
        started = [
            each
            for each in psutil.Process(ran.pid).children(recursive=True)
            if "--listen-fd" in each.cmdline()
        ]
        assert len(started) == 2
        started[0].kill()
        said = next(line for line in iter(ran.stderr.readline, "") if "has ended" in line)
        assert f"process {started[0].pid} has ended (-9): it is started again" in said
        for _ in range(20):  # at whichever node
            assert (await api(served, "GET", "/auth/me", token)).status_code == 200  # type: ignore[arg-type]
    finally:
        ran.send_signal(signal.SIGINT)
        _, rest = ran.communicate()
    assert ran.returncode == 0, rest
    assert "warning" not in rest
