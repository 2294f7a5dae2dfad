"""The simulator as CI runs it: seeds that must all be well, the same everywhere, and bugs on purpose that must be caught."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from salon.loadtests.checker.history import (
    Delivery,
    Disconnect,
    Erased,
    Note,
    Received,
    Record,
)
from salon.loadtests.simulator import campaign, command
from salon.loadtests.simulator.mutant import CLUSTER_MUTANTS, MUTANTS, mutated
from salon.loadtests.simulator.plan import Plan
from salon.loadtests.simulator.trial import Trial
from tests import processes
from tests.reliability import caught

pytestmark = pytest.mark.timeout(600)  # seconds: a bound for a machine with other work on it

SEEDS = 3  # `make prove` plays 200
MOST = 24  # seeds within which all that the simulation is for has happened
SHARE = 4  # of so many mutants one is played; `make prove` plays all of them, in whole seeds

HAPPENS = {
    "lagging",
    "message_ack",
    "change_ack",
    "refused MESSAGE_DELETED",
    "refused REVISION_CONFLICT",
    "resume reset",
    "resume fresh",
    "refused KEY_REUSED",
    "refused NOT_PARTICIPANT",
    "refused QUEUE_FULL",
    "refused RATE_LIMITED",
    "refused STORE_UNAVAILABLE",
    "closed Left conversation",
    "closed the conversation was restarted",
    "closed the participant was restarted",
    "told to come back",
    "the server was killed or has ended",
    "closed identity revoked",
    "closed identity expired",
    "erased",
    "delivered",
    "refused by a backend",
    "refused LEGAL_HOLD",
}


def salon(
    *words: object, seconds: float = 580, **environment: str
) -> subprocess.CompletedProcess[str]:
    if not environment:
        return processes.run(words, timeout=seconds)
    return subprocess.run(
        [sys.executable, "-m", "salon.web.cli", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env={**os.environ, **environment},
    )


def figures(result: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    assert result.returncode == code, result.stdout + result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_whatever_goes_wrong_nothing_is_lost_and_everybody_ends_equal(
    tell: Callable[[str], None],
) -> None:
    found = figures(salon("simulate", "--seeds", SEEDS, "--processes", 1, "--json"))
    assert found["seeds"] == SEEDS
    assert found["anomalies"] == 0
    assert found["failures"] == []
    assert found["operations"] > 100 * SEEDS
    tell(
        f"simulated {found['simulated_hours']} hours, {found['operations']:,} operations, "
        f"{found['seeds_per_second']} seeds/s, {found['speedup']:,.0f} times real time"
    )


def test_what_the_simulation_is_for_happens_in_it() -> None:
    wanted = set(HAPPENS)
    for seed in range(1, MOST + 1):
        trial = Trial(Plan.of(seed), keep=True)
        assert not trial.play().anomalies
        wanted.difference_update(word for record in trial.kept for word in words_of(record))
        if not wanted:
            break
    assert wanted == set()


def words_of(record: Record) -> list[str]:
    """What a record shows to have happened."""
    match record:
        case Received(frame={"type": "error", "code": code}):
            return [f"refused {code}"]
        case Received(frame={"type": "connected", "resume": resume}):
            return [f"resume {resume}"]
        case Received(frame={"type": kind}):
            return [kind]
        case Disconnect(code=4000):
            return ["told to come back"]
        case Disconnect(reason=reason):
            return [f"closed {reason}"]
        case Note(text=text):
            return [text]
        case Erased():
            return ["erased"]
        case Delivery(taken=False):
            return ["refused by a backend"]
        case Delivery():
            return ["delivered"]
    return []


def test_a_bug_on_purpose_is_caught(tell: Callable[[str], None]) -> None:
    known = caught.kept()
    played = list(MUTANTS)[::SHARE]
    found = {name: caught.catch(name, known.get(name)) for name in played}
    assert [name for name, (is_caught, _) in found.items() if not is_caught] == []
    assert len(found) >= 20
    searched = [name for name, (_, was_known) in found.items() if not was_known]
    tell(f"{len(found)} mutants caught, {len(found) - len(searched)} of them by a few steps")
    if searched:
        tell(f"whole seeds were played for {', '.join(searched)}: see {caught.__file__}")


def test_each_bug_on_purpose_finds_what_it_changes() -> None:
    for name, make in (MUTANTS | CLUSTER_MUTANTS).items():
        target, attribute, _ = make()
        real = target.__dict__[attribute]
        with mutated(name):
            assert target.__dict__[attribute] is not real, name
        assert target.__dict__[attribute] is real, name


def test_the_command_hunts_bugs_and_says_what_it_has_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "HUNTED", 1)
    # None changes nothing, so that nothing can be caught.
    for names, code in (["deliver-before-commit"], 0), (["deliver-before-commit", None], 1):
        monkeypatch.setattr(campaign, "MUTANTS", names)
        with pytest.raises(typer.Exit) as ended:
            command.simulate(mutants=True, json_=True, processes=1)
        assert ended.value.exit_code == code
        said = json.loads(capsys.readouterr().out)
        assert said["missed"] == names[1:]
        assert (said["mutants"], said["caught"]) == (len(names), 1)
        assert said["caught_by_seed"] == {"deliver-before-commit": 1}


def test_a_seed_is_the_same_run_in_every_process() -> None:
    words = ("simulate", "--first", 3, "--seeds", 2, "--json")  # short ones
    one = salon(*words, "--processes", 1, PYTHONHASHSEED="1")
    two = salon(*words, "--processes", 2, PYTHONHASHSEED="2")
    first, second = figures(one), figures(two)
    assert first["digest"] == second["digest"]
    assert first["operations"] == second["operations"]
    other = figures(salon("simulate", "--first", 1, "--seeds", 1, "--processes", 1, "--json"))
    assert other["digest"] != first["digest"], "other seeds are other runs"


def test_hours_are_simulated_hours_in_all() -> None:
    found = figures(salon("simulate", "--first", 3, "--hours", 0.4, "--processes", 1, "--json"))
    assert 0.4 <= found["simulated_hours"] < 1.0
    assert 1 < found["seeds"] < 6


def test_a_failing_seed_is_shrunk_and_the_printed_command_repeats_it() -> None:
    mutant = "catch-up-from-before-one-came"  # one step is enough to see it
    failed = salon("simulate", "--seed", 4, "--mutant", mutant)
    assert failed.returncode == 1, failed.stdout
    line = next(line for line in failed.stdout.splitlines() if line.startswith("to repeat it: "))
    _, *words = shlex.split(line.removeprefix("to repeat it: "))
    assert "--steps" in words
    again = figures(salon(*words, "--json"), code=1)
    assert again["anomalies"] > 0
    numbers = next(line for line in failed.stdout.splitlines()[::-1] if "failed, with" in line)
    assert int(numbers.split()[-2]) <= 6, "a few steps are left of dozens"
    without = [word for word in words if word not in (mutant, "--mutant")]
    assert figures(salon(*without, "--json"))["anomalies"] == 0, "the bug is what fails"


def test_the_history_of_a_run_is_one_that_check_judges(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    figures(salon("simulate", "--seed", 3, "--history", path, "--json"))
    report = figures(salon("check", path, "--json"))
    assert report["good"]
    assert report["delivered"] > 100


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mutant", "none-such"], "there is no mutant none-such"),
        (["--steps", "1-3"], "name it with --seed"),
        (["--seed", "1", "--steps", "one"], "numbers and ranges are wanted"),
        (["--seed", "1", "--history", "/no/such/folder/h"], "there is no such folder"),
    ],
)
def test_what_cannot_be_tried_is_said(words: list[str], said: str) -> None:
    result = salon("simulate", *words)
    assert result.returncode == 2
    assert said in " ".join(result.stdout.split())
