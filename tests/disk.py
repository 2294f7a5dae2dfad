"""Disks for the tests of what they do to a server: mounted, filled; and what was said on them and has to be kept."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.person import Frame, Person, Tab
from tests.traffic import keys, numbers

SIZE = 4000  # characters of a message: a page of the file, so that a disk is soon full


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[bool]:
    """Mount something there; whether this may be done here."""
    done = subprocess.run(["mount", *options, f"{folder}"], check=False, capture_output=True)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", f"{folder}"], check=True)


async def say(
    tab: Tab, stored: dict[str, Frame], refused: dict[str, Frame], said: list[str]
) -> None:
    """Say these, one after the other, and sort them by their answers."""
    for key in said:
        await tab.send("message", content=key.ljust(SIZE, "."), client_message_id=key)
        while (frame := await tab.next()).get("client_message_id") != key:
            pass
        (stored if frame["type"] == "message_ack" else refused)[key] = frame


async def check(who: Person, conversation_id: str, stored: dict[str, Frame]) -> list[Frame]:
    """The log has what was promised, each in its place, and nothing else."""
    log = await who.history(conversation_id)
    assert numbers(log) == list(range(1, len(log) + 1))
    for key, receipt in stored.items():
        assert log[receipt["sequence_id"] - 1]["message"]["client_message_id"] == key
    assert sorted(keys(log)) == sorted(stored)
    return log
