"""`salon prove`: reads what its trials print, and believes none that says that not all is well."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from salon.loadtests.proof import command as prove
from salon.loadtests.proof import table as proof
from salon.loadtests.proof.command import TRIALS, Trial, attempt
from salon.loadtests.proof.table import Outcome, Row
from salon.web.cli import app

PYTEST = """....
=================================== figures ====================================
200 who do not read: 269 KB wait for each
another figure
{summary}
"""
LOAD = {
    "deliveries": 10,
    "accepted": 5,
    "stored": 5,
    "wrong": {},
    "well": True,
    "delivery_ms": {"p99": 4.2},
    "reconnects": 0,
    "rejoins": 0,
    "lagging": 3,
    "refused": {},
    "put_off": 100,
    "first_retry": 99,
    "server_memory": 2**21,
    "memory_before": 2**20,
}


def command_of(name: str) -> typer.core.TyperCommand:
    """A subcommand of `salon`, its own or another package's."""
    group = get_command(app)
    found = group.get_command(typer.Context(group), name)  # type: ignore[attr-defined]
    assert found is not None, f"there is no salon {name}"
    return found  # type: ignore[no-any-return]


def trial(code: str) -> Trial:
    """One whose command is this, run as `salon`'s would be."""
    return Trial("mine", "a promise", code, code, proof.of_load)


def test_every_command_of_every_trial_exists() -> None:
    root = Path(__file__).parents[2]
    for each in TRIALS:
        for command in (each.full, each.small):
            words = shlex.split(command)
            if words[0] == "salon":
                options = {
                    o for p in command_of(words[1]).params for o in (*p.opts, *p.secondary_opts)
                }
                assert {word for word in words if word.startswith("--")} <= options, command
            else:
                assert words[0] == "pytest"
                assert all((root / word).is_file() for word in words if word.endswith(".py")), (
                    command
                )


def test_names_are_unique_and_every_small_trial_is_the_same_kind_of_command() -> None:
    assert len({each.name for each in TRIALS}) == len(TRIALS)
    for each in TRIALS:
        assert each.full.split()[:2] == each.small.split()[:2]


def test_what_the_commands_print_is_read() -> None:
    simulated = {
        "seeds": 1000,
        "simulated_hours": 12.5,
        "operations": 70_000,
        "anomalies": 0,
        "speedup": 1234.5,
    }
    assert proof.of_simulation(json.dumps(simulated)).lost == 0
    assert proof.of_simulation(json.dumps(simulated | {"anomalies": ["x", "y"]})).lost == 2
    assert proof.of_mutants(json.dumps({"mutants": 12, "caught": 12, "missed": []})).lost == 0
    assert proof.of_mutants(json.dumps({"mutants": 12, "caught": 11, "missed": ["m"]})).lost == 1
    kills = {"kills": 5, "acknowledged": 70, "lost": 1, "duplicated": 2, "gaps": 3}
    assert proof.of_kills("noise before\n" + json.dumps(kills)).lost == 6


def test_a_load_that_was_not_well_is_no_proof() -> None:
    assert proof.of_load(json.dumps(LOAD)) == Outcome(
        "10 deliveries, 5 accepted, 5 stored", 0, "p99 4 ms, 3 fell behind"
    )
    assert proof.of_load(json.dumps(LOAD | {"wrong": {"lost": 2}, "well": False})).lost == 2
    assert proof.of_load(json.dumps(LOAD | {"well": False})).lost == 1


def test_those_who_obeyed_in_vain_are_counted_where_they_are_more_than_one_in_a_hundred() -> None:
    assert proof.of_overload(json.dumps(LOAD)).lost == 0
    assert proof.of_overload(json.dumps(LOAD | {"first_retry": 98})).lost == 2
    assert "99.0%" in proof.of_overload(json.dumps(LOAD)).figures


def test_tests_that_failed_or_were_none_are_no_proof() -> None:
    good = proof.of_tests(PYTEST.format(summary="7 passed in 3.00s"))
    assert good == Outcome(
        "7 tests", 0, "200 who do not read: 269 KB wait for each; another figure"
    )
    assert proof.of_tests(PYTEST.format(summary="2 failed, 5 passed, 1 error in 3.00s")).lost == 3
    assert proof.of_tests("no tests ran in 0.01s").lost == 1
    assert proof.of_tests("1 skipped in 0.01s").lost == 1


def test_a_command_that_cannot_be_run_is_not_taken_for_a_success() -> None:
    row = attempt(trial("salon load nothing-of-this-name --json"), small=True)
    assert row.outcome is None
    assert not row.well
    assert "exit 2" in row.why
    assert "nothing-of-this-name" in row.why


def test_a_command_whose_exit_code_says_no_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def lying(*_: object, **__: object) -> object:
        done = type("Done", (), {})()
        done.stdout, done.stderr, done.returncode = json.dumps(LOAD), "it went wrong", 1
        return done

    monkeypatch.setattr(prove.subprocess, "run", lying)
    row = attempt(trial("salon load storm --json"), small=True)
    assert (row.well, row.outcome) == (False, None)
    assert "it went wrong" in row.why


def test_tests_are_left_out_where_there_is_no_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tests = Trial(
        "mine", "a promise", "pytest -q tests/x.py", "pytest -q tests/x.py", proof.of_tests
    )
    row = attempt(tests, small=False)
    assert (row.outcome, row.left_out, row.well) == (None, True, True)


def test_the_page_has_a_line_for_each_with_its_command() -> None:
    rows = [
        Row("a", "it holds", "salon load storm --json", 1.0, Outcome("10 | 20", 0, "")),
        Row("b", "it does not", "A=1 pytest x.py", 1.0, None, "exit 2: no"),
    ]
    page = proof.page(rows, small=True)
    assert "Made by `salon prove --small` on" in page
    assert "| it holds | 10 \\| 20 | 0 | – | `salon load storm --json` |" in page
    assert "| it does not | not tried | – | exit 2: no | `A=1 pytest x.py` |" in page


def test_the_page_on_reliability_names_trials_and_commands_that_exist() -> None:
    root = Path(__file__).parents[2]
    text = (root / "docs" / "reliability.md").read_text(encoding="utf-8")
    known = {each.name for each in TRIALS}
    named = set(re.findall(r"prove --only ([a-z]+)", text))
    assert named
    assert named <= known
    for name in re.findall(r"salon ([a-z]+) ", text):
        command_of(name)
    for path in re.findall(r"`((?:tests|loadtests|docs|actors|web|persistence)/[\w./-]+)`", text):
        assert (root / path).exists(), path
