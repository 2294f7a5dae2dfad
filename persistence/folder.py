"""Contents of files in a folder, each under its name: written elsewhere, synced, and then given the name."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .fault import explain
from .file import sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIECE = 65_536  # bytes read at once: a slow reader has 20 s for each


class Folder:
    """Implements `Contents`. The first two characters of a name are a folder of their own: no folder gets too long."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with explained(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, name: str, path: Path) -> None:
        """Keep the content of the file at `path`, which is used up. On return it is on the disk. Again, it changes nothing."""
        target = self._place(name)
        with explained(target):
            sync(path)
            if not target.parent.exists():
                target.parent.mkdir(mode=0o700, exist_ok=True)
                sync(self._path)
            if target.exists():
                path.unlink()
            else:
                _move(path, target)
            sync(target.parent)  # also where another has put it: it may not have come that far

    def read(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to `end`, in pieces. Raises `StoreError` where there is no such content."""
        path = self._place(name)
        with explained(path), path.open("rb") as file:
            file.seek(start)
            while start < end:
                piece = file.read(min(PIECE, end - start))
                if not piece:
                    raise OSError("it is shorter than it was")
                start += len(piece)
                yield piece

    def delete(self, name: str) -> None:
        """Delete a content, if it is there."""
        path = self._place(name)
        with explained(path):
            path.unlink(missing_ok=True)
            if path.parent.exists():
                sync(path.parent)

    def names(self) -> Iterator[str]:
        """The names of all contents."""
        with explained(self._path):
            for folder in self._path.iterdir():
                for each in folder.iterdir() if len(folder.name) == 2 else ():
                    yield folder.name + each.name

    def _place(self, name: str) -> Path:
        return self._path / name[:2] / name[2:]


def _move(path: Path, target: Path) -> None:
    try:
        path.rename(target)
    except OSError:
        if not path.exists():
            raise
        # Another file system: a copy is written beside the name before it gets it.
        beside = target.with_name(f".{target.name}")
        try:
            shutil.copyfile(path, beside)
            sync(beside)
            beside.rename(target)
        finally:
            beside.unlink(missing_ok=True)
        path.unlink()


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise an error of the disk as a `StoreError` that names what to do."""
    try:
        yield
    except OSError as error:
        raise explain(path, error) from error


def empty(path: Path) -> None:
    """An empty folder for what is on its way; what a killed server has left in it goes. Raises `StoreError`."""
    with explained(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for entry in os.scandir(path):
            os.unlink(entry.path)  # noqa: PTH108
