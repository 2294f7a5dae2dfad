"""What the statements of a store need of a connection: that of SQLite is one, and that of PostgreSQL is given this form.

Statements are written as both databases understand them where that costs nothing; `?` and `?1` stand for values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


# Immediate: to write. Deferred: for several reads of the same state. Relaxed: to write what need not wait for the disk.
Kind = Literal["IMMEDIATE", "DEFERRED", "RELAXED"]


class Cursor(Protocol):
    """The rows of a statement, and how many it has written."""

    @property
    def rowcount(self) -> int:
        """How many rows were written."""

    @property
    def lastrowid(self) -> int | None:
        """The place that the database has given to the row that was inserted."""

    def fetchone(self) -> Any:
        """The next row, None after the last."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """The rows that are left, one after the other."""


class Connection(Protocol):
    """Runs statements; used by one thread."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor:
        """Run a statement with the values for it."""


class Session:
    """A connection that has transactions, and takes many rows, in a way of its own; SQLite's is none."""

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """Run a statement with the values for it."""
        raise NotImplementedError

    def execute_rows(self, statement: str, types: str, parameters: list[Any], /) -> list[Any]:
        """Run a statement of `Rows` over the rows in the flat list; return the rows that it selects."""
        raise NotImplementedError

    def transaction(self, kind: Kind, /) -> AbstractContextManager[None]:
        """Commit all writes of the block, or none."""
        raise NotImplementedError
