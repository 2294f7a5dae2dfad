"""Sizes and previews of pictures, each made by a process of its own within bounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import trio

# The media types that a picture is made of; whatever else calls itself an image is a file like any other.
PICTURES = frozenset(
    f"image/{kind}" for kind in ("avif", "bmp", "gif", "jpeg", "png", "tiff", "webp")
)
AT_ONCE = 2  # processes: a picture of a phone takes a quarter of a second, and the chat needs the processor too
MEMORY = 1 << 30  # bytes of address space: four times what a picture of 50 million pixels takes
CPU_SECONDS = 10  # the slowest picture that is allowed takes two
SECONDS = 30.0  # by the clock, on a busy machine
WORKER = Path(__file__).with_name(
    "picture_worker.py"
)  # run as a file: a module would import all of salon.web.files


class Size(NamedTuple):
    """The pixels of a picture as it is shown."""

    width: int
    height: int


class TooLarge(NamedTuple):
    """A picture has more pixels than are allowed."""

    pixels: int


class Pictures:
    """Runs the processes. `max_pixels` is the limit for one picture; 0 for none."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._places = trio.CapacityLimiter(AT_ONCE)

    async def size(self, path: Path) -> Size | TooLarge | None:
        """The size of the picture in a file; None where it cannot be read as one."""
        try:
            answer = await self._ask(path, 0)
        except trio.TooSlowError:
            return None
        return None if answer is None else answer[0]

    async def preview(self, path: Path, side: int) -> bytes | None:
        """A WebP picture whose sides are at most `side`, without metadata; empty if there can be none, None for lack of time."""
        try:
            answer = await self._ask(path, side)
        except trio.TooSlowError:
            return None
        return b"" if answer is None else answer[1]

    async def _ask(self, path: Path, side: int) -> tuple[Size | TooLarge, bytes] | None:
        numbers = (self._max_pixels, MEMORY, CPU_SECONDS, side)
        command = [sys.executable, "-P", str(WORKER), *map(str, numbers)]
        async with self._places:
            with path.open("rb") as picture, trio.fail_after(SECONDS):
                done = await trio.run_process(
                    command,
                    stdin=picture,
                    capture_stdout=True,
                    stderr=subprocess.DEVNULL,
                    check=False,
                    env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                )
        return _parsed(done.stdout, done.returncode)


def _parsed(said: bytes, code: int) -> tuple[Size | TooLarge, bytes] | None:
    head, _, picture = said.partition(b"\n")
    with suppress(ValueError, KeyError):
        fields = json.loads(head)
        if code == 0 and "pixels" in fields:
            return TooLarge(fields["pixels"]), b""
        if code == 0:
            return Size(fields["width"], fields["height"]), picture
    return None
