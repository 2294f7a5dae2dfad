"""The types that salon comes with are seen from another project: by mypy and by pyright, from the installed wheel."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

RIGHT = """\
import trio

from salon.actors.events import KINDS
from salon.persistence import MemoryStore
from salon.web.client import Client, Receipt, Refused, SyncClient


async def sign() -> str:
    return "t"


async def main() -> None:
    async with Client("http://127.0.0.1:8000", renew=sign) as client:
        created = await client.create("Lunch")
        try:
            receipt: Receipt = await client.post(created["conversation_id"], "hello")
        except Refused as refused:
            print(refused)
        else:
            print(receipt.sequence_id, MemoryStore, sorted(KINDS))
        async with client.conversation(created["conversation_id"]) as conversation:
            async for event in conversation:
                print(event["type"])


with SyncClient("http://127.0.0.1:8000", token="t", renew=lambda: "t") as client:
    receipt: Receipt = client.post("c", "hello", key="k", mentions=["u"])
    with client.conversation("c", timeout=5) as conversation:
        sequence: int = conversation.send("hello").sequence_id
        for event in conversation:
            print(event["type"], sequence)
        for request in conversation.requests():
            with request.run() as run:
                run.say(str(request.message["content"]))
                allowed: bool = run.ask("pay", {"amount": 5}, timeout=60)
            print(run.run_id, allowed, run.result)
    with client.download("c", "f") as file:
        content: bytes = b"".join(file.pieces)
trio.run(main)
"""
WRONG = """\
from salon.web.client import Client, SyncClient

client = Client(8000)
SyncClient("http://127.0.0.1:8000").post(8000, "hello")
SyncClient("http://127.0.0.1:8000", renew=lambda: 8000)
"""
TOOLS = Path(sysconfig.get_path("scripts"))


def mypy(folder: Path, name: str) -> list[str]:
    """The errors that mypy has with a file."""
    command = [TOOLS / "mypy", "--strict", "--cache-dir", folder / "cache", "--no-error-summary"]
    done = subprocess.run(
        [*command, name], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert not done.stderr, done.stderr
    return [line for line in done.stdout.splitlines() if ": error:" in line]


def pyright(folder: Path, name: str) -> list[str]:
    """The errors that pyright has with a file."""
    command = [TOOLS / "basedpyright", "--pythonpath", sys.executable, "--level", "error"]
    done = subprocess.run(
        [*command, "--outputjson", name],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return [each["message"] for each in json.loads(done.stdout)["generalDiagnostics"]]


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_program_that_uses_it_rightly_has_no_error_and_a_wrong_one_has(
    checker: Callable[[Path, str], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    assert checker(tmp_path, "right.py") == []
    made, called, *renewed = checker(tmp_path, "wrong.py")
    assert "url" in made or "Client" in made
    assert "str" in called
    assert any("renew" in each or "Callable" in each for each in renewed)
