"""`salon crash` kills a real server under load, and finds what is lost where a server loses something."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from salon.loadtests.crash.fault_proxy import Faults
from tests import processes

TOO_EARLY = '''
"""A server that answers before it has committed: put before all else by Python itself."""

import sys
import time

from salon.actors.future import Future
from salon.actors.store import Appended
from salon.persistence import writer

append, commit = writer.Writer.append, writer.Writer._commit


def answer_at_once(self, changes):
    future = append(self, changes)
    if changes.number:
        future = Future()
        future.set(Appended(changes.number))
    return future


def commit_later(self, group):
    time.sleep(0.1)
    commit(self, group)


writer.Writer.append, writer.Writer._commit = answer_at_once, commit_later

if "crash" in sys.argv:  # what is lost by then is lost: nobody waits a minute for it
    import trio

    from salon.loadtests.crash.crowd import Crowd

    settle = Crowd.settle

    async def settle_soon(self, *keeper):
        with trio.fail_after(10):
            await settle(self, *keeper)

    Crowd.settle = settle_soon
'''


def salon(*words: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Run a subcommand; its exit code, what it printed for machines, and what it said."""
    if environment:  # which only a new interpreter reads
        done = subprocess.run(
            [sys.executable, "-m", "salon.web.cli", *words, "--json"],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
        )
    else:
        done = processes.run([*words, "--json"])
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def test_nothing_acknowledged_is_lost_when_a_server_is_killed_and_killed_again(
    tmp_path: Path,
) -> None:
    history = tmp_path / "history.jsonl"
    code, figures, said = salon("crash", "--kills", "2", "--seed", "4", "--history", f"{history}")
    assert code == 0, said
    assert [figures[name] for name in ("kills", "lost", "duplicated", "gaps")] == [2, 0, 0, 0]
    assert figures["acknowledged"] > 0
    assert figures["changes"] > 0
    assert figures["reconnects"] > 2
    assert min(figures[name] for name in ("webhook_deliveries", "event_streams", "erased")) > 0
    assert set(figures["faults"]) == set(Faults.__slots__)
    assert "2 kills" in said

    code, verdict, said = salon("check", f"{history}")
    assert code == 0, said
    assert verdict["acknowledged"] == figures["acknowledged"]
    assert history.read_text().count('"killed, for') == 2


def test_a_server_that_answers_before_it_has_committed_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(TOO_EARLY)
    history = tmp_path / "history.jsonl"
    options = ("--kills", "2", "--no-faults", "--seed", "1", "--history", f"{history}")
    paths = os.pathsep.join([f"{tmp_path}", *filter(None, [os.environ.get("PYTHONPATH")])])
    code, figures, said = salon("crash", *options, PYTHONPATH=paths, TMPDIR=f"{tmp_path}")
    assert code == 1
    assert figures["lost"] > 0
    assert "anomaly: lost" in said
    assert "the seed was 1" in said
    assert salon("check", f"{history}")[0] == 1


def test_what_cannot_be_tried_says_why(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere" / "history.jsonl"
    done = processes.run(["crash", "--kills", "1", "--history", nowhere])
    assert done.returncode == 2
    assert "No such file or directory" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_that_is_told_to_stop_leaves_nothing_running(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "salon.web.cli", "crash", "--kills", "1000"]
    environment = {**os.environ, "TMPDIR": f"{tmp_path}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as running:
        me = psutil.Process(running.pid)
        while not (servers := me.children()) or not list(tmp_path.glob("*/salon.db.key")):
            assert running.poll() is None
        running.send_signal(number)
        running.communicate(timeout=60)
    gone, left = psutil.wait_procs(servers, timeout=60)
    assert gone
    assert not left
    assert running.returncode != 0
    assert not list(tmp_path.iterdir())
