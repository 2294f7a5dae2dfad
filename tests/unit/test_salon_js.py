"""The decisions of salon.js, by node's own test runner: each file of salon_js/ is a test here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.node import NODE

FILES = sorted(Path(__file__).with_name("salon_js").glob("*.test.mjs"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".test.mjs"))
def test_the_rules_hold(file: Path) -> None:
    command = [NODE, "--no-warnings", "--test", "--test-reporter=spec", file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_rules() -> None:
    assert len(FILES) >= 4
