"""Takes an export into a new store, which then has every row as it was, and an epoch of its own.

The store is made beside its place, and gets its name once all is in it and was compared with the export. An import that was ended
goes on after the last rows that it has committed.
"""

from __future__ import annotations

import base64
import binascii
import os
import sqlite3
import tempfile
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from salon.actors.store import StoreError

from .export_lines import ExportFile
from .export_rows import TABLES, WrongRow, insert_of, line_of, row_of, rows, shape_of
from .fault import explain
from .file import File, sync
from .keys import Keys, place_of
from .migration import migrate, migrations_after
from .transaction import transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.files import Contents
    from salon.actors.sources import Sources

    from .export_lines import Head, Line
    from .export_rows import Shape

BATCH = 2_000  # rows in a transaction: a killed import repeats at most so many
KEYS_AT_ONCE = 10_000  # rows looked at for keys
_PROGRESS = "import_progress"
_KEYS = (
    "SELECT conversation, sender_id, key, sequence FROM events "
    "WHERE position > ? AND position <= ? AND key IS NOT NULL"
)


class Imported(NamedTuple):
    """How many rows and contents are there now, and how many contents the export has not."""

    rows: int
    contents: int
    missing: int


def import_export(
    path: Path,
    export: Path,
    contents: Contents,
    sources: Sources,
    progress: Callable[[int, int], None],
) -> Imported:
    """Fill the store at `path`, which is new or empty, from an export. Blocks; raises `StoreError`, and then there is no store.

    What is begun stands beside `path`: the same call goes on with it. `contents` takes the bytes of files that the export has.
    """
    file, source = File(path), ExportFile(export)
    try:
        head = source.head()
        migrations_after(head.schema, export)
        file.lock()
        try:
            _refuse_filled(file.path)
            partial = file.path.with_name(f"{file.path.name}.importing")
            with closing(open_partial(partial)) as connection:
                done = _Import(connection, source, head, contents, progress).take(partial)
                connection.execute(f"DROP TABLE {_PROGRESS}")
                migrate(connection, partial)
                complete(connection, str(head.created_at), sources)
            sync(partial)
            for part in ("-wal", "-shm"):
                Path(f"{file.path}{part}").unlink(missing_ok=True)  # of the empty store
            partial.rename(file.path)
            sync(file.path.parent)
            return done
        finally:
            file.release()
    except OSError as error:
        raise explain(export if error.filename == str(export) else path, error) from error
    except sqlite3.Error as error:
        raise explain(path, error) from error


def _refuse_filled(path: Path) -> None:
    if not path.exists() or not path.stat().st_size:
        return
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        for table in {row[0] for row in found} & set(TABLES):
            if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():
                raise StoreError(f"{path}: there is something in it: name a new store with --store")


