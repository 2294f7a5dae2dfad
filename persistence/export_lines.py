"""Reads a file that `exporting` has written: line by line, checked against what its first and last lines say."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from salon.actors.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 1


class Head(NamedTuple):
    """What the first line says."""

    export_id: str
    schema: str
    created_at: int
    lines: int
    files: bool


class Line(NamedTuple):
    """A line between the first and the last: its number, and its object, with `table` or `content`."""

    number: int
    said: dict[str, Any]


class ExportFile:
    """An export that is read once, from the beginning to the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.tables: dict[str, dict[str, Any]] = {}  # rows and hash of each, as the last line says
        self._hashes: dict[str, Any] = {}
        self._counts: dict[str, int] = {}

    def head(self) -> Head:
        """The first line. Raises `StoreError` where the file is no export, or one of a newer version."""
        with self._path.open("rb") as file:
            try:
                said = json.loads(file.readline())
                version = said["salon_export"]
                if version != VERSION:
                    raise self.wrong(
                        1, f"it has the form {version}, and this version reads {VERSION}"
                    )
                return Head(
                    str(said["export_id"]),
                    str(said["schema"]),
                    int(said["created_at"]),
                    int(said["lines"]),
                    bool(said["files"]),
                )
            except (ValueError, TypeError, KeyError) as error:
                raise self.wrong(1, "this is no export of salon") from error

    def lines(self) -> Iterator[Line]:
        """All lines but the first and the last. Raises `StoreError` if the export is not whole, at the end at the latest."""
        with self._path.open("rb") as file:
            file.readline()
            for number, line in enumerate(file, 2):
                try:
                    said = json.loads(line)
                    if "end" in said:
                        self._finish(number, said["end"]["tables"])
                        return
                    if "table" in said:
                        table = str(said["table"])
                        self._hashes.setdefault(table, sha256()).update(line)
                        self._counts[table] = self._counts.get(table, 0) + 1
                except (ValueError, TypeError, KeyError) as error:
                    raise self.wrong(number, "it is cut off or changed") from error
                yield Line(number, said)
        raise StoreError(
            f"{self._path}: it is cut off: make it again, or go on with `salon export`"
        )

    def _finish(self, number: int, tables: dict[str, dict[str, Any]]) -> None:
        for table, said in tables.items():
            digest = self._hashes.get(table, sha256()).hexdigest()
            if (said["rows"], said["sha256"]) != (self._counts.get(table, 0), digest):
                raise self.wrong(number, f"the rows of {table} are not those that were exported")
        if self._counts.keys() - tables:
            raise self.wrong(number, "it has rows of tables that were not exported")
        self.tables = tables

    def wrong(self, number: int, problem: str) -> StoreError:
        """What is wrong with a line."""
        return StoreError(f"{self._path}, line {number}: {problem}")
