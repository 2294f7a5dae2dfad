"""The laws that the source shows: who may import whom, and what the engine must not touch."""

from __future__ import annotations

import ast
import inspect
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pykka
import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("actors", "persistence", "web")

# A lock that has a good reason: (file, name) -> the reason.
LOCKS_ALLOWED: dict[tuple[str, str], str] = {
    ("web/client/loop_thread.py", "asyncio"): "the client's own loop, in a program without one",
    ("web/client/loop_thread.py", "asyncio.get_running_loop"): "ends it without waiting for it",
}

CLOCKS_AND_CHANCE = (
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "os.getrandom",
    "os.urandom",
    "random",
    "secrets",
    "time",
    "uuid",
)
LOCKS = (
    "asyncio",
    "multiprocessing.Condition",
    "multiprocessing.Lock",
    "multiprocessing.RLock",
    "threading.Condition",
    "threading.Lock",
    "threading.RLock",
    "trio.Condition",
    "trio.Lock",
    "trio.StrictFIFOLock",
)


def underscored(kind: type) -> set[str]:
    """The private names that the class defines or uses."""
    nodes = ast.walk(ast.parse(inspect.getsource(kind)))
    names = {getattr(node, "attr", None) or getattr(node, "name", None) or "" for node in nodes}
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


OF_AN_ACTOR = underscored(pykka.Actor)
OF_PYKKA = OF_AN_ACTOR.union(*map(underscored, (pykka.ActorRef, pykka.ActorRegistry, pykka.Future)))


def test_every_import_follows_the_contracts() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


def test_an_import_against_a_contract_is_found(tmp_path: Path) -> None:
    for name in (*FOLDERS, "loadtests"):
        shutil.copytree(ROOT / name, tmp_path / "salon" / name)
    planted = {
        "actors/planted.py": "salon.persistence",
        "persistence/planted.py": "salon.web",
        "web/planted.py": "salon.persistence",
        "web/planted_too.py": "salon.loadtests",
        "loadtests/planted.py": "salon.actors",
        "loadtests/planted_too.py": "salon.web",
        "web/client/planted.py": "salon.web.settings",
        "web/socket/planted.py": "salon.web.http",
        "web/identity/planted.py": "salon.web.socket",
        "web/admin/planted.py": "salon.web.socket.wire",
        "loadtests/users/planted.py": "salon.loadtests.scenarios",
    }
    circle = {
        "persistence/circle.py": "salon.persistence.circle_too",
        "persistence/circle_too.py": "salon.persistence.circle",
    }
    for path, module in (planted | circle).items():
        (tmp_path / "salon" / path).write_text(f"import {module}\n")

    result = lint_imports(tmp_path)

    assert result.returncode == 1
    words = " ".join(result.stdout.split())
    for path, module in planted.items():
        importer = "salon." + path.removesuffix(".py").replace("/", ".")
        assert f"{importer} -> {module} " in words
    assert "No cycles are allowed in salon.persistence." in words


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Lint the `salon` of that folder; where there is none, the installed one."""
    command = Path(sysconfig.get_path("scripts"), "lint-imports")
    return subprocess.run(
        [command, "--no-logo", "--no-cache", "--config", ROOT / "pyproject.toml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def foreign_imports(path: str, tree: ast.Module) -> Iterator[str]:
    """The engine stands on pykka, trio and the standard library; where several nodes talk, also on msgspec."""
    allowed = {"pykka", "salon", "trio", *sys.stdlib_module_names}
    if path.startswith("actors/cluster/"):
        allowed.add("msgspec")
    if path.startswith("actors/"):
        yield from (name for name in uses(tree, typing=True) if name.split(".")[0] not in allowed)


def clocks_and_chance(path: str, tree: ast.Module) -> Iterator[str]:
    """The engine has no clock but trio's and no chance but what it is given."""
    if path.startswith("actors/"):
        yield from (name for name in uses(tree) if within(name, CLOCKS_AND_CHANCE))


def locks(path: str, tree: ast.Module) -> Iterator[str]:
    """State has one owner, so nothing needs a lock; and there is one event loop, trio's."""
    for name in uses(tree):
        if within(name, LOCKS) and (path, name) not in LOCKS_ALLOWED:
            yield name


def pykka_private(path: str, tree: ast.Module) -> Iterator[str]:
    """Only actors/runtime.py touches pykka's underscored names."""
    if path == "actors/runtime.py":
        return
    yield from (
        name for name in uses(tree, typing=True) if within(name, ["pykka"]) and "._" in name
    )
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, value=ast.Name(id="self")):
                # Outside actors/ `self` is no actor, and its names are its own.
                if path.startswith("actors/") and name in OF_AN_ACTOR:
                    yield f"self.{name}"
            case ast.Attribute(attr=name) if name in OF_PYKKA:
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if path.startswith("actors/") and name in OF_AN_ACTOR:
                    yield f"def {name}"


