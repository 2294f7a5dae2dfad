"""Commands of a document that call the server with curl, each run as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import trio

from tests.patience import PATIENCE

DOCUMENTS = Path(__file__).parents[1] / "docs"
# A refusal ends it with its text, and nothing is said of the progress.
CURL = """
curl() { command curl --silent --show-error --fail-with-body --noproxy '*' "$@"; }
"""


def command_lines(page: str) -> list[str]:
    """The lines of the page's shell commands, in their order."""
    blocks = re.findall(r"```sh\n(.*?)```", (DOCUMENTS / page).read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


async def run_line(line: str, folder: Path, **variables: str) -> Any:
    """What a line prints, read as JSON; None where it prints nothing. It runs in the folder, with these variables."""
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            ["sh", "-euc", CURL + line],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin"} | variables,
            cwd=folder,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else None
