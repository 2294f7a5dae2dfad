"""A copy of a store's file, taken while a server may be writing to it."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path

from salon.actors.store import StoreError

from .fault import ONCE, explain
from .file import READER_CACHE, File, check_ours, sync


def snapshot(file: File, target: Path) -> None:
    """Copy the file as it is at one moment to a new file `target`, readable by its owner alone.

    It needs no server and disturbs none. The copy has no epoch: the first server to open it draws a new one, so that clients
    of a restored copy notice. Raises `StoreError`, and then there is no `target`.
    """
    target = target.expanduser().absolute()
    if not file.path.is_file():
        raise StoreError(
            f"{file.path}: there is no such store: name the one of the server with --store"
        )
    if target.exists():
        raise StoreError(f"{target}: exists already: name a new file for the backup")
    if not target.parent.is_dir():
        raise StoreError(f"{target.parent}: there is no such folder: make it, or name another")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(descriptor)
        try:
            _copy(file, name, target)
            give_name(Path(name), target)
        finally:
            for part in ("", "-journal"):
                Path(f"{name}{part}").unlink(missing_ok=True)
    except Exception as error:
        raise explain(target, error) from error


def _copy(file: File, name: str, target: Path) -> None:
    source = file.connect(READER_CACHE)
    try:
        check_ours(source, file.path)
        copy = sqlite3.connect(name, isolation_level=None)
        try:
            source.backup(copy)  # in one step, so from one snapshot; writers do not wait for it
            copy.execute("PRAGMA journal_mode = DELETE").fetchall()  # all data in one file
            copy.execute("DELETE FROM meta WHERE name = 'epoch'")
        finally:
            copy.close()
    except sqlite3.Error as error:
        full = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL
        raise explain(target if full else file.path, error, ONCE) from error
    finally:
        source.close()


def give_name(copy: Path, target: Path) -> None:
    """Give a complete file its name, or none; never replace another file. Raises `StoreError` and `OSError`."""
    try:
        os.link(copy, target)
    except FileExistsError:
        raise StoreError(f"{target}: exists already: name a new file for the backup") from None
    except OSError:  # a file system without links, such as a memory stick's
        if target.exists():
            raise
        copy.rename(target)
    sync(target.parent)
