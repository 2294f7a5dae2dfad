"""The npm package of salon.js as somebody gets it: packed, and installed by npm into a project of theirs."""

from __future__ import annotations

import os
import runpy
import subprocess
from pathlib import Path
from typing import Any

from tests.node import NODE, ROOT

NPM = NODE.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"


def packed() -> Path:
    """The tarball, made unless it is there."""
    cache = Path(os.environ.get("SALON_PAGE_CACHE") or ROOT / ".page")
    cache.mkdir(exist_ok=True)
    tarball: Path = runpy.run_path(str(ROOT / "web/page/build.py"))["packed"](cache)
    return tarball


def install(project: Path) -> Path:
    """Install it into a project that has nothing else; the folder of the package. No network is needed."""
    (project / "package.json").write_text('{"type": "module"}')
    options = ("--offline", "--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts")
    said = node(NPM, "install", packed(), *options, cwd=project)
    assert said.returncode == 0, said.stdout + said.stderr
    return project / "node_modules/salon-js"


def node(*words: str | Path, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """What node says of a program."""
    command = [NODE, *words]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False, **options
    )
