"""PostgreSQL's failures explained to the operator: one table, SQLSTATE -> what happened and what to do, without any password."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors

from salon.actors.store import StoreError

from ..fault import Faults

if TYPE_CHECKING:
    from psycopg import Error

STALE = "SA001"  # raised by salon_in_view
_GOES_ON = "writing goes on by itself once that is over"
_TEXTS = {
    STALE: "another server has taken this database over: stop one of the two",
    "53100": "the disk of the server is full: make room there, and writing goes on by itself",
    "53200": "the server has not enough memory",
    "53300": "the server has no connection left: raise max_connections, or let PgBouncer share them",
    "25006": (
        "the database can only be read, as on a standby: name the primary, "
        "or all hosts with target_session_attrs=read-write"
    ),
    "28P01": "the server refused the password: see the one in the URL, PGPASSWORD or the file ~/.pgpass",
    "28000": "the server refused the user: see pg_hba.conf there",
    "3D000": "there is no such database: make it with `createdb`",
    "42501": "the user may not do that: see which rights the role needs in docs/postgresql.md",
    "57P01": f"the server is being shut down: {_GOES_ON}",
    "57P02": f"the server has crashed: {_GOES_ON}",
    "57P03": f"the server is starting or recovering: {_GOES_ON}",
    "57014": "the server ended the statement: see statement_timeout",
    "55P03": "somebody holds a lock: see pg_locks on the server",
    "40001": "another transaction came first: it is tried again",
    "40P01": "two transactions waited for each other: it is tried again",
    "23505": "it holds something else in that place already: does another program write to it?",
    "58030": "the disk of the server failed: see its log",
    "XX001": "the database is damaged: stop the server, and restore a backup",
    "XX002": "an index is damaged: REINDEX it",
}
_UNREACHABLE = "the server cannot be reached: see whether it runs and what its address is; writing goes on by itself"
_PASSWORD = re.compile(
    r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)|(://[^:@/\s]*:)\S*(?=@)", re.IGNORECASE
)


class Lost(Exception):
    """The connection is lost, or could not be made: whether the last commit has happened is not known. The cause is chained."""


def explain(name: object, error: BaseException) -> StoreError:
    """The error as a `StoreError` that names the database, the cause and the remedy."""
    if isinstance(error, StoreError):
        return error
    cause = error.__cause__ if isinstance(error, Lost) else error
    code = getattr(cause, "sqlstate", None)
    text = _TEXTS.get(code or "")
    if text is None and isinstance(cause, psycopg.OperationalError):
        text = _of_connecting(str(cause)) or (_UNREACHABLE if code is None else None)
    detail = f"{code or type(cause).__name__}: {without_password(_first_line(cause))}"
    fault = StoreError(f"{name}: {text or 'the store failed'} ({detail})")
    fault.__cause__ = None if isinstance(cause, psycopg.OperationalError) else cause
    return fault


def lost(error: Error) -> bool:
    """Whether an error ends its connection: the server went away, or its state is not known."""
    code = error.sqlstate or ""
    return code.startswith(("57P0", "08")) or (
        code == "" and isinstance(error, psycopg.OperationalError)
    )


def starting(error: Error) -> bool:
    """Whether there is no server yet, or it is just starting: a moment later it may answer."""
    text = str(error)
    return any(word in text for word in ("Connection refused", "No such file", "starting up"))


def without_password(text: str) -> str:
    """A text as it may stand in a log."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[3]}***", text)


def _of_connecting(text: str) -> str | None:
    """What a failed connection says: libpq has no code for it."""
    if "password authentication failed" in text or "no password supplied" in text:
        return _TEXTS["28P01"]
    if (
        "too many clients" in text
        or "remaining connection slots" in text
        or "too many connections" in text
    ):
        return _TEXTS["53300"]
    if "pg_hba.conf" in text or ("role" in text and "does not exist" in text):
        return _TEXTS["28000"]
    if "database" in text and "does not exist" in text:
        return _TEXTS["3D000"]
    if "starting up" in text or "in recovery mode" in text or "shutting down" in text:
        return _TEXTS["57P03"]
    if "session is read-only" in text or "is in hot standby" in text:
        return _TEXTS["25006"]
    return None


def _first_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:300]


FAULTS = Faults(
    psycopg.Error,
    (
        errors.IntegrityError,
        errors.DataError,
        errors.ProgrammingError,
        errors.ProgramLimitExceeded,
        struct.error,
    ),
    errors.IntegrityError,
    explain,
)
