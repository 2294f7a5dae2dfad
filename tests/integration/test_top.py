"""`salon top` before a real server: in a terminal, in a pipe, once."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx2

from salon.web.commands.live_view import Reading, duration, figures, printable
from tests import processes
from tests.patience import PATIENCE
from tests.person import guests
from tests.server import ServerProcess, api

TOP = [sys.executable, "-m", "salon.web.cli", "top"]
ENVIRONMENT = {"SALON_ADMIN_TOKEN": "admin_token", "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}


async def test_once_it_writes_every_figure_a_line_each(server: ServerProcess) -> None:
    (ada,) = await guests(server, "Ada")
    await ada.create()
    done = processes.run(["top", server.url, "--once"], env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    said = (await api(server, "GET", "/admin/stats", "admin_token")).json()
    assert found["status"] == "healthy"
    assert 0 < int(found["events"]) <= said["events"]
    assert int(found["queue_depths.limit"]) == said["queue_depths"]["limit"]
    assert found.keys() >= {name for name, value in said.items() if not isinstance(value, dict)}


def test_in_a_pipe_it_writes_a_line_for_each_look_also_over_a_restart(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server()
    process = subprocess.Popen(
        [*TOP, server.url, "--every", "0.2"],
        env=os.environ | ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(3):
        line = process.stdout.readline()
        assert line.startswith("status healthy  connections ")
        assert "\x1b" not in line
    server.kill()
    while not process.stdout.readline().startswith("status away  http"):
        pass
    server.start()
    while not process.stdout.readline().startswith("status healthy  connections "):
        pass
    process.stdout.close()  # as `head` does
    assert process.wait(PATIENCE) == 0


def test_in_a_terminal_it_shows_the_fullest_conversations_until_ctrl_c(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server()
    created = httpx2.post(
        f"{server.url}/chat/create",
        json={"title": "Seen in a terminal"},
        headers={"Authorization": "Bearer test_token_1"},
    )
    assert created.status_code == 201
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [*TOP, server.url, "--every", "0.2"],
        env=os.environ | ENVIRONMENT,
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    seen = b""
    while not all(word in seen for word in (b"fullest mailbox", b"Seen in a terminal")):
        seen += os.read(terminal, 65_536)
    process.send_signal(signal.SIGINT)
    with suppress(OSError):  # once the other end is closed
        while True:
            seen += os.read(terminal, 65_536)
    assert process.wait(PATIENCE) == 0
    os.close(terminal)
    assert server.url.encode() in seen
    assert b"\x1b[?1049l" in seen, seen[-300:]


def test_what_cannot_be_shown_is_said_in_a_line(server: ServerProcess) -> None:
    for words, token, code, said in (
        ([server.url], "", 2, "an admin's token is needed"),
        ([server.url], "test_token_1", 1, "no admin's"),
        ([server.url], "nobodys", 1, "no admin's"),
        (["http://127.0.0.1:1"], "admin_token", 1, "does not answer"),
        (["nonsense"], "admin_token", 1, "does not answer"),
    ):
        done = processes.run(["top", *words, "--once"], env={"SALON_ADMIN_TOKEN": token})
        assert (done.returncode, done.stdout) == (code, "")
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert token not in done.stderr or not token


def reading(at: float, **changed: Any) -> Reading:
    stats: dict[str, Any] = dict.fromkeys(
        (
            "connections",
            "conversations",
            "participants",
            "messages",
            "events",
            "deliveries",
            "turns",
        ),
        0,
    )
    stats |= {"status": "healthy", "uptime": at, "cpu_seconds": 0.0, "memory_bytes": 50_000_000}
    stats |= {
        "queue_depths": {"deepest": 3, "limit": 1000},
        "turn_seconds": {"p50": 0.001, "p99": 0.01},
    }
    stats |= {"refusals": {}, "storage": {"status": "connected", "waiting": 0, "commits": 0}}
    return Reading(at, stats | changed, [])


def test_rates_are_those_between_two_looks() -> None:
    before = reading(100.0, messages=1000, cpu_seconds=10.0, refusals={"RATE_LIMITED": 5})
    now = reading(
        102.0, messages=1500, cpu_seconds=11.0, refusals={"RATE_LIMITED": 5, "QUEUE_FULL": 9}
    )
    shown = figures(now, before)
    assert shown["messages/s"] == "250"
    assert shown["cpu"] == "50%"
    assert shown["refusals/s"] == "4.5"
    assert shown["turn p99"] == "10.0 ms"
    assert figures(before, None)["messages/s"] == "10.0"  # since the start
    restarted = reading(103.0, messages=3, uptime=1.0)
    assert figures(restarted, now)["messages/s"] == "3.0"


def test_texts_of_others_do_not_steer_the_terminal() -> None:
    assert printable("Tea \x1b[2J\x07 ✓") == "Tea \ufffd[2J\ufffd ✓"
    assert [duration(each) for each in (0.4, 61, 7_300, 200_000)] == [
        "0 s",
        "1 m 1 s",
        "2 h 1 m",
        "2 d 7 h",
    ]
