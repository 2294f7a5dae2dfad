"""`make quick`: the unit tests of what has changed, and the lint of it, in half a minute and without an installation.

Git says what has changed. A test file is run if it imports that, at whatever distance: the nearest first, as many as fit
into `BUDGET` by the time that each took before. The rest is for `make test`. `make quick T=name` runs the tests of one name.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("actors", "loadtests", "persistence", "web")
ENVIRONMENT = Path(sys.prefix)
PATH = ENVIRONMENT / "quick"  # first on the import path: there `salon` is the checkout
SECONDS = PATH / "seconds.json"  # by test file, as it took the last time
BUDGET = 18.0  # seconds of tests, for two processes beside mypy, which takes twelve where all has changed
UNKNOWN = 2.0  # seconds of a file that was never run
OF_THE_WHEEL = {"tests/unit/test_packaging.py"}


def main() -> int:
    """The exit code."""
    began = time.monotonic()
    link()
    name = os.environ.get("T", "")
    if name:
        plain = name.isidentifier()
        of_it = [file for file in unit_tests() if not plain or name in file or name in read(file)]
        return run(of_it, "-k", name)
    files = changed()
    linting = lint([file for file in files if file.endswith(".py") and (ROOT / file).exists()])
    chosen, left_out = select(files)
    say(
        f"{len(files)} files have changed: {len(chosen)} test files, {len(left_out)} left to make test"
    )
    sharing = ("--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder")
    code = run(chosen, *sharing) if chosen else 0
    codes = [code, *(finish(each) for each in linting)]
    say(f"{time.monotonic() - began:.1f} s")
    return max(codes)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def link() -> None:
    """Make `salon` below PATH: the checkout's folders, with the page of the wheel, which is built."""
    salon = PATH / "salon"
    salon.mkdir(parents=True, exist_ok=True)
    for folder in FOLDERS:
        if folder != "web":
            place(salon / folder, ROOT / folder)
    (page,) = ENVIRONMENT.glob("lib/python3*/site-packages/salon/web/static/page")
    static = salon / "web" / "static"
    static.mkdir(parents=True, exist_ok=True)
    for there in [*(ROOT / "web").iterdir()]:
        if there.name != "static":
            place(salon / "web" / there.name, there)
    for there in (ROOT / "web" / "static").iterdir():
        if there.name != "page":
            place(static / there.name, there)
    place(static / "page", page)
    for folder in (salon / "web", static):
        for each in folder.iterdir():
            if each.is_symlink() and not each.exists():
                each.unlink()


def place(link: Path, target: Path) -> None:
    if not link.is_symlink() or link.readlink() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def changed() -> list[str]:
    """What differs from the main branch, committed or not; where nothing does, what the last commit changed."""
    base = next((b for b in map(merge_base, ("origin/main", "main")) if b), "HEAD")
    files = {*git("diff", "--name-only", base), *git("ls-files", "--others", "--exclude-standard")}
    return sorted(files or git("diff", "--name-only", "HEAD^"))


def merge_base(branch: str) -> str:
    return "".join(git("merge-base", "HEAD", branch)[:1])


