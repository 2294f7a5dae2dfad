"""`salon prove`: tries every promise about reliability, and prints one table of the losses, which are to be none."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from . import table as proof
from .table import Outcome, Row

LONGEST = 900.0  # seconds for one trial: several times its duration on a busy machine
SHOWN = 2_000  # characters shown of a failed trial's output
NOT_HERE = "needs a checkout and its test environment: make prove"


@dataclass(frozen=True, slots=True)
class Trial:
    """One promise, the commands that try it in full and at CI size, and the function that reads their output."""

    name: str
    promise: str
    full: str
    small: str
    judge: Callable[[str], Outcome]
    settings: dict[str, str] = field(default_factory=dict)  # environment variables, in full size
    small_settings: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()  # modules without which it is left out

    def command(self, *, small: bool) -> str:
        """The command line that runs this trial alone."""
        settings = self.small_settings if small else self.settings
        words = [f"{name}={value}" for name, value in settings.items()]
        return " ".join([*words, self.small if small else self.full])


# Half of the people use another project's frame code, so that a fault of salon's own load code cannot hide one of the server.
TWO_WIRES = "--processes 2 --wire raw,trio-websocket"
SLOW_PEOPLE = {"SALON_LIMITS__MESSAGE_RATE": "5", "SALON_LIMITS__MESSAGE_BURST": "5"}
TRIALS = [
    Trial(
        "simulation",
        "every order of events and every fault, from a seed, in virtual time",
        "salon simulate --seeds 200 --json",
        "salon simulate --seeds 20 --json",
        proof.of_simulation,
    ),
    Trial(
        "mutants",
        "the simulation notices bugs that were put in on purpose",
        "salon simulate --mutants --json",
        "salon simulate --mutants --json",
        proof.of_mutants,
    ),
    Trial(
        "kills",
        "a real server on SQLite, killed under load over a bad network",
        "salon crash --kills 50 --json",
        "salon crash --kills 5 --json",
        proof.of_kills,
    ),
    Trial(
        "cluster",
        "three real nodes on PostgreSQL and NATS: killed, paused, cut off, stopped; databases and NATS restarted",
        "salon crash --cluster --kills 22 --json",
        "salon crash --cluster --kills 2 --kind owner --kind leave --json",
        proof.of_cluster,
        needs=("psycopg", "msgspec"),
    ),
    Trial(
        "storm",
        "everybody drops at once and comes back",
        f"salon load storm {TWO_WIRES} --serve --json",
        f"salon load storm --rooms 25 --seconds 5 {TWO_WIRES} --serve --json",
        proof.of_load,
    ),
    Trial(
        "churn",
        "connections are lost, people leave and join again while others talk",
        f"salon load churn --seconds 10 {TWO_WIRES} --serve --json",
        f"salon load churn --rooms 10 --seconds 4 {TWO_WIRES} --serve --json",
        proof.of_load,
    ),
    Trial(
        "slow",
        "20 of 100 never read",
        f"salon load slow --seconds 8 {TWO_WIRES} --serve --json",
        f"salon load slow --seconds 4 {TWO_WIRES} --serve --json",
        proof.of_load,
    ),
    Trial(
        "burst",
        "ten times the load for a while",
        f"salon load burst {TWO_WIRES} --serve --json",
        f"salon load burst --seconds 5 --set burst_from=1 --set burst_until=3 {TWO_WIRES} --serve --json",
        proof.of_load,
    ),
    Trial(
        "overload",
        "ten times what is let through, by people who come back when they are told",
        f"salon load overload {TWO_WIRES} --serve --json",
        f"salon load overload --seconds 5 --set burst_from=1 --set burst_until=2 {TWO_WIRES} --serve --json",
        proof.of_overload,
        SLOW_PEOPLE,
        SLOW_PEOPLE,
    ),
    Trial(
        "queue",
        "ten times what a conversation can take, in virtual time: goodput, first retries, nobody starves",
        "pytest -q tests/unit/test_overload.py tests/unit/test_reservations.py",
        "pytest -q tests/unit/test_reservations.py",
        proof.of_tests,
    ),
    Trial(
        "disk",
        "ten times what a slow disk takes, for ten seconds, by people who come back when they are told",
        "pytest -q tests/reliability/test_overload.py -k disk",
        "pytest -q tests/reliability/test_overload.py -k disk",
        proof.of_tests,
        {"SALON_TEST_BURST": "10"},
    ),
    Trial(
        "neighbours",
        "a conversation of 10 at ten times its rate, beside 1,000 others",
        "pytest -q tests/reliability/test_overload.py -k neighbours",
        "pytest -q tests/reliability/test_overload.py -k neighbours",
        proof.of_tests,
        {"SALON_TEST_NEIGHBOURS": "1000"},
    ),
    Trial(
        "lagging",
        "200 who stop reading: bounded, the others unchanged, equal in the end",
        "pytest -q tests/reliability/test_lagging.py tests/reliability/test_stuck_reader.py",
        "pytest -q tests/reliability/test_lagging.py",
        proof.of_tests,
    ),
    Trial(
        "drain",
        "SIGTERM: accepted is committed, each socket is told its own time to come back",
        "pytest -q tests/reliability/test_drain.py",
        "pytest -q tests/reliability/test_drain.py",
        proof.of_tests,
        {"SALON_TEST_SOCKETS": "3000"},
    ),
    Trial(
        "resume",
        "back after 0, 1 and 100,000 events, on the same, a restarted and a killed server",
        "pytest -q tests/reliability/test_resume.py",
        "pytest -q tests/reliability/test_resume.py",
        proof.of_tests,
        {"SALON_TEST_MISSED": "100000"},
    ),
    Trial(
        "presence",
        "presence never sticks and never flaps",
        "pytest -q tests/reliability/test_presence.py",
        "pytest -q tests/reliability/test_presence.py",
        proof.of_tests,
    ),
    Trial(
        "text",
        "4,947 hostile strings as titles, names and messages: each stands there as it was written, and does nothing",
        "pytest -q tests/e2e/test_xss.py",
        "pytest -q tests/e2e/test_xss.py",
        proof.of_tests,
        {"SALON_TEST_STRINGS": "1"},
    ),
    Trial(
        "changes",
        "10,000 histories of edits, deletions, reactions and threads: live, pages and both stores agree; deleted is gone",
        "pytest -q tests/unit/test_changes.py tests/reliability/test_deleted.py",
        "pytest -q tests/unit/test_changes.py tests/reliability/test_deleted.py",
        proof.of_tests,
        {"SALON_TEST_HISTORIES": "10000"},
    ),
    Trial(
        "conformance",
        "the Autobahn cases, any bytes against wsproto, any request of the OpenAPI document",
        "pytest -q tests/integration/test_autobahn.py tests/integration/test_schemathesis.py tests/unit/test_websocket.py"
        " tests/unit/test_request_heads.py tests/unit/test_connection.py tests/unit/test_interleavings.py",
        "pytest -q tests/integration/test_autobahn.py tests/unit/test_websocket.py",
        proof.of_tests,
        {"SALON_TEST_EXAMPLES": "all"},
    ),
]
NAMES = ", ".join(trial.name for trial in TRIALS)


def prove(
    small: Annotated[
        bool, typer.Option("--small", help="small sizes: a few minutes, not ten")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help=f"one trial; may be repeated: {NAMES}")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="write the table as a page, too")] = None,
) -> None:
    """Try the promises; exit 0 if all were tried and nothing is lost, 1 if not, 2 if they cannot be tried."""
    console = Console(highlight=False, soft_wrap=False)
    unknown = set(only or ()) - {trial.name for trial in TRIALS}
    if unknown:
        console.print(
            f"[red]error:[/] there is no {', '.join(sorted(unknown))}; known are: {NAMES}"
        )
        raise typer.Exit(2)
    chosen = [trial for trial in TRIALS if not only or trial.name in only]
    rows = []
    for number, trial in enumerate(chosen, 1):
        with console.status(f"{number} of {len(chosen)}, {trial.name}: {trial.promise}"):
            rows.append(attempt(trial, small=small))
        _tell(console, rows[-1])
        if page is not None:  # after each trial, so that an interrupted run leaves its results
            page.write_text(proof.page(rows, small=small), encoding="utf-8")
    console.print(proof.table(rows))
    raise typer.Exit(0 if all(row.well for row in rows) else 1)


def attempt(trial: Trial, *, small: bool) -> Row:
    """Run one trial in a process of its own; without tests or on failure the row says why there is no outcome."""
    command = trial.command(small=small)
    words = (trial.small if small else trial.full).split()
    if words[0] == "pytest" and not _has_tests(words):
        return Row(trial.name, trial.promise, command, 0.0, None, NOT_HERE, left_out=True)
    if missing := [name for name in trial.needs if importlib.util.find_spec(name) is None]:
        why = f"needs {' and '.join(missing)}: pip install 'salon[cluster]'"
        return Row(trial.name, trial.promise, command, 0.0, None, why, left_out=True)
    modules = {"salon": "salon.web.cli", "pytest": "pytest"}
    settings = trial.small_settings if small else trial.settings
    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", modules[words[0]], *words[1:]],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        outcome, why = None, f"it took longer than {LONGEST:g} s"
    else:
        outcome, why = _read(trial, done)
    return Row(trial.name, trial.promise, command, time.monotonic() - began, outcome, why)


def _has_tests(words: list[str]) -> bool:
    """Whether this is a checkout whose tests can be run here."""
    files = [word for word in words if word.endswith(".py")]
    return importlib.util.find_spec("pytest") is not None and all(map(os.path.exists, files))


def _read(trial: Trial, done: subprocess.CompletedProcess[str]) -> tuple[Outcome | None, str]:
    """The outcome and an explanation. A non-zero exit code counts as a failure even if the figures show no loss."""
    said = (done.stdout[-SHOWN:] + done.stderr[-SHOWN:]).strip()
    try:
        outcome = trial.judge(done.stdout)
    except (ValueError, KeyError, TypeError, IndexError):
        return None, f"exit {done.returncode}: {said}"
    if done.returncode and not outcome.lost:
        return None, f"exit {done.returncode}: {said}"
    return outcome, said if outcome.lost else ""


def _tell(console: Console, row: Row) -> None:
    if row.outcome is None:
        verdict = "left out" if row.left_out else "[red]NOT TRIED[/]"
        console.print(f"{row.name}: {verdict}", row.why, soft_wrap=True)
        return
    mark = "" if row.well else "[red]NOT WELL[/] "
    console.print(
        f"{row.name}: {mark}{row.outcome.tried}; {row.outcome.lost:,} lost; {row.seconds:.0f} s",
        soft_wrap=True,
    )
    if row.why:
        console.print(row.why, markup=False, soft_wrap=True)
