"""`salon load` as a command: every scenario, against servers that are good, strict, absent and wrong. Nothing is timed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests import processes
from tests.performance.spoiler import Spoil, spoiled
from tests.server import ServerProcess

SMALL = ["--set", "warm_up=0.2", "--seconds", "1"]
FEW_PEOPLE = {
    "fanout": ["--readers", "20"],
    "rooms": ["--rooms", "20"],
    "churn": ["--rooms", "5", "--rate", "100"],
    "storm": ["--rooms", "10", "--set", "storm=0.3", "--seconds", "1.5"],
    "slow": ["--readers", "20", "--never-read", "5"],
    "burst": ["--rooms", "5", "--set", "burst_from=0.2", "--set", "burst_until=0.7"],
}


def load(*arguments: object) -> subprocess.CompletedProcess[str]:
    return processes.run(["load", *arguments], timeout=100)


def played(name: str, *arguments: object) -> dict[str, Any]:
    """The figures of a small run in which all has to be well."""
    result = load(name, *SMALL, *FEW_PEOPLE[name], "--json", *arguments)
    assert result.returncode == 0, result.stderr + result.stdout
    figures: dict[str, Any] = json.loads(result.stdout)
    assert figures["well"]
    assert figures["wrong"] == {}
    assert figures["anomalies"] == []
    assert figures["deliveries"] > 0
    assert figures["accepted"] == figures["stored"] <= figures["sent"]
    assert figures["load_cpu_us_per_delivery"] > 0
    return figures


class TestItsOwnServer:
    def test_plays_a_scenario_and_nothing_is_lost(self) -> None:
        figures = played("fanout", "--serve")
        assert figures["scenario"] == "fanout"
        assert figures["refused"] == {}
        assert figures["sent"] == figures["accepted"]
        assert figures["cpu_us_per_delivery"] > 0
        assert figures["server_memory"] > 10_000_000
        assert figures["delivery_ms"]["p50"] <= figures["delivery_ms"]["max"]


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that sends on a socket only the last twenty events of those that were missed."""
    server = ServerProcess(tmp_path_factory.mktemp("server"), LIMITS__RESUME_LIMIT="20")
    yield server
    assert server.stop() == 0, server.log


class TestAServerByUrl:
    def test_is_driven_by_two_processes_and_without_keys(self, forgetful: ServerProcess) -> None:
        options = ["--processes", 2, "--server-pid", forgetful.pid, "--no-keys"]
        figures = played("rooms", "--url", forgetful.url, *options)
        assert figures["processes"] == 2
        assert figures["server_cpu_seconds"] > 0

    @pytest.mark.parametrize("name", ["slow"])
    def test_is_driven_by_windows_that_count_deliveries_to_all_in_both_processes(
        self, forgetful: ServerProcess, name: str
    ) -> None:
        options = ["--processes", 2, "--window-counts", "deliveries"]
        figures = played(name, "--url", forgetful.url, "--window", 2, *options)
        assert figures["window_counts"] == "deliveries"

    @pytest.mark.parametrize("name", ["churn", "storm"])
    def test_is_driven_over_trio_websocket_and_all_see_the_same(
        self, forgetful: ServerProcess, name: str
    ) -> None:
        options = ["--processes", 2, "--wire", "raw,trio-websocket"]
        figures = played(name, "--url", forgetful.url, *options)
        assert figures["wires"] == ["raw", "trio-websocket"]
        if name == "storm":
            assert figures["reconnects"] == figures["people"]
        else:
            assert figures["rejoins"] > 0

    def test_is_told_of_to_people_and_on_a_page(
        self, forgetful: ServerProcess, tmp_path: Path
    ) -> None:
        page = tmp_path / "report.html"
        server = ["--url", forgetful.url, "--server-pid", forgetful.pid]
        result = load("fanout", *SMALL, "--readers", 5, *server, "--report", page)
        assert result.returncode == 0, result.stdout
        assert "fanout: 5 people, 1 s" in result.stdout
        assert "server CPU a delivery" in result.stdout
        assert "Every message arrived everywhere" in page.read_text()

    def test_which_sends_only_the_end_of_what_was_missed_is_asked_for_the_rest(
        self, forgetful: ServerProcess
    ) -> None:
        """One process plays who leaves for half a second, the other who talks on: they compare what they saw."""
        options = ["--rooms", 1, "--readers", 2, "--rate", 200, "--set", "churn=0"]
        together = ["--processes", 2, "--set", "leaving=4", "--url", forgetful.url]
        figures = played("churn", *options, *together, "--seconds", 2)
        assert figures["resets"] > 0
        assert figures["rejoins"] > 0

    @pytest.mark.parametrize(
        ("spoil", "kinds"),
        [
            (lambda sequence, frame: frame * 2 if sequence == 30 else frame, {"duplicate"}),
            (lambda sequence, frame: frame.replace(b"xxx}", b"xxy}", 1), set()),
            (
                lambda sequence, frame: frame.replace(b"xx", b"xy", 1) if sequence == 30 else frame,
                {"disagree"},
            ),
        ],
        ids=["duplicate", "nothing", "disagree"],
    )
    async def test_that_is_wrong_is_found_out(
        self, forgetful: ServerProcess, spoil: Spoil, kinds: set[str]
    ) -> None:
        options = ("fanout", *SMALL, "--readers", 4, "--json")
        async with spoiled(forgetful.url, spoil) as url:
            result = await trio.to_thread.run_sync(partial(load, *options, "--url", url))
        figures = json.loads(result.stdout)
        assert set(figures["wrong"]) == kinds, figures["anomalies"]
        assert result.returncode == (1 if kinds else 0)
        assert ("anomaly:" in result.stderr) == bool(kinds)

    @pytest.mark.parametrize("wire", ["raw", "trio-websocket"])
    async def test_that_loses_something_is_found_out_whosever_code_reads(
        self, forgetful: ServerProcess, wire: str
    ) -> None:
        options = ("fanout", *SMALL, "--readers", 4, "--json", "--wire", wire)
        async with spoiled(forgetful.url, lambda at, frame: frame * (at != 30)) as url:
            result = await trio.to_thread.run_sync(partial(load, *options, "--url", url))
        assert set(json.loads(result.stdout)["wrong"]) == {"lost"}