def git(*words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[:-1]


def select(files: Iterable[str]) -> tuple[list[str], list[str]]:
    """The test files to run, the longest first so that both processes end together, and those that would be too much."""
    distance = distances(files)
    tests = [file for file in unit_tests() if file in distance and file not in OF_THE_WHEEL]
    seconds = json.loads(SECONDS.read_text()) if SECONDS.exists() else {}
    tests.sort(key=lambda file: (distance[file], seconds.get(file, UNKNOWN)))
    chosen: list[str] = []
    spent = 0.0
    for file in tests:
        spent += seconds.get(file, UNKNOWN)
        if spent <= BUDGET or not chosen:
            chosen.append(file)
    chosen.sort(key=lambda file: -seconds.get(file, UNKNOWN))
    return chosen, [file for file in tests if file not in chosen]


def distances(files: Iterable[str]) -> dict[str, int]:
    """How many imports each file is away from what has changed. A file that is no Python is used where it is named."""
    importers: dict[str, set[str]] = defaultdict(set)
    reached = dict.fromkeys(files, 0)
    for file in sources():
        for imported in imports(file, reached):
            importers[imported].add(file)
    if any(Path(file).name == "conftest.py" for file in reached):
        reached |= dict.fromkeys(unit_tests(), 1)
    for file in [each for each in reached if not each.endswith(".py")]:
        name = Path(file).name
        reached |= {test: 1 for test in unit_tests() if name in read(test)}
    edge = [file for file in reached if file.endswith(".py")]
    while edge:
        found = {user for file in edge for user in importers[file] if user not in reached}
        reached |= {
            user: 1 + min(reached[f] for f in edge if user in importers[f]) for user in found
        }
        edge = list(found)
    return reached


def sources() -> Iterator[str]:
    for folder in (*FOLDERS, "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            if "node_modules" not in path.parts:
                yield str(path.relative_to(ROOT))


def imports(file: str, gone: Container[str]) -> Iterator[str]:
    """The files of the checkout that a file imports; also one that is `gone`, which has been deleted."""
    package = [*Path(file).parts[:-1]]
    for node in ast.walk(ast.parse(read(file))):
        if isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".") if node.module else []
            if node.level:
                base = package[: len(package) - node.level + 1] + base
            elif base[:1] == ["salon"]:
                base = base[1:]
            elif base[:1] != ["tests"]:
                continue
            for alias in node.names:
                yield from as_file([*base, alias.name], gone)
            yield from as_file(base, gone)


def as_file(parts: list[str], gone: Container[str]) -> Iterator[str]:
    path = "/".join(parts)
    for file in (f"{path}.py", f"{path}/__init__.py"):
        if parts and ((ROOT / file).exists() or file in gone):
            yield file


def unit_tests() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/unit").glob("test_*.py"))


def read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def lint(files: list[str]) -> list[subprocess.Popen[str]]:
    """What `make lint` says of these files, and of the types of all, which know what they knew the last time."""
    tools = ENVIRONMENT / "bin"
    types = [tools / "mypy", "--cache-dir", PATH / "mypy", *(f"-psalon.{name}" for name in FOLDERS)]
    commands: list[list[Any]] = [types] if files else []
    if files:
        commands += [
            [tools / "ruff", "check", *files],
            [tools / "ruff", "format", "--check", *files],
        ]
    environment = {**os.environ, "MYPYPATH": str(PATH), "PYTHONPATH": str(PATH)}
    return [
        subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for command in commands
    ]


def finish(process: subprocess.Popen[str]) -> int:
    said, _ = process.communicate()
    if process.returncode:
        say(said)
    return process.returncode


def run(files: list[str], *options: str) -> int:
    """Run test files on the checkout, and note how long each took."""
    if not files:
        say("no unit test has this in its text")
        return 1
    os.environ["PYTHONPATH"] = str(PATH)  # for the processes that tests start
    sys.path.insert(0, str(PATH))
    os.chdir(ROOT)
    stopwatch = Stopwatch()
    code = int(pytest.main(["-q", *options, *files], plugins=[stopwatch]))
    stopwatch.save()
    return code


class Stopwatch:
    """Adds up what each test file took."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One step of one test is over."""
        self._seconds[report.nodeid.partition("::")[0]] += report.duration

    def save(self) -> None:
        """Keep it for the next time."""
        before = json.loads(SECONDS.read_text()) if SECONDS.exists() else {}
        kept = (
            before
            if os.environ.get("T")
            else before | {f: round(s, 2) for f, s in self._seconds.items()}
        )
        SECONDS.write_text(json.dumps(kept))


if __name__ == "__main__":
    sys.exit(main())
