"""A connection to PostgreSQL in the form that the stores' statements need. It is made when it is first used."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import ClientCursor, Connection, pq
from psycopg.adapt import Dumper, Loader, Transformer
from psycopg.errors import error_from_result
from psycopg.types.numeric import IntDumper, NumericBinaryLoader
from psycopg.types.string import StrDumperUnknown

from ..connection import Session
from . import arrays
from .dialect import named, translate, translate_rows
from .fault import Lost, lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg.pq.abc import PGresult

    from ..connection import Cursor, Kind

_BEGIN: dict[Kind, str] = {
    "IMMEDIATE": "BEGIN",
    "DEFERRED": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "RELAXED": "BEGIN; SET LOCAL synchronous_commit = off",
}
IDLE = "2s"  # without a word in a transaction, after which the database ends it
_translated = lru_cache(maxsize=1_024)(translate)
_translated_rows = lru_cache(maxsize=256)(translate_rows)


class _Flag(Dumper):
    """Truth is a number in the tables."""

    oid = IntDumper.oid

    def dump(self, obj: Any) -> bytes:
        return b"1" if obj else b"0"

    def quote(self, obj: Any) -> bytes:
        return self.dump(obj)


class _Text(StrDumperUnknown):
    """A text, also one with NUL."""

    def dump(self, obj: str) -> Any:
        return super().dump(arrays.storable(obj))


class _Characters(Loader):
    """A text as it was."""

    format = pq.Format.BINARY

    def load(self, data: Any) -> str:
        return arrays.as_it_was(str(data, "utf-8"))


class _Whole(NumericBinaryLoader):
    """Sums are whole numbers."""

    def load(self, data: Any) -> Any:
        return int(super().load(data))


class _Rows:
    """What a statement has given, all of it."""

    def __init__(self, session: PostgresSession, rows: list[Any], rowcount: int) -> None:
        self._session = session
        self._rows = iter(rows)
        self.rowcount = rowcount

    @property
    def lastrowid(self) -> int | None:
        """The place that the database has given to the row that was inserted."""
        return int(self._session.run("SELECT lastval()").fetchone()[0])

    def fetchone(self) -> Any:
        """The next row, None after the last."""
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


class PostgresSession(Session):
    """Used by one thread. Raises `Lost` where the connection is gone; the next use makes another one.

    `view`, where it is not None, is the number of the view in which everything is written: see `view.py`.
    """

    def __init__(self, connect: Callable[[], Connection[Any]]) -> None:
        self._connect = connect
        self._connection: Connection[Any] | None = None
        self._writing: ClientCursor[Any] | None = None  # puts values into the text of a statement
        self._transactions = 0
        self.view: int | None = None

    @property
    def connection(self) -> Connection[Any]:
        """The driver's connection."""
        if self._connection is None:
            try:
                self._connection = self._connect()
            except psycopg.Error as error:
                raise Lost from error
            adapters = self._connection.adapters
            adapters.register_dumper(bool, _Flag)
            adapters.register_dumper(str, _Text)
            adapters.register_loader("text", _Characters)
            adapters.register_loader("numeric", _Whole)
            self._writing = ClientCursor(self._connection)
        return self._connection

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """Run a statement of both databases with the values for it."""
        text, numbered = _translated(sql)
        if not parameters:
            return self.run(text.replace("%%", "%"))
        return self.run(text, named(parameters) if numbered else parameters)

    def run(self, text: str, values: Any = ()) -> _Rows:
        """Run a statement that is PostgreSQL's already. The values are put into its text.

        So nothing is left in the session, which may be another one for each transaction.
        """
        with self._noticing():
            connection = self.connection
            if values:
                assert self._writing is not None
                text = self._writing.mogrify(text, values)
            result = connection.pgconn.exec_params(
                text.encode(), None, result_format=pq.Format.BINARY
            )
            return _Rows(self, self._rows_of(result), result.command_tuples or 0)

    def execute_rows(self, statement: str, types: str, parameters: list[Any], /) -> list[Any]:
        """Run a statement over rows; outside of a transaction it is one, in the view."""
        view = None if self._transactions else self.view
        width = len(types)
        values = [arrays.pack(kind, parameters[at::width]) for at, kind in enumerate(types)]
        kinds = [arrays.OIDS[kind][0] for kind in types]
        if view is not None:
            values.insert(0, view.to_bytes(8, "big"))
            kinds.insert(0, 20)
        text = _translated_rows(statement, types, in_view=view is not None)
        with self._noticing():
            result = self.connection.pgconn.exec_params(
                text.encode(), values, kinds, [pq.Format.BINARY] * len(kinds), pq.Format.BINARY
            )
            return self._rows_of(result)

    @contextmanager
    def transaction(self, kind: Kind, /) -> Iterator[None]:
        """Commit all writes of the block, or none."""
        begin = _BEGIN[kind]
        if self.view is not None and kind != "DEFERRED":
            # Who waits to install a view must not wait for a server that was stopped in the middle.
            begin += f"; SET LOCAL idle_in_transaction_session_timeout = '{IDLE}'; SELECT salon_in_view({self.view})"
        self._transactions += 1
        try:
            self._tell(begin)
            yield
            self._tell("COMMIT")
        except BaseException:
            with suppress(psycopg.Error, Lost):
                if self._connection is not None:
                    self._tell("ROLLBACK")
            raise
        finally:
            self._transactions -= 1

    def close(self) -> None:
        """Close the connection; the next use makes another one."""
        connection, self._connection, self._writing = self._connection, None, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _tell(self, text: str) -> None:
        """Run statements without values, in one round trip."""
        with self._noticing():
            self._rows_of(self.connection.pgconn.exec_(text.encode()))

    def _rows_of(self, result: PGresult) -> list[Any]:
        if result.status == pq.ExecStatus.COMMAND_OK:
            return []
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise error_from_result(result, "utf-8")
        loader = Transformer(self.connection)
        loader.set_pgresult(result)
        return loader.load_rows(0, result.ntuples, tuple)

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Drop a connection that is lost."""
        try:
            yield
        except psycopg.Error as error:
            connection = self._connection
            if lost(error) or connection is None or connection.closed:
                self.close()
                raise Lost from error
            raise
