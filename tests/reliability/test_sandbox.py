"""A server that may write to its own folder alone, and do nothing that needs a privilege: all of it works."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.person import guests
from tests.pictures import opened, picture
from tests.sandbox import command, refusal
from tests.server import ServerProcess

WHY_NOT = refusal()


@pytest.mark.skipif(WHY_NOT is not None, reason=f"no sandbox: {WHY_NOT}")
async def test_messages_and_pictures_work_in_the_sandbox_and_outlive_a_restart(
    tmp_path: Path, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server(under=command(tmp_path / "server-0"))
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    await ada.say(conversation_id, "Hello")
    uploaded = await ada.call(
        "POST",
        f"/chat/{conversation_id}/files",
        content=picture(width=300, height=200),
        params={"name": "cat.png"},
    )
    assert uploaded.status_code == 201, uploaded.text
    view = uploaded.json()
    await ada.say(conversation_id, "Look", files=[{"file_id": view["file_id"]}])
    path = f"/chat/{conversation_id}/files/{view['file_id']}/preview?size=150"
    seen = await bob.call("GET", path)
    assert seen.status_code == 200, (seen.text, server.log)
    assert max(opened(seen.content).size) < 300
    before = await bob.history(conversation_id)
    server.restart()
    assert await bob.history(conversation_id) == before
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.skipif(WHY_NOT is not None, reason=f"no sandbox: {WHY_NOT}")
def test_the_sandbox_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    tries = f"""
import mmap, pathlib
pathlib.Path({str(folder)!r}, "a").write_text("a")
try:
    pathlib.Path({str(tmp_path)!r}, "a").write_text("a")
except OSError as error:
    print(error.strerror)
print(int(next(line for line in open("/proc/self/status") if line.startswith("CapEff")).split()[1], 16))
"""
    done = subprocess.run(
        [*command(folder), "python3", "-c", tries], capture_output=True, text=True, check=True
    )
    assert done.stdout == "Read-only file system\n0\n"
