"""What is built and installed: all of the tree, and nothing that a neighbour could trip over."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FOLDERS = ("actors", "loadtests", "persistence", "web")
PAGE = "web/static/page"


class Built(NamedTuple):
    """The names in a source archive and in a wheel, and the folder in which both were built."""

    source: set[str]
    wheel: set[str]
    folder: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both archives, from a copy of the tree in which an earlier build has left its rubbish."""
    copy = tmp_path_factory.mktemp("built")
    for name in FOLDERS:
        skipped = shutil.ignore_patterns("node_modules", "__pycache__")
        shutil.copytree(ROOT / name, copy / name, ignore=skipped)
    for name in ("LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy)
    for ghost in ("build/lib/salon/actors/deleted.py", f"{PAGE}/deleted.js"):
        (copy / ghost).parent.mkdir(parents=True, exist_ok=True)
        (copy / ghost).touch()
    build(copy, "--sdist", "--wheel")
    with tarfile.open(next(copy.glob("dist/*.tar.gz"))) as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(next(copy.glob("dist/*.whl"))) as wheel:
        return Built(source, set(wheel.namelist()), copy)


def build(folder: Path, *kinds: str, umask: int = 0o022) -> None:
    """Build these archives of a folder, as of one time."""
    subprocess.run(
        [sys.executable, "-P", "-m", "build", "--no-isolation", *kinds, folder],
        check=True,
        env={"SALON_PAGE_CACHE": str(ROOT / ".page"), "SOURCE_DATE_EPOCH": "1700000000"}
        | os.environ,
        stdout=subprocess.DEVNULL,
        timeout=100,
        umask=umask,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """The archives that were built of a folder."""
    return {each.name: each.read_bytes() for each in (folder / "dist").iterdir()}


def test_two_builds_are_the_same_to_the_byte(built: Built, tmp_path: Path) -> None:
    first = contents(built.folder)
    with tarfile.open(next(built.folder.glob("dist/*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    build(source, "--wheel", umask=0o077)
    shutil.rmtree(built.folder / "dist")
    for each in built.folder.rglob("*"):
        os.utime(each)
    build(built.folder, "--sdist", umask=0o077)
    assert contents(source) | contents(built.folder) == first
    with zipfile.ZipFile(next(source.glob("dist/*.whl"))) as wheel:
        modes = {name.external_attr >> 16 & 0o777 for name in wheel.infolist()}
    assert modes <= {0o644, 0o664}  # setuptools gives RECORD the second


def test_the_wheel_holds_the_tree_and_nothing_else(built: Built) -> None:
    shipped = {name for name in built.wheel if ".dist-info/" not in name}
    page = {name for name in shipped if name.startswith(f"salon/{PAGE}/")}
    assert shipped - page == {f"salon/{name}" for name in tree()}
    assert {name.removeprefix("salon/") for name in page} == page_files()


def test_the_source_archive_holds_what_a_build_needs(built: Built) -> None:
    page = {f"web/page/{path}" for path in ("build.py", "package-lock.json", "sdk/salon.ts")}
    assert {"LICENSE", "pyproject.toml", "setup.py", *page, *tree()} <= built.source
    assert not any("node_modules" in name or name.startswith(PAGE) for name in built.source)


def test_the_wheel_has_the_page_with_the_notices_of_what_is_bundled(built: Built) -> None:
    names = {name.removeprefix(f"{PAGE}/") for name in page_files()}
    assert {"chat.html", "admin.html", "salon.js", "salon.d.ts", "assets/LEGAL.txt"} <= names
    notices = (installed("web") / "static/page/assets/LEGAL.txt").read_text()
    for library in json.loads((ROOT / "web/page/package.json").read_text())["dependencies"]:
        assert f"\n{library} " in f"\n{notices}"


def test_what_is_committed_names_no_registry() -> None:
    locks = [*ROOT.glob("web/page/package-lock.json"), *ROOT.glob("tests/**/package-lock.json")]
    assert len(locks) == 3
    assert not [lock for lock in locks if "resolved" in lock.read_text()]


def test_the_licence_travels_with_the_wheel(built: Built) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in built.wheel)


def test_salon_is_a_namespace_of_typed_packages() -> None:
    assert importlib.import_module("salon").__file__ is None
    for name in FOLDERS:
        assert (installed(name) / "py.typed").exists()


@pytest.mark.parametrize("name", FOLDERS)
def test_a_root_folder_is_no_module(name: str) -> None:
    assert importlib.util.find_spec(name) is None, "start pytest by `make pytest`, not by python -m"
    assert installed(name).is_relative_to(sys.prefix)


def test_the_install_brings_no_bare_names(tmp_path: Path) -> None:
    program = f"from importlib.util import find_spec; print(*filter(find_spec, {FOLDERS}))"
    found = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == ""


def test_the_tests_try_the_tree_as_it_is_now() -> None:
    stale = [
        name
        for name, file in tree().items()
        if not (copy := installed("actors").parent / name).exists()
        or copy.read_bytes() != file.read_bytes()
    ]
    assert stale == [], "installed before the last change: start the tests by make"
    sources = runpy.run_path(str(ROOT / "web/page/build.py"))
    assert (installed("web") / "static/page/sources.sha256").read_text() == sources["digest_of"](
        sources["sources"]()
    )


def test_every_import_is_of_a_declared_dependency() -> None:
    declared = declared_for("server", "ai", "cluster", "otel", "postgres", "s3")
    assert {
        f"{path}: {module}" for path, module in imports() if not owned(module, declared)
    } == set()


def test_the_client_imports_nothing_that_it_does_not_bring() -> None:
    declared = declared_for("client")
    mine = [each for each in imports() if each[0].startswith(("web/client/", "web/entry.py"))]
    assert {module for _, module in mine} > {"anyio", "h11"}
    assert [each for each in mine if not owned(each[1], declared)] == []


def test_the_command_runs(tmp_path: Path) -> None:
    command = Path(sysconfig.get_path("scripts"), "salon")
    subprocess.run([command, "--help"], cwd=tmp_path, check=True, capture_output=True, timeout=60)


def declared_for(*extras: str) -> set[str]:
    """The names of what an installation with these extras asks for."""
    required = [Requirement(line) for line in metadata.requires("salon") or ()]
    return {
        canonicalize_name(each.name)
        for each in required
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras)
    }


owners = cache(metadata.packages_distributions)


def owned(module: str, declared: set[str]) -> bool:
    """Whether one of these distributions has the module."""
    return bool(declared & {canonicalize_name(owner) for owner in owners().get(module, ())})


def tree() -> dict[str, Path]:
    """Every file below the root folders that is installed as it is, by its path there."""
    skipped = {"__pycache__", "node_modules"}
    return {
        file.relative_to(ROOT).as_posix(): file
        for name in FOLDERS
        for file in sorted((ROOT / name).rglob("*"))
        if file.is_file() and not file.name.startswith(".") and not skipped & set(file.parts)
        if not file.is_relative_to(ROOT / "web/page") and not file.is_relative_to(ROOT / PAGE)
    }


def page_files() -> set[str]:
    """The static files that the installed page consists of."""
    folder = installed("web") / "static/page"
    return {f"{PAGE}/{file.relative_to(folder).as_posix()}" for file in folder.rglob("*.*")}


def installed(name: str) -> Path:
    [folder] = importlib.import_module(f"salon.{name}").__path__
    return Path(folder)


def imports() -> Iterator[tuple[str, str]]:
    """Each file with each top-level module it imports from outside salon and Python itself."""
    known = {"salon", *sys.stdlib_module_names}
    for path, file in tree().items():
        if file.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(file.read_bytes())):
            match node:
                case ast.Import(names=aliases):
                    modules = [alias.name for alias in aliases]
                case ast.ImportFrom(module=str(module), level=0):
                    modules = [module]
                case _:
                    continue
            yield from ((path, m.split(".")[0]) for m in modules if m.split(".")[0] not in known)
