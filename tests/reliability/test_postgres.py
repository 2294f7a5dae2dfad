"""A PostgreSQL that crashes, restarts and fails over, servers that are killed and paused on it: nothing is lost or doubled."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from salon.actors.store import Appended
from salon.persistence import resolve
from tests.postgres import Cluster
from tests.server import ServerProcess, api
from tests.unit.history import sources
from tests.unit.stores import begin, log_of

BETWEEN = 3.0  # seconds that the database runs before it crashes again
CRASHES = 3


def ends_within(seconds: float, process: subprocess.Popen[str]) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_nothing_acknowledged_is_lost_when_server_and_database_crash(tmp_path: Path) -> None:
    with closing(Cluster()) as cluster:
        command = [sys.executable, "-m", "salon.web.cli", "crash", "--json", "--kills", "2"]
        history = tmp_path / "history.jsonl"
        command += ["--seed", "4", "--store", cluster.url(), "--history", f"{history}"]
        crash = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        crashes = 0
        while crashes < CRASHES and not ends_within(BETWEEN, crash):
            if (
                history.exists() and b'"record":"send"' in history.read_bytes()
            ):  # else they are not there yet
                cluster.restart(signal.SIGQUIT)
                crashes += 1
        said, told = crash.communicate()
        assert crash.returncode == 0, told
        figures = json.loads(said)
        assert [figures[name] for name in ("kills", "lost", "duplicated", "gaps")] == [2, 0, 0, 0]
        assert figures["acknowledged"] > 0
        assert crashes == CRASHES
        assert cluster.log.count("database system was interrupted") == CRASHES


async def test_a_server_that_was_paused_cannot_write_into_a_database_that_another_has_taken_over(
    tmp_path: Path,
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    keys = {"AUTH__KEY_FILE": str(tmp_path / "key")}
    with ExitStack() as stack:
        cluster = stack.enter_context(closing(Cluster("fsync=off")))
        first = ServerProcess(tmp_path / "first", store=cluster.url(), **keys)
        stack.callback(first.stop)
        made = await api(first, "POST", "/chat/create", "test_token_1", {"title": "Talk"})
        place = f"/chat/{made.json()['conversation_id']}/messages"
        first.process.send_signal(signal.SIGSTOP)
        stack.callback(first.process.send_signal, signal.SIGCONT)
        second = ServerProcess(tmp_path / "second", store=cluster.url(), **keys)
        stack.callback(second.stop)
        first.process.send_signal(signal.SIGCONT)
        refused = await api(first, "POST", place, "test_token_1", {"content": "too late"})
        assert refused.status_code == 503, refused.text
        taken = await api(second, "POST", place, "test_token_1", {"content": "in time"})
        assert taken.status_code == 201, taken.text
        found = await api(second, "GET", place, "test_token_1")
        said = [each["message"]["content"] for each in found.json()["events"] if "message" in each]
        assert said == ["in time"]
        assert "another server has taken this database over" in first.log


@pytest.mark.parametrize("ended", [signal.SIGQUIT, signal.SIGINT])
async def test_a_standby_takes_over_with_all_that_was_acknowledged(ended: signal.Signals) -> None:
    with (
        closing(Cluster("wal_level=replica", "fsync=off")) as primary,
        closing(Cluster.standby(primary)) as standby,
    ):
        primary.execute(
            "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"
        )
        both = primary.url().replace(f"{primary.folder}", f"{primary.folder},{standby.folder}")
        with closing(resolve(both, sources())) as store:
            history = await begin(store)
            for n in range(20):
                assert isinstance(await store.append(history.say(f"{n}")).wait(), Appended)
            primary.stop(ended)
            waiting = store.append(history.say("waits"))
            standby.execute(
                "ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_promote()"
            )
            assert isinstance(await waiting.wait(), Appended)
            keys = [each.key for each in await log_of(store, history.id)]
            assert keys == [None, *map(str, range(20)), "waits"]
