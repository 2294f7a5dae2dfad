"""The mend for `ast.parse` under a garbage collector that runs in the midst of it."""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.internal.lambda_sources import _lambda_description

from tests import parsing

LONG = "f = lambda x: x\n" * 200


@contextmanager
def collecting() -> Iterator[list[str]]:
    """The collector runs all the time, and the first time something parses in it: what hypothesis' tests do by chance."""
    parsed: list[str] = []

    def parse(phase: str, info: dict[str, int]) -> None:
        if not parsed:
            parsed.append(phase)
            ast.parse("x = [1, (2, 3)]")

    before = gc.get_threshold()
    gc.callbacks.append(parse)
    gc.set_threshold(20)
    try:
        yield parsed
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(parse)


def test_source_is_parsed_though_the_collector_parses_something_meanwhile() -> None:
    with collecting() as parsed:
        tree = ast.parse(LONG)
    assert parsed
    assert len(tree.body) == 200


def test_hypothesis_describes_a_lambda_where_the_interpreter_fails_at_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_once(monkeypatch, f"{parsing.FAULT} (before=9, after=17)")
    assert _lambda_description(lambda x: x + 1) == "lambda x: x + 1"
    assert "lambda" in repr(st.integers().map(lambda number: number * 2))


def test_any_other_error_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_once(monkeypatch, "something else")
    with pytest.raises(SystemError, match="something else"):
        ast.parse("x")
    with pytest.raises(SyntaxError):
        ast.parse("x =")


def test_an_interpreter_that_always_fails_is_not_asked_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def fail(*_: Any, **__: Any) -> Any:
        calls.append(1)
        raise SystemError(parsing.FAULT)

    monkeypatch.setattr(ast, "parse", fail)
    parsing.mend()
    with pytest.raises(SystemError):
        ast.parse("x")
    assert len(calls) == parsing.TRIES


def fail_once(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let the interpreter's own `parse` fail the first time, below the mend."""
    real, failed = ast.parse.__wrapped__, []  # type: ignore[attr-defined]

    def parse(*arguments: Any, **options: Any) -> Any:
        if not failed:
            failed.append(1)
            raise SystemError(text)
        return real(*arguments, **options)

    monkeypatch.setattr(ast, "parse", parse)
    parsing.mend()


def test_a_module_is_run_with_the_mend_and_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "shown.py").write_text(
        "import ast, sys\nprint(hasattr(ast.parse, '__wrapped__'), *sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", parsing.__file__, "shown", "--a", "b"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "--a", "b"]
