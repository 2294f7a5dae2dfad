"""Which place for the contents of files this is: servers that keep them at the same one can tell."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from .file import sync
from .folder import explained

MARK = ".salon-folder"  # no name of a content: those are in folders of two characters
HALF = 5.0  # seconds after which a mark that another server has begun counts as empty for good


def place_of(url: str) -> str:
    """A text that two servers have in common if and only if they see the same contents. Blocks; raises `StoreError`.

    A bucket is named by its URL. A folder has a file with a word drawn by chance: two machines may have folders of one name.
    """
    if not url.startswith("file:///"):
        return url
    mark = Path(url.removeprefix("file://")) / MARK
    with explained(mark):
        with suppress(FileExistsError), mark.open("x") as file:
            file.write(token_hex(16))
            file.flush()
            os.fsync(file.fileno())
            sync(mark.parent)
        deadline = time.monotonic() + HALF
        while not (word := mark.read_text()):  # another server is about to write it
            if time.monotonic() > deadline:
                raise OSError("it is empty: remove it")
            time.sleep(0.05)
        return word
