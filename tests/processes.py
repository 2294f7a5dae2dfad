"""Processes of the command `salon`, forked from one that has imported it: a start costs a sixth of what it does otherwise.

A forked process is as real as another: it has its own pid, files, threads and signals, and dies by kill -9. What it inherits
is imported modules and nothing else. What a start itself does, and what runs under strace, is tried with a new interpreter.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

# What the commands that tests run import when they are called.
MODULES = (
    "salon.web.app",
    "salon.web.cli",
    "salon.web.logs",
    "salon.loadtests.checker.command",
    "salon.loadtests.load",
    "salon.loadtests.simulator.command",
    "salon.persistence.file",
    "salon.persistence.migration",
    "salon.persistence.loop",
)
# What a server with such agents imports besides, half a second each: imported once there is one.
MODULES_OF_AGENTS = {
    "azure_openai": "salon.web.agents.openai_wire",
    "openai": "salon.web.agents.openai_wire",
    "mcp": "salon.web.agents.mcp_wire",
}
MODULES_OF_NODES = (
    "salon.persistence.postgres.cluster_store",
    "salon.web.cluster",
    "salon.actors.cluster.directory",
    "salon.persistence.migration",
)
PR_SET_CHILD_SUBREAPER = 36
POLL = 0.005  # seconds between two looks at a process that has to end
REQUEST = 1_000_000  # bytes
ONE_AT_A_TIME = threading.Lock()  # tests fork from several threads


class Forked:
    """A process of `salon`, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int, stdout: IO[str] | None) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once there is one."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"salon, process {self.pid}", timeout or 0)
            time.sleep(POLL)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    arguments: Sequence[str], *, stderr: IO[Any], env: Mapping[str, str] | None = None
) -> Forked:
    """Start `salon` with these arguments. Its stdout is a pipe; its environment is `env` alone, or this process's."""
    reader, writer = os.pipe()
    try:
        pid = _fork(arguments, [writer, stderr.fileno()], env)
    finally:
        os.close(writer)
    return Forked(pid, os.fdopen(reader, encoding="utf-8"))


def run(
    arguments: Sequence[object],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `salon` to its end, and take what it writes."""
    words = [str(word) for word in arguments]
    outputs = [os.memfd_create(name) for name in ("stdout", "stderr")]
    try:
        process = Forked(_fork(words, outputs, env), None)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        written = [_whole(output) for output in outputs]
    finally:
        for output in outputs:
            os.close(output)
    return subprocess.CompletedProcess(["salon", *words], code, *written)


def _modules_of(agents: str) -> list[str]:
    """What a server imports for the agents of this setting."""
    return sorted({name for kind, name in MODULES_OF_AGENTS.items() if f'"{kind}"' in agents})


def _whole(output: int) -> str:
    size = os.fstat(output).st_size
    return os.pread(output, size, 0).decode()


def _fork(arguments: Sequence[str], outputs: list[int], env: Mapping[str, str] | None) -> int:
    environment = dict(env or os.environ)
    request = {
        "arguments": arguments,
        "env": environment,
        "cwd": str(Path.cwd()),
        "modules": [
            *_modules_of(environment.get("SALON_AGENTS", "")),
            *(MODULES_OF_NODES if "SALON_CLUSTER__NATS" in environment else ()),
        ],
    }
    with ONE_AT_A_TIME:
        server = _fork_server()
        socket.send_fds(server, [json.dumps(request).encode()], outputs)
        answer = server.recv(100)
    assert answer, "the process that forks has ended: its message is above"
    return int(answer)


@cache
def _fork_server() -> socket.socket:
    """One for each process that runs tests. What it forks is orphaned at once, and becomes this process's child."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST)
    with there:
        command = [sys.executable, "-P", __file__, f"{there.fileno()}"]
        process = subprocess.Popen(command, pass_fds=[there.fileno()])

    def end() -> None:
        here.close()
        process.wait()

    atexit.register(end)
    return here


# --- in the process that forks, and in those that it forks ------------------------------------------------------------------


def _serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork for each request. The request, in the process that is to run it; None once nobody can ask any more."""
    while True:
        data, outputs, _, _ = socket.recv_fds(requests, REQUEST, 2)
        if not data:
            return None
        request: dict[str, Any] = json.loads(data)
        if any(module not in sys.modules for module in request["modules"]):
            for module in request["modules"]:
                import_module(module)
            gc.freeze()
        if os.fork() == 0:
            between = os.getpid()
            if os.fork():
                os._exit(0)
            while os.getppid() == between:
                time.sleep(POLL / 10)
            for number, output in enumerate(outputs, 1):
                os.dup2(output, number)
                os.close(output)
            requests.send(str(os.getpid()).encode())
            requests.close()
            return request
        os.wait()
        for output in outputs:
            os.close(output)


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests decide when it ends
    modules = [import_module(name) for name in MODULES]
    gc.freeze()  # else each child's first collection copies all of it
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    if request is None:
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    _set_clock(float(os.environ.pop("SALON_TEST_CLOCK", 0)))
    sys.argv = ["salon", *request["arguments"]]
    _run(modules[MODULES.index("salon.web.cli")].main)


def _set_clock(ahead: float) -> None:
    """Let this process take it for so many seconds later than it is."""
    if ahead:
        seconds, nanoseconds = time.time, time.time_ns
        time.time = lambda: seconds() + ahead
        time.time_ns = lambda: nanoseconds() + round(ahead * 1e9)


def _run(main: Callable[[], None]) -> None:
    """Run it, and end as an interpreter does, but for half a second in which it would take its modules apart."""
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _main()
