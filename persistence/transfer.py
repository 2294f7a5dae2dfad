"""Moves, exports and imports stores by their URLs, whichever database has them."""
# ruff: noqa: PLC0415 - each call needs its own part of them

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .exporting import FileSource
from .file_tables import FileTables, new_file, tables_of
from .importing import Imported, import_export
from .moving import SHAPES, move
from .sql import path_of
from .url import is_postgres, needs_psycopg, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from salon.actors.files import Contents
    from salon.actors.sources import Sources

    from .exporting import Source
    from .moving import Moved
    from .postgres.database_tables import DatabaseTables

    Tables = FileTables | DatabaseTables


class DatabaseSource:
    """A database of PostgreSQL that is exported, which a server may use."""

    def __init__(self, url: str, sources: Sources) -> None:
        self._url = url
        self._sources = sources

    def copy(self, target: Path) -> None:
        """Copy it as it is now to a new file."""
        move_store(self._url, f"sqlite:///{target}", self._sources, lambda _: None)

    def needs(self, content: str) -> bool:
        """Whether it still has a file with this content."""
        from .postgres.database_tables import tables_of as tables_of_database

        with tables_of_database(self._url) as tables:
            return tables.needs(content)


def source_of(url: str, sources: Sources) -> Source:
    """The store at a URL, to export it."""
    if is_postgres(url):
        needs_psycopg()
        return DatabaseSource(url, sources)
    return FileSource(path_of(url))


def import_into(
    url: str,
    export: Path,
    beside: Path,
    contents: Contents,
    sources: Sources,
    progress: Callable[[int, int], None],
) -> Imported:
    """Fill the store at a URL, which is new or empty, from an export. Blocks; raises `StoreError`, and then nothing is stored.

    What is begun stands beside `beside`: the same call goes on with it.
    """
    if not is_postgres(url):
        return import_export(path_of(url), export, contents, sources, progress)
    needs_psycopg()
    whole = beside.with_name(f"{beside.name}.imported.db")
    done = None
    if not whole.exists():
        done = import_export(whole, export, contents, sources, progress)
    moved = move_store(f"sqlite:///{whole}", url, sources, lambda _: None)
    for part in ("", "-wal", "-shm", ".lock"):
        Path(f"{whole}{part}").unlink(missing_ok=True)
    return done or Imported(moved.rows, 0, 0)


def move_store(former: str, new: str, sources: Sources, progress: Callable[[int], None]) -> Moved:
    """Move all rows of a store, which a server may use, into a new one, and compare them. Blocks; raises `StoreError`.

    Where that fails, nothing is in the new one.
    """
    with _read(former, sources) as source, _fill(new, sources, source.created_at) as target:
        moved = move(source, target, shown(new), progress)
        target.count_on(SHAPES)
    return moved


def _read(url: str, sources: Sources) -> AbstractContextManager[Tables]:
    if is_postgres(url):
        needs_psycopg()
        from .postgres.database_tables import tables_of as tables_of_database

        return tables_of_database(url)
    return tables_of(path_of(url), sources)


def _fill(url: str, sources: Sources, created_at: str) -> AbstractContextManager[Tables]:
    if is_postgres(url):
        needs_psycopg()
        from .postgres.database_tables import new_tables

        return new_tables(url, sources, created_at)
    return new_file(path_of(url), sources, created_at)
