"""Which pages of a database its write-ahead log holds: https://www.sqlite.org/fileformat2.html#walformat."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = 32  # bytes of the log
_FRAME = struct.Struct(">II8s8x")  # page number, size of the database after a commit, salts
_SALTS = slice(16, 24)  # in the header


def logged_pages(log: Path, page_size: int) -> set[int]:
    """The numbers of the pages in the log. Frames of an earlier round, with other salts, end it."""
    pages: set[int] = set()
    if not log.exists():
        return pages
    with log.open("rb") as file:
        salts = file.read(_HEADER)[_SALTS]
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            page, _, own = _FRAME.unpack(head)
            if own != salts:
                break
            pages.add(page)
            file.seek(page_size, 1)
    return pages
