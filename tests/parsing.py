"""A fault of CPython 3.11 kept out of the tests: `ast.parse` may fail where the garbage collector runs in the midst of it.

While the interpreter makes Python objects of a syntax tree it counts how deep it is, in one counter for all. If the collector
runs meanwhile and something that it calls, or another thread, makes a tree too, the count is off, and the outer call raises
`SystemError: AST constructor recursion depth mismatch`. The source is fine and the next call mostly succeeds. Hypothesis
parses the source of lambdas in order to describe them, so that any of its tests can meet this.

As a script it runs a module with the mend: `python -P tests/parsing.py schemathesis.cli WORDS`.
"""

from __future__ import annotations

import ast
import runpy
import sys
from functools import wraps
from typing import Any

FAULT = "AST constructor recursion depth mismatch"
TRIES = 10


def mend() -> None:
    """Have `ast.parse` try again where it meets the fault; every other error is raised as it is."""
    if not hasattr(ast.parse, "__wrapped__"):
        ast.parse = _trying_again(ast.parse)


def _trying_again(parse: Any) -> Any:
    @wraps(parse)
    def parse_again(*arguments: Any, **options: Any) -> Any:
        for _ in range(TRIES - 1):
            try:
                return parse(*arguments, **options)
            except SystemError as error:
                if FAULT not in str(error):
                    raise
        return parse(*arguments, **options)

    return parse_again


if __name__ == "__main__":
    mend()
    del sys.argv[0]  # what is left is the module's name, in place of its path, and its words
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
