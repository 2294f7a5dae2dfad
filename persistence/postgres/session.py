"""A connection to PostgreSQL in the form that the stores' statements need. It is made when it is first used."""

from __future__ import annotations

import select
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

    from psycopg.pq.abc import PGconn, PGresult

    from ..connection import Cursor, Kind

_BEGIN: dict[Kind, str] = {
    "IMMEDIATE": "BEGIN",
    "DEFERRED": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "RELAXED": "BEGIN; SET LOCAL synchronous_commit = off",
}
_BIGINT = 20  # the type of a view's number
_IN_VIEW = b"SELECT salon_in_view($1)"
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
        """Run a statement over rows."""
        with self._noticing():
            asked = _asked(statement, types, parameters, None)
            return self._rows_of(self.connection.pgconn.exec_params(*asked, pq.Format.BINARY))

    def commit_rows(self, steps: list[tuple[str, str, list[Any]]], /) -> None:
        """Commit statements over rows in the view, in one round trip: an insertion by itself, others one after the other."""
        with self._noticing():
            pgconn = self.connection.pgconn
            if len(steps) == 1 and steps[0][0].startswith("INSERT"):
                self._rows_of(pgconn.exec_params(*_asked(*steps[0], self.view), pq.Format.BINARY))
            elif steps or self.view is not None:
                self._commit_several(pgconn, steps)

    def _commit_several(self, pgconn: PGconn, steps: list[tuple[str, str, list[Any]]]) -> None:
        """Up to the point of synchronisation all is one transaction; after an error the rest is passed over."""
        asked = [_asked(*step, None) for step in steps]
        if self.view is not None:  # by itself: a change that finds no row would not look at it
            asked.insert(0, (_IN_VIEW, [_packed(self.view)], [_BIGINT], [pq.Format.BINARY]))
        pgconn.enter_pipeline_mode()
        for each in asked:
            pgconn.send_query_params(*each, pq.Format.BINARY)
        pgconn.pipeline_sync()
        while pgconn.flush():
            _wait(pgconn, select.POLLIN | select.POLLOUT)
        error: Exception | None = None
        for _ in asked:
            while (result := _result(pgconn)) is not None:
                if result.status == pq.ExecStatus.FATAL_ERROR:
                    error = error or self._error_of(result)
        ended = _result(pgconn)
        if ended is None or ended.status != pq.ExecStatus.PIPELINE_SYNC:
            raise error or psycopg.OperationalError("the server closed the connection")
        pgconn.exit_pipeline_mode()
        if error is not None:
            raise error

    @contextmanager
    def transaction(self, kind: Kind, /) -> Iterator[None]:
        """Commit all writes of the block, or none."""
        begin = _BEGIN[kind]
        if self.view is not None and kind != "DEFERRED":
            # Who waits to install a view must not wait for a server that was stopped in the middle.
            begin += f"; SET LOCAL idle_in_transaction_session_timeout = '{IDLE}'; SELECT salon_in_view({self.view})"
        try:
            self._tell(begin)
            yield
            try:
                self._tell("COMMIT")
            except Lost as error:
                error.committing = True
                raise
        except BaseException:
            with suppress(psycopg.Error, Lost):
                if self._connection is not None:
                    self._tell("ROLLBACK")
            raise

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
            raise self._error_of(result)
        loader = Transformer(self.connection)
        loader.set_pgresult(result)
        return loader.load_rows(0, result.ntuples, tuple)

    def _error_of(self, result: PGresult) -> Exception:
        """The error; the driver's where the server has given no code: the connection is gone."""
        error = error_from_result(result, "utf-8")
        return error if error.sqlstate else psycopg.OperationalError(str(error))

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


def _asked(
    statement: str, types: str, parameters: list[Any], view: int | None
) -> tuple[bytes, list[bytes | None], list[int], list[int]]:
    """What the driver wants for a statement over rows; with `view`, which is then looked at, before anything is written."""
    width = len(types)
    values: list[bytes | None] = [
        arrays.pack(kind, parameters[at::width]) for at, kind in enumerate(types)
    ]
    kinds = [arrays.OIDS[kind][0] for kind in types]
    if view is not None:
        values.insert(0, _packed(view))
        kinds.insert(0, _BIGINT)
    text = _translated_rows(statement, types, in_view=view is not None)
    return text.encode(), values, kinds, [pq.Format.BINARY] * len(kinds)


def _packed(view: int) -> bytes:
    return view.to_bytes(8, "big")


def _result(pgconn: PGconn) -> PGresult | None:
    """The next result of a pipeline. The driver would wait for it with the GIL held."""
    while pgconn.is_busy():
        _wait(pgconn, select.POLLIN)
    return pgconn.get_result()


def _wait(pgconn: PGconn, events: int) -> None:
    poll = select.poll()
    poll.register(pgconn.socket, events)
    if any(found & ~select.POLLOUT for _, found in poll.poll()):
        pgconn.consume_input()
