"""Tries on a copy what the next start of this version does to a store's file."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from salon.actors.store import StoreError

from .fault import DAMAGED, explain
from .file import READER_CACHE, File, check_ours, revision_of
from .migration import migrations_after
from .snapshot import snapshot

if TYPE_CHECKING:
    from salon.actors.sources import Sources

ROOM = 3  # times the file's size: the copy, the rebuilt tables, and the log of them


class Rehearsal(NamedTuple):
    """What the next start will do: the migrations, each its revision and what it does, and what they take.

    `seconds` is what the start took on the copy; `grown` is by how many bytes the copy and its log were larger at the end.
    Both are None where nothing is to be migrated.
    """

    revision: str | None
    migrations: list[tuple[str, str]]
    size: int
    free: int
    seconds: float | None = None
    grown: int | None = None


def rehearse(path: Path, sources: Sources) -> Rehearsal:
    """Open a copy of the store at `path` as the next start will open the store; a server may have it open. Blocks.

    Raises `StoreError` where it does not open, or where there is too little room to try it. The store is not changed.
    """
    file = File(path)
    if not file.path.is_file():
        raise StoreError(
            f"{file.path}: there is no such store: name the one of the server with --store"
        )
    try:
        with closing(file.connect(READER_CACHE)) as connection:
            check_ours(connection, file.path)
            revision = revision_of(connection, file.path)
        found = Rehearsal(
            revision, migrations_after(revision, file.path), _size(file.path), _free(file.path)
        )
        if not found.migrations:
            _check(file)
            return found
        if found.free < ROOM * found.size:
            raise StoreError(
                f"{file.path}: {found.free / 1e6:,.0f} MB are free, and {ROOM * found.size / 1e6:,.0f} MB are needed "
                "to upgrade it and to try that: make room"
            )
        return _try(file, found, sources)
    except Exception as error:
        raise explain(file.path, error) from error


def _check(file: File) -> None:
    with closing(file.connect_reader()) as connection:
        said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        raise StoreError(f"{file.path}: {DAMAGED}")


def _try(file: File, found: Rehearsal, sources: Sources) -> Rehearsal:
    with tempfile.TemporaryDirectory(prefix=f".{file.path.name}.", dir=file.path.parent) as folder:
        copy = File(Path(folder, file.path.name))
        snapshot(file, copy.path)
        before = _size(copy.path)
        started = time.monotonic()
        try:
            with closing(copy.open(sources)):
                return found._replace(
                    seconds=time.monotonic() - started, grown=_size(copy.path) - before
                )
        finally:
            copy.release()


def _size(path: Path) -> int:
    parts = [Path(f"{path}{part}") for part in ("", "-wal")]
    return sum(each.stat().st_size for each in parts if each.exists())


def _free(path: Path) -> int:
    return shutil.disk_usage(path.parent).free
