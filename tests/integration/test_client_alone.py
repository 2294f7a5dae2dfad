"""What `pip install 'salon[client]'` brings is enough for the client, and says what the server needs."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.patience import PATIENCE
from tests.server import ServerProcess

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
ALONE = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["client"]]


def closure(requirements: list[Requirement]) -> Iterator[metadata.Distribution]:
    """Each distribution that these need, and what those need."""
    pending, seen = list(requirements), set[str]()
    while pending:
        required = pending.pop()
        if required.name in seen or (required.marker and not required.marker.evaluate()):
            continue
        seen.add(required.name)
        found = metadata.distribution(required.name)
        yield found
        pending += [Requirement(line) for line in found.requires or ()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with salon, with what its client requires, and with nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "salon").mkdir()
    for name in ("actors", "loadtests", "persistence", "web"):
        [package] = importlib.import_module(f"salon.{name}").__path__
        (folder / "salon" / name).symlink_to(Path(package).resolve())
    for distribution in closure([Requirement(line) for line in ALONE]):
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}:
            (folder / top).symlink_to(Path(str(distribution.locate_file(top))))
    return folder


@pytest.fixture
def run(alone: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program with that folder and Python's own library."""

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        given = f"import sys; sys.path.append({str(alone)!r})\n{textwrap.dedent(program)}"
        return subprocess.run(
            [sys.executable, "-I", "-S", "-W", "error", "-c", given, *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run


Run = Callable[..., subprocess.CompletedProcess[str]]

IMPORTS = """
    import time
    def memory():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    before, began = memory(), time.process_time()
    import salon.web.client
    took, grew = time.process_time() - began, memory() - before
    tops = {name.partition(".")[0] for name in sys.modules} - {*sys.stdlib_module_names}
    print(*sorted(top for top in tops if not top.startswith("_")))
    print(*sorted({"asyncio", "concurrent", "http", "sqlite3"} & {*sys.modules}))
    print(f"importing the client: {took * 1000:.0f} ms of CPU, {grew / 2**20:.1f} MiB")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_importing_it_imports_little(run: Run, tell: Callable[[str], None]) -> None:
    done = run(IMPORTS)
    assert done.returncode == 0, done.stderr
    libraries, heavy, figures = done.stdout.splitlines()
    assert set(libraries.split()) <= {"anyio", "h11", "salon", "typing_extensions", "wsproto"}
    assert heavy == "concurrent", "no loop is imported before it runs"
    tell(figures)


TALK = """
    import asyncio
    from salon.web.client import Client, SyncClient

    async def main():
        async with Client(sys.argv[1]) as ada:
            await ada.guest("Ada")
            room = (await ada.create("Lunch"))["conversation_id"]
            async with ada.conversation(room, 0) as conversation:
                await conversation.send("Hello")
                async for event in conversation:
                    print(event["type"])
                    if event["type"] == "message":
                        break
        with SyncClient(sys.argv[1]) as bob:
            bob.guest("Bob")
            bob.join(room)
            print(bob.post(room, "Hello Ada").sequence_id)

    asyncio.run(main())
    print("trio" in sys.modules, "sniffio" in sys.modules)
"""


def test_a_program_talks_with_it_alone(run: Run, server: ServerProcess) -> None:
    done = run(TALK, server.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["conversation_created", "message", "4", "False", "False"]


@pytest.mark.parametrize("words", [["serve"], ["token", "--id", "a", "--name", "A"], ["--help"]])
def test_the_command_says_what_the_server_needs(run: Run, words: list[str]) -> None:
    done = run("from salon.web.entry import main; sys.exit(main())", *words)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("salon: the server needs ")
    assert line.endswith("which is not installed: pip install 'salon[server]'")
