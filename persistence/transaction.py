"""One transaction on a connection, begun and ended explicitly."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from .connection import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .connection import Connection, Kind


@contextmanager
def transaction(connection: Connection, kind: Kind = "IMMEDIATE") -> Iterator[None]:
    """Commit all writes of the block, or none. Deferred: for several reads of the same state of the store."""
    if isinstance(connection, Session):
        with connection.transaction(kind):
            yield
        return
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # type: ignore[attr-defined] # SQLite may have rolled it back itself
            connection.execute("ROLLBACK")
        raise


@contextmanager
def relaxed_transaction(connection: Connection) -> Iterator[None]:
    """The same for writes that need not wait for the disk: after a power cut they may be undone, and are made again."""
    if isinstance(connection, Session):
        with connection.transaction("RELAXED"):
            yield
        return
    connection.execute("PRAGMA synchronous = NORMAL")
    try:
        with transaction(connection):
            yield
    finally:
        connection.execute("PRAGMA synchronous = FULL")