Law = Callable[[str, ast.Module], Iterator[str]]
LAWS: list[Law] = [foreign_imports, clocks_and_chance, locks, pykka_private]


@pytest.mark.parametrize("law", LAWS)
def test_the_law_is_kept(law: Law) -> None:
    breaches = [
        f"{path}: {name}"
        for folder in FOLDERS
        for file in sorted((ROOT / folder).rglob("*.py"))
        for path in [file.relative_to(ROOT).as_posix()]
        for name in law(path, ast.parse(file.read_text()))
    ]
    assert breaches == [], law.__doc__


@pytest.mark.parametrize(
    ("law", "path", "source"),
    [
        (foreign_imports, "actors/x.py", "import quart"),
        (foreign_imports, "actors/x.py", "from sqlalchemy.engine import Engine"),
        (foreign_imports, "actors/x.py", "if TYPE_CHECKING:\n    import pydantic"),
        (clocks_and_chance, "actors/x.py", "import time"),
        (clocks_and_chance, "actors/x.py", "def f():\n    from uuid import uuid4"),
        (clocks_and_chance, "actors/x.py", "import random as chance"),
        (clocks_and_chance, "actors/x.py", "from secrets import token_hex as token"),
        (clocks_and_chance, "actors/x.py", "import datetime as d\nd.datetime.now(d.UTC)"),
        (clocks_and_chance, "actors/x.py", "from datetime import datetime\ndatetime.utcnow()"),
        (locks, "web/x.py", "import threading\nlock = threading.Lock()"),
        (locks, "persistence/x.py", "from trio import Lock as Gate"),
        (locks, "actors/x.py", "import asyncio.subprocess"),
        (pykka_private, "web/x.py", "from pykka._actor import Actor"),
        (pykka_private, "actors/x.py", "from pykka import _envelope"),
        (pykka_private, "actors/x.py", "class A(TrioActor):\n    def f(self): self._stop()"),
        (
            pykka_private,
            "actors/x.py",
            "class A(TrioActor):\n    async def _handle_receive(self): ...",
        ),
        (pykka_private, "web/x.py", "ref._actor_weakref()"),
    ],
)
def test_a_breach_is_found(law: Law, path: str, source: str) -> None:
    assert list(law(path, ast.parse(source)))


@pytest.mark.parametrize(
    ("law", "path", "source"),
    [
        (foreign_imports, "actors/x.py", "import trio, pykka, json\nfrom . import rules"),
        (foreign_imports, "web/x.py", "import quart"),
        (
            clocks_and_chance,
            "actors/x.py",
            "if TYPE_CHECKING:\n    import random\nx: random.Random",
        ),
        (clocks_and_chance, "actors/x.py", "import trio\nnow = trio.current_time()\ntime = now"),
        (clocks_and_chance, "web/x.py", "import time"),
        (locks, "web/x.py", "import threading, trio\ntrio.Event(), threading.Thread()"),
        (pykka_private, "actors/runtime.py", "from pykka._envelope import Envelope"),
        (pykka_private, "web/x.py", "class A:\n    def f(self): self._stop()"),
    ],
)
def test_what_is_allowed_is_no_breach(law: Law, path: str, source: str) -> None:
    assert list(law(path, ast.parse(source))) == []


def test_every_allowed_lock_is_still_there() -> None:
    for path, name in LOCKS_ALLOWED:
        assert name in uses(ast.parse((ROOT / path).read_text())), f"{path} no longer uses {name}"


def within(name: str, modules: Iterable[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def uses(tree: ast.Module, *, typing: bool = False) -> list[str]:
    """Every name that comes from an absolute import, in full: `threading`, `threading.Lock`.

    What is imported for annotations only, under TYPE_CHECKING, counts with `typing`.
    """
    nodes = list(walk(tree, typing=typing))
    origins: dict[str, str] = {}
    names = []
    for node in nodes:
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    names.append(alias.name)
                    top = alias.name.split(".")[0]
                    origins[alias.asname or top] = alias.name if alias.asname else top
            case ast.ImportFrom(module=str(module), names=aliases, level=0):
                for alias in aliases:
                    names.append(f"{module}.{alias.name}")
                    origins[alias.asname or alias.name] = f"{module}.{alias.name}"
    for node in nodes:
        if isinstance(node, ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            if first in origins:
                names.append(f"{origins[first]}.{rest}")
    return names


def walk(node: ast.AST, *, typing: bool) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        for_types = isinstance(child, ast.If) and ast.unparse(child.test) in {
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        }
        if typing or not for_types:
            yield from walk(child, typing=typing)
