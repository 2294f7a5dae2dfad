"""Writes all of a store into a file of lines, which another store takes in: see `importing`.

The first line says what follows, the last has the number of each table's lines and the hash over them. The lines are those of a
copy of the store, taken at the beginning: an export that was ended goes on where its last line ends, and is as if made in one go.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from salon.actors.store import StoreError

from .erasing import erase_all
from .export_lines import VERSION
from .export_rows import TABLES, json_line, line_of, rows, shape_of
from .fault import explain
from .file import File, sync
from .migrations import NEWEST
from .snapshot import give_name, snapshot

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from salon.actors.files import Contents
    from salon.actors.sources import Sources

PIECE = 196_608  # bytes of a content in a line: 262,144 characters
_CONTENTS = (
    "SELECT content, max(size) FROM files WHERE gone = 0 AND content <> '' AND content > ? "
    "GROUP BY content ORDER BY content"
)
_NEEDED = "SELECT 1 FROM files WHERE content = ? AND gone = 0"

Progress = Callable[[int, int], None]  # lines so far, lines in all


class Exported(NamedTuple):
    """How many rows and contents were written, and how many contents were deleted meanwhile."""

    rows: int
    contents: int
    missing: int


class Source(Protocol):
    """The store that is exported."""

    def copy(self, target: Path) -> None:
        """Copy it as it is now to a new file, an SQLite store. Raises `StoreError`."""

    def needs(self, content: str) -> bool:
        """Whether it still has a file with this content, so that the content ought to be there."""


class FileSource:
    """A file, which a server may have open."""

    def __init__(self, path: Path) -> None:
        self._file = File(path)

    def copy(self, target: Path) -> None:
        """Copy it as it is now."""
        snapshot(self._file, target)

    def needs(self, content: str) -> bool:
        """Whether it still has a file with this content."""
        with closing(self._file.connect_reader()) as connection:
            return connection.execute(_NEEDED, (content,)).fetchone() is not None


def export(
    source: Source, target: Path, contents: Contents | None, sources: Sources, progress: Progress
) -> Exported:
    """Write a store to the new file `target`. Blocks; raises `StoreError`.

    `contents` are the bytes of files, None to leave them out. What is begun stands beside `target`: the same call goes on.
    """
    target = target.expanduser().absolute()
    if target.exists():
        raise StoreError(f"{target}: exists already: name a new file for the export")
    copy = File(target.with_name(f"{target.name}.snapshot"))
    partial = target.with_name(f"{target.name}.partial")
    try:
        if not copy.path.exists():
            partial.unlink(missing_ok=True)
            source.copy(copy.path)
        with closing(copy.open(sources)) as connection:
            erase_all(connection)
            done = _Export(connection, source, contents, progress).write(partial)
        give_name(partial, target)
        partial.unlink(missing_ok=True)
        copy.release()
        for part in ("", "-wal", "-shm", ".lock"):
            Path(f"{copy.path}{part}").unlink(missing_ok=True)
    except Exception as error:
        raise explain(target, error) from error
    finally:
        copy.release()
    return done


class _Export:
    def __init__(
        self,
        connection: sqlite3.Connection,
        source: Source,
        contents: Contents | None,
        progress: Progress,
    ) -> None:
        self._connection = connection
        self._source = source
        self._contents = contents
        self._progress = progress
        self._shapes = {table: shape_of(connection, table) for table in TABLES}
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in TABLES
        }
        meta = dict(connection.execute("SELECT name, value FROM meta"))
        # Bytes are counted by the lines that they take.
        sizes = connection.execute(_CONTENTS, ("",)).fetchall() if contents else []
        self._all = sum(counts.values()) + sum(max(1, -(-size // PIECE)) for _, size in sizes)
        self._head = {
            "salon_export": VERSION,
            "export_id": meta["epoch"],  # of the copy alone
            "schema": NEWEST,
            "created_at": int(meta["created_at"]),
            "rows": counts,
            "files": contents is not None,
            "lines": self._all,
        }
        self._lines = 0
        self._hashes = {table: sha256() for table in TABLES}
        self._counts = dict.fromkeys(TABLES, 0)
        self._last: dict[str, tuple[Any, ...]] = {}
        self._content: tuple[str, int] = ("", 0)  # the last one, and its bytes so far
        self._contents_written = self._missing = 0

    def write(self, partial: Path) -> Exported:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            self._resume(file)
            for table, shape in self._shapes.items():
                for row in rows(self._connection, shape, self._last.get(table)):
                    line = line_of(shape, row)
                    file.write(line)
                    self._note_row(table, line)
            for line in self._content_lines():
                file.write(line)
                self._step()
            file.write(json_line({"end": self._end()}))
            file.flush()
        sync(partial)
        return Exported(sum(self._counts.values()), self._contents_written, self._missing)

    def _end(self) -> dict[str, Any]:
        return {
            "tables": {
                table: {"rows": self._counts[table], "sha256": self._hashes[table].hexdigest()}
                for table in TABLES
            },
            "contents": self._contents_written,
            "missing": self._missing,
        }

    def _resume(self, file: IO[bytes]) -> None:
        """Take the lines that are there as written, up to the last whole one."""
        if file.readline() != json_line(self._head):
            file.seek(0)
            file.truncate()
            file.write(json_line(self._head))
            return
        end = file.tell()
        for line in file:
            if not line.endswith(b"\n"):
                break
            said = json.loads(line)
            if "end" in said:  # once more
                break
            end += len(line)
            if "table" in said:
                shape = self._shapes[said["table"]]
                self._note_row(shape.name, line)
                self._last[shape.name] = tuple(said["row"][name] for name in shape.key)
            else:
                self._note_content(said)
                self._step()
        file.seek(end)
        file.truncate()

    def _note_row(self, table: str, line: bytes) -> None:
        self._counts[table] += 1
        self._hashes[table].update(line)
        self._step()

    def _note_content(self, said: dict[str, Any]) -> None:
        at = said["at"] + len(base64.b64decode(said["data"]))
        self._content = said["content"], at
        self._contents_written += at == said["size"]

    def _step(self) -> None:
        self._lines += 1
        self._progress(self._lines, self._all)

    def _content_lines(self) -> Iterator[bytes]:
        if self._contents is None:
            return
        name, begun = self._content
        for content, size in self._connection.execute(_CONTENTS, ("",)).fetchall():
            if content < name or (content == name and begun >= size):
                continue
            try:
                yield from self._pieces(content, size, begun if content == name else 0)
            except StoreError:
                if self._source.needs(content):
                    raise
                self._missing += 1

    def _pieces(self, content: str, size: int, at: int) -> Iterator[bytes]:
        assert self._contents is not None
        while True:
            end = min(at + PIECE, size)
            data = b"".join(self._contents.read(content, at, end)) if end > at else b""
            said = {"content": content, "at": at, "size": size}
            yield json_line(said | {"data": base64.b64encode(data).decode()})
            at = end
            if at >= size:
                break
        self._contents_written += 1
