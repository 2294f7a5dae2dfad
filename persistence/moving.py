"""Moves all rows of one store into another that is empty, and compares the two: what is left of a kind of database is its tables.

What a store derives is made anew. The rows of each table are compared as a sum of hashes, whatever order they come in.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from salon.actors.store import StoreError

from .export_rows import TABLES, Shape, line_of
from .schema import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BATCH = 2_000  # rows that are stored by one statement

SHAPES = tuple(
    Shape(
        name,
        tuple(column.name for column in metadata.tables[name].columns),
        frozenset(
            column.name
            for column in metadata.tables[name].columns
            if column.type.python_type is bytes
        ),
        tuple(column.name for column in metadata.tables[name].primary_key.columns),
    )
    for name in (*TABLES, "erasures")  # what is deleted and not erased yet stays so
)


class Moved(NamedTuple):
    """How many rows are there now, and how many of them are conversations and events."""

    rows: int
    conversations: int
    events: int


class TableReader(Protocol):
    """A database that is moved, as it is at one moment."""

    def rows(self, shape: Shape) -> Iterator[tuple[Any, ...]]:
        """The rows of a table."""


class TableWriter(TableReader, Protocol):
    """The database that they are moved into."""

    def store(self, shape: Shape, rows: list[tuple[Any, ...]]) -> None:
        """Store rows."""


def move(
    source: TableReader, target: TableWriter, name: object, progress: Callable[[int], None]
) -> Moved:
    """Store all rows of one in the other, and compare. `progress` gets the number so far. Raises `StoreError`.

    The caller commits what was stored only after this.
    """
    counts: dict[str, int] = {}
    done = 0
    for shape in SHAPES:
        if next(iter(target.rows(shape)), None) is not None:
            raise StoreError(f"{name}: there is something in it: name a new store")
        moved = _Sum(shape)
        for batch in _batches(source.rows(shape)):
            target.store(shape, batch)
            moved.add(batch)
            done += len(batch)
            progress(done)
        stored = _Sum(shape)
        for batch in _batches(target.rows(shape)):
            stored.add(batch)
        if stored != moved:
            raise StoreError(f"{name}: the table {shape.name} is not as it was: nothing was stored")
        counts[shape.name] = moved.count
    return Moved(done, counts["conversations"], counts["events"])


def _batches(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    batch: list[tuple[Any, ...]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


class _Sum:
    """The number of rows, and the sum of their hashes."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.count = self._hashes = 0

    def add(self, rows: list[tuple[Any, ...]]) -> None:
        self.count += len(rows)
        for row in rows:
            digest = sha256(line_of(self._shape, row)).digest()
            self._hashes = self._hashes + int.from_bytes(digest, "big") & 2**256 - 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sum) and (self.count, self._hashes) == (
            other.count,
            other._hashes,
        )

    __hash__ = None  # type: ignore[assignment]