class TestAnOverload:
    def test_stores_what_it_accepts_and_refuses_the_rest(
        self, start_server: Callable[..., ServerProcess]
    ) -> None:
        """Ten times the load on a mailbox of five: what was refused is not in the log, what was accepted is."""
        server = start_server(LIMITS__QUEUE_SIZE="5", LIMITS__QUEUE_SHARE="5")
        options = ["--rate", 1000, "--set", "burst_factor=10", "--rooms", 1, "--senders", 4]
        figures = played("burst", "--url", server.url, *options)
        assert figures["refused"].get("QUEUE_FULL", 0) > 0, figures
        assert figures["accepted"] + sum(figures["refused"].values()) == figures["sent"]
        assert any("limits.queue_size" in text for text in figures["advice"])


class TestWhatCannotBePlayed:
    def fails(self, *arguments: object) -> str:
        result = load(*arguments)
        assert result.returncode == 2, result.stdout
        assert "Traceback" not in result.stdout + result.stderr
        return " ".join(result.stdout.split())

    def test_an_unknown_scenario(self) -> None:
        assert "known are: burst, churn, day, fanout" in self.fails("dance")

    def test_parameters_that_make_no_sense(self) -> None:
        assert "rooms has to be at least 1" in self.fails("rooms", "--rooms", 0)
        assert "unknown: roms" in self.fails("rooms", "--set", "roms=3")
        assert "name=value is wanted" in self.fails("rooms", "--set", "rooms")

    def test_a_wire_that_there_is_not(self) -> None:
        said = self.fails("rooms", "--wire", "raw,smoke")
        assert "--wire raw,smoke: it has to be raw or trio-websocket, not 'smoke'" in said

    def test_a_url_where_nobody_is(self) -> None:
        said = self.fails("rooms", "--url", "http://127.0.0.1:9")
        assert "http://127.0.0.1:9 does not answer" in said

    def test_a_url_that_is_none(self) -> None:
        assert "only http://HOST:PORT" in self.fails("rooms", "--url", "https://127.0.0.1:9")

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        said = self.fails("rooms", "--report", tmp_path / "none" / "report.html")
        assert "no such folder" in said

    def test_a_process_that_is_not_there(self, tmp_path: Path) -> None:
        assert "no process 4194305" in self.fails("rooms", "--server-pid", 4194305)

    @pytest.mark.parametrize(
        ("settings", "arguments", "limit"),
        [
            ({"LIMITS__MAX_PARTICIPANTS": "12"}, ["fanout", "--readers", 13], "max_participants"),
            ({"LIMITS__QUEUE_SIZE": "50"}, ["fanout", "--readers", 10], "queue_size"),
            ({"LIMITS__MAX_MESSAGE_SIZE": "50"}, ["fanout", "--readers", 10], "max_message_size"),
            ({"LIMITS__MESSAGE_RATE": "5"}, ["rooms", "--rooms", 2], "message_rate"),
            (
                {"LIMITS__CONNECTIONS_PER_ADDRESS": "3"},
                ["rooms", "--rooms", 2],
                "connections_per_address",
            ),
            ({"AUTH__GUESTS": "false"}, ["rooms", "--rooms", 2], "auth.guests"),
        ],
    )
    def test_a_server_with_low_limits_which_says_what_to_lift(
        self,
        start_server: Callable[..., ServerProcess],
        settings: dict[str, str],
        arguments: list[object],
        limit: str,
    ) -> None:
        server = start_server(**{"LIMITS__MESSAGE_BURST": "5", **settings})
        said = self.fails(*arguments, "--url", server.url, "--set", "warm_up=1", "--seconds", 1)
        assert limit in said
