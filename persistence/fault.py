"""SQLite's failures explained to the operator: one table, result code -> what happened and what to do."""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from salon.actors.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

DAMAGED = (
    "the file is damaged: stop the server, keep a copy of the file, and restore a backup "
    "or try `sqlite3 FILE .recover`"
)


class Faults(NamedTuple):
    """How the errors of a driver are told apart: those of its own, those that a row is to blame for, and conflicts of keys."""

    of_driver: type[Exception]
    of_data: tuple[type[Exception], ...]
    conflict: type[Exception]
    explain: Callable[[object, BaseException], StoreError]


_TEXTS = {
    sqlite3.SQLITE_FULL: "the disk is full: make room, and writing goes on by itself",
    sqlite3.SQLITE_IOERR: (
        "the disk failed to read or write: see whether it is full, over quota or broken; "
        "writing goes on by itself once it works again"
    ),
    sqlite3.SQLITE_BUSY: (
        "another program holds it locked: end what writes to it, "
        "and leave writing to the server as long as it runs"
    ),
    sqlite3.SQLITE_LOCKED: "another program holds it locked: end what writes to it",
    sqlite3.SQLITE_CONSTRAINT: (
        "it holds something else in that place already: does another program write to it?"
    ),
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: (
        "the file is no SQLite database: name another with --store, or move this one away"
    ),
    sqlite3.SQLITE_READONLY: "it cannot be written: see who owns the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: see who owns the file and its directory",
    sqlite3.SQLITE_PERM: "it cannot be opened: see who owns the file and its directory",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
}


def explain(path: object, error: BaseException) -> StoreError:
    """The error as a `StoreError` that names the file, the cause and the remedy."""
    if isinstance(error, StoreError):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    text = _TEXTS.get(code & 0xFF) if code is not None else None
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "make room" if full else "see who owns it and what the disk holds"
        text = f"{(error.strerror or str(error)).lower()}: {advice}"
    detail = f" ({getattr(error, 'sqlite_errorname', type(error).__name__)}: {error})"
    fault = StoreError(
        f"{path}: {text or 'the store failed'}{'' if isinstance(error, OSError) else detail}"
    )
    fault.__cause__ = error
    return fault


SQLITE = Faults(
    sqlite3.Error,
    (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError),
    sqlite3.IntegrityError,
    explain,
)
