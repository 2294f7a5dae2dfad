"""The commands of docs/deploying.md, run as they stand there, where they need neither Docker nor root."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from salon.web.commands.checkup import CHECKS
from tests import processes
from tests.image import ROOT
from tests.unit.stores import filled, holds

PAGE = ROOT / "docs" / "deploying.md"
# By test_composition.py and test_unit.py, which make release-check runs.
ELSEWHERE = ("docker", "python3", "/opt/salon/bin/", "mkdir", "cp", "systemctl", "export")


def commands() -> list[str]:
    """Every command of the page, without what is said about it."""
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = (line.partition(" # ")[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


def test_the_commands_work_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    history = filled(tmp_path / "salon.db")
    (tmp_path / "salon.yaml").write_text("auth: {guests: false}\n")
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    run = [shlex.split(line) for line in commands() if line.startswith("salon ")]
    for program, command, *words in run:
        assert program == "salon"
        done = processes.run([command, *words], env=environment)
        expected = {0, 1} if command == "doctor" else {0}  # what the machine is like is not tried
        assert done.returncode in expected, (command, done.stderr)
        assert "Traceback" not in done.stderr
    assert [words[1] for words in run] == [
        "doctor",
        "backup",
        "restore",
        "upgrade",
        "export",
        "import",
    ]
    for name in ("salon.db", "elsewhere.db"):
        assert holds(tmp_path / name, history)
    assert len(list(tmp_path.glob("salon.db.before-*"))) == 1


def test_each_other_command_is_run_elsewhere() -> None:
    others = [line for line in commands() if not line.startswith("salon ")]
    assert others
    for line in others:
        words = [word for word in shlex.split(line) if not re.match(r"\w+=", word)]
        assert words[0].startswith(ELSEWHERE), line


def test_the_files_that_the_page_names_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE.read_text()):
        assert (PAGE.parent / target).exists(), target


def test_the_page_has_a_row_for_each_kind_of_finding() -> None:
    rows = re.findall(
        r"^\| .* \| .* \|$", PAGE.read_text().partition("## Backups")[0], re.MULTILINE
    )
    assert len(rows) > len(CHECKS)
    text = PAGE.read_text()
    for setting in ("auth.static_tokens", "server.public_url", "auth.key_file", "LimitNOFILE"):
        assert f"`{setting}`" in text
