"""The Dockerfile, read, and its steps done in a folder: what Docker would do, where no Docker daemon runs.

What is another there: the paths below the folder, the Python of this machine, and no user of its own.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Step(NamedTuple):
    """One instruction: FROM, COPY, RUN, ... and what follows it."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """What follows, as words: of the JSON form, or as a shell would split it."""
        if self.text.startswith("["):
            return [str(word) for word in json.loads(self.text)]
        return shlex.split(self.text)


def stages(text: str) -> list[list[Step]]:
    """The stages of a Dockerfile, each from its FROM on."""
    found: list[list[Step]] = []
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append(Step(name, re.sub(r" {2,}", " ", rest.strip())))
    return found


def of(steps: list[Step], name: str) -> list[Step]:
    """The steps with this name."""
    return [step for step in steps if step.name == name]


def environment(steps: list[Step]) -> dict[str, str]:
    """What ENV sets."""
    return dict(word.split("=", 1) for step in of(steps, "ENV") for word in step.words)


def is_sent(path: str, patterns: list[str]) -> bool:
    """Whether .dockerignore lets a file get to the build: the last pattern that fits it or a folder of it decides."""
    parts = path.split("/")
    sent = True
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        for end in range(1, len(parts) + 1):
            head = "/".join(parts[:end])
            anywhere = bare.startswith("**/") and fnmatch.fnmatchcase(parts[end - 1], bare[3:])
            if anywhere or (head.count("/") == bare.count("/") and fnmatch.fnmatchcase(head, bare)):
                sent = pattern.startswith("!")
                break
    return sent


def context(target: Path) -> None:
    """Copy what a build is sent."""
    patterns = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and line[0] != "#"
    ]
    tracked = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, text=True
    )
    for path in filter(None, tracked.split("\0")):
        if is_sent(path, patterns) and (ROOT / path).is_file():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target / path)


class Image:
    """A folder in which the steps are done."""

    def __init__(self, folder: Path) -> None:
        self._sent, self.root = folder / "context", folder / "root"
        programs = folder / "bin"
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(getattr(sys, "_base_executable", sys.executable))
        self._path = f"{programs}:/usr/bin:/bin"
        context(self._sent)

    def below(self, text: str) -> str:
        """A text with the image's paths put below the folder."""
        return re.sub(r"(?<![\w.])(?=/(opt/salon|src|data)\b)", str(self.root), text)

    def build(self, steps: list[Step]) -> None:
        """Do the steps of a stage that bring files."""
        here = "/"
        for step in steps:
            if step.name == "WORKDIR":
                here = step.text
                Path(self.below(here)).mkdir(parents=True, exist_ok=True)
            elif step.name == "COPY":
                self._copy(here, *step.words)
            elif step.name == "RUN":
                variables = {"PATH": self._path, "HOME": str(self.root), **_pip()}
                command = ["sh", "-euc", self.below(step.text)]
                subprocess.run(command, cwd=self.below(here), env=variables, check=True)

    def variables(self, steps: list[Step]) -> dict[str, str]:
        """The environment of what runs in it."""
        given = {name: self.below(text) for name, text in environment(steps).items()}
        return given | {"PATH": given["PATH"].replace("$PATH", self._path)}

    def _copy(self, here: str, *words: str) -> None:
        *sources, target = words
        place = Path(self.below(target if target.startswith("/") else f"{here}/{target}"))
        for source in sources:
            found = self._sent / source
            if found.is_dir():
                shutil.copytree(found, place, dirs_exist_ok=True)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, place)


def _pip() -> dict[str, str]:
    """Where this machine's pip finds packages."""
    return {
        name: text for name, text in os.environ.items() if name.startswith(("PIP_", "SALON_PAGE"))
    }