def open_partial(partial: Path) -> sqlite3.Connection:
    """A connection to a file that is being filled, which has its name later."""
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(partial, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


class _Import:
    def __init__(
        self,
        connection: sqlite3.Connection,
        source: ExportFile,
        head: Head,
        contents: Contents,
        progress: Callable[[int, int], None],
    ) -> None:
        self._connection = connection
        self._source = source
        self._head = head
        self._contents = contents
        self._progress = progress
        self._shapes: dict[str, Shape] = {}
        self._batch: list[tuple[int, Shape, tuple[Any, ...]]] = []
        self._content = _Content(contents)

    def take(self, partial: Path) -> Imported:
        done = self._begin(partial)
        count = 0
        for line in self._source.lines():
            try:
                self._line(line, skip=line.number <= done)
            except WrongRow as problem:
                raise self._source.wrong(line.number, str(problem)) from problem
            count += 1
            if len(self._batch) >= BATCH:
                self._commit(line.number)
            self._progress(count, self._head.lines)
        self._commit(count)
        self._compare()
        return Imported(
            sum(table["rows"] for table in self._source.tables.values()),
            self._content.taken,
            self._missing(),
        )

    def _begin(self, partial: Path) -> int:
        """The number of the last line that is in the partial store."""
        found = self._connection.execute(
            "SELECT 1 FROM sqlite_schema WHERE name = ?", (_PROGRESS,)
        ).fetchone()
        if found is None:
            migrate(self._connection, partial, to=self._head.schema)
            with transaction(self._connection):
                self._connection.execute(f"CREATE TABLE {_PROGRESS} (export_id, line)")
                self._connection.execute(
                    f"INSERT INTO {_PROGRESS} VALUES (?, 0)", (self._head.export_id,)
                )
        begun, line = self._connection.execute(f"SELECT * FROM {_PROGRESS}").fetchone()
        if begun != self._head.export_id:
            raise StoreError(
                f"{partial}: the import of another export was begun: go on with that, or delete the file"
            )
        return int(line)

    def _line(self, line: Line, *, skip: bool) -> None:
        if "table" not in line.said:
            self._content.take(line.said)  # again does no harm
            return
        if skip:
            return
        table = str(line.said["table"])
        if table not in self._shapes:
            self._shapes[table] = shape_of(self._connection, table)
        shape = self._shapes[table]
        self._batch.append((line.number, shape, row_of(shape, line.said.get("row"))))

    def _commit(self, number: int) -> None:
        if not self._batch:
            return
        with transaction(self._connection):
            for at, shape, row in self._batch:
                try:
                    self._connection.execute(insert_of(shape), row)
                except sqlite3.IntegrityError as error:
                    raise self._source.wrong(at, f"{shape.name} cannot have it: {error}") from error
            self._connection.execute(f"UPDATE {_PROGRESS} SET line = ?", (self._batch[-1][0],))
        self._batch.clear()

    def _compare(self) -> None:
        """Compare what is in the tables with what was exported."""
        for table, said in self._source.tables.items():
            try:
                shape = shape_of(self._connection, table)
            except WrongRow as problem:
                raise StoreError(f"the export is of another schema: {problem}") from problem
            digest, count = sha256(), 0
            for row in rows(self._connection, shape):
                digest.update(line_of(shape, row))
                count += 1
            if (count, digest.hexdigest()) != (said["rows"], said["sha256"]):
                raise StoreError(
                    f"the table {table} is not as it was exported: delete what was imported, and begin again"
                )

    def _missing(self) -> int:
        query = "SELECT count(DISTINCT content) FROM files WHERE gone = 0 AND content <> ''"
        if "files" not in self._source.tables:
            return 0
        return int(self._connection.execute(query).fetchone()[0]) - self._content.taken


class _Content:
    """The content whose pieces come, one content after the other. One that is not whole is left out."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._name: str | None = None
        self._file: IO[bytes] | None = None
        self.taken = 0

    def take(self, said: dict[str, Any]) -> None:
        """Take a piece. Raises `WrongRow` and `StoreError`."""
        try:
            name, at, size = str(said["content"]), int(said["at"]), int(said["size"])
            data = base64.b64decode(said["data"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise WrongRow("it is no row and no content") from error
        if at == 0:
            self._drop()
            self._name, self._file = name, tempfile.NamedTemporaryFile(delete=False)  # noqa: SIM115
        if self._file is None or name != self._name or self._file.tell() != at:
            raise WrongRow(f"the content {name} does not go on here")
        self._file.write(data)
        if self._file.tell() >= size:
            self._keep(name)

    def _keep(self, name: str) -> None:
        assert self._file is not None
        self._file.close()
        path = Path(self._file.name)
        try:
            with path.open("rb") as file:
                digest = sha256()
                while piece := file.read(1_048_576):
                    digest.update(piece)
            if digest.hexdigest() != name:
                raise WrongRow(f"the content {name} is another")
            self._contents.put(name, path)
            self.taken += 1
        finally:
            self._drop()

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)
        self._file = None


def complete(connection: sqlite3.Connection, created_at: str, sources: Sources) -> None:
    """Make what is derived from the tables, which have this version's schema."""
    newest = connection.execute("SELECT max(position) FROM events").fetchone()[0] or 0
    with transaction(connection):
        connection.executemany(
            "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)",
            [
                ("created_at", created_at),
                ("keys_through", str(newest)),
                ("key_secret", sources.entropy(16).hex()),
            ],
        )
    keys = Keys(connection)
    for position in range(0, newest, KEYS_AT_ONCE):
        found = connection.execute(_KEYS, (position, position + KEYS_AT_ONCE))
        keys.add(
            {place_of(row[0], keys.digest(row[1], row[2])): row[3] for row in found.fetchall()}
        )
        while keys.due:
            keys.merge_piece()
    keys.merge_all()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute("PRAGMA journal_mode = DELETE").fetchall()
