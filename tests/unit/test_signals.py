"""Tests that were started with signals ignored start children that hear them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = "import signal; print(*(signal.getsignal(n).__class__.__name__ for n in (2, 15)), signal.getsignal(15).name)"
PARENT = """
import os, signal, subprocess, sys
from tests.signals import let_children_hear
let_children_hear()
os.kill(os.getpid(), int(sys.argv[2]))  # has no effect on the tests themselves
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_children_of_tests_in_the_background_hear_signals(number: signal.Signals) -> None:
    ignoring = "trap '' INT TERM; exec \"$@\""
    command = ["sh", "-c", ignoring, "sh", sys.executable, "-c", PARENT, SHOW, str(int(number))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    # Python answers Ctrl-C where it is not ignored, and leaves SIGTERM alone.
    assert done.stdout.split() == ["builtin_function_or_method", "Handlers", "SIG_DFL"]
