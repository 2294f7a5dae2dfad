"""docs/privacy.md: its commands do what they say."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from tests.command_lines import command_lines, run_line
from tests.patience import PATIENCE
from tests.person import guests
from tests.server import ServerProcess


async def test_a_person_is_exported_erased_kept_for_days_and_held_by_the_commands_of_the_page(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = start_server()
    ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
    room = await cleo.create(ada, bob)
    for each in (ada, bob, cleo):
        await each.say(room, f"I am {each.name}")
    take, take_of, leave, erase, ask, keep, hold, holds, release = command_lines("privacy.md")

    async def run(line: str, token: str = "", **variables: str) -> Any:
        known = {"SALON": server.url, "ADMIN": "admin_token", "TOKEN": token, "ID": room}
        return await run_line(line, tmp_path, **known, **variables)

    async def until_done(erasure: Any) -> None:
        with trio.fail_after(PATIENCE):
            while True:
                if (await run(ask, ERASURE=erasure["erasure_id"]))["state"] == "done":
                    return

    await run(take, ada.token)
    await run(take_of, PERSON=bob.id)
    for name, said in (("data", b"I am Ada"), ("data-of-person", b"I am Bob")):
        with zipfile.ZipFile(tmp_path / f"{name}.zip") as archive:
            assert said in archive.read("events.ndjson")

    held = await run(hold, PERSON=cleo.id)
    listed = await run(holds)
    assert [each["hold_id"] for each in listed["holds"]] == [held["hold_id"]]
    assert listed["holds"][0]["released_at"] is None
    await run(release, HOLD=held["hold_id"])
    listed = await run(holds)
    assert listed["holds"][0]["released_at"] is not None

    await run(keep, cleo.token)
    assert (await cleo.history(room))[-1]["retention"] == {"days": 30}

    await until_done(await run(leave, ada.token))
    await until_done(await run(erase, PERSON=bob.id))
    history = await cleo.history(room)
    messages = [event["message"] for event in history if event["type"] == "message"]
    assert [each["content"] for each in messages if each.get("content")] == ["I am Cleo"]
