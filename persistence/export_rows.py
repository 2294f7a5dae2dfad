"""Rows of the tables as lines of an export, and back. A line is a JSON object: `{"table": …, "row": {column: value}}`.

Bytes are text where they are text, and `{"base64": …}` elsewhere, so that every column comes back as it was.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from .schema import metadata

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

# What a store makes anew from the others, or for itself: the index of keys, the search index, its epoch and secrets.
DERIVED = frozenset({"erasures", "keys", "meta", "search_parts"})
TABLES = tuple(sorted(set(metadata.tables) - DERIVED))


class Shape(NamedTuple):
    """A table of a database: its columns, those of them with bytes, and the primary key, which is the order of its lines."""

    name: str
    columns: tuple[str, ...]
    binary: frozenset[str]
    key: tuple[str, ...]


class WrongRow(Exception):
    """A line that does not fit its table. The text says how."""


def shape_of(connection: sqlite3.Connection, table: str) -> Shape:
    """The shape of a table. Raises `WrongRow` where there is no such."""
    known = connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? AND sql NOT LIKE 'CREATE VIRTUAL%'",
        (table,),
    ).fetchone()
    if known is None or table in DERIVED or not table.isidentifier():
        raise WrongRow(f"there is no table {table!r}")
    found = connection.execute(f"PRAGMA table_info({table})").fetchall()
    key = sorted((row[5], row[1]) for row in found if row[5])
    return Shape(
        table,
        tuple(row[1] for row in found),
        frozenset(row[1] for row in found if row[2].upper() == "BLOB"),
        tuple(name for _, name in key),
    )


def rows(
    connection: sqlite3.Connection, shape: Shape, after: tuple[Any, ...] | None = None
) -> Iterator[tuple[Any, ...]]:
    """The rows in the order of the key, those after a key."""
    key = ", ".join(f'"{name}"' for name in shape.key)
    where = "" if after is None else f"WHERE ({key}) > ({', '.join('?' * len(after))})"
    columns = ", ".join(f'"{name}"' for name in shape.columns)
    yield from connection.execute(
        f"SELECT {columns} FROM {shape.name} {where} ORDER BY {key}", after or ()
    )


def insert_of(shape: Shape) -> str:
    """The statement that stores a row."""
    columns = ", ".join(f'"{name}"' for name in shape.columns)
    return f"INSERT INTO {shape.name} ({columns}) VALUES ({', '.join('?' * len(shape.columns))})"


def line_of(shape: Shape, row: tuple[Any, ...]) -> bytes:
    """A row as a line."""
    fields = {
        name: _text(value) if isinstance(value, bytes) else value
        for name, value in zip(shape.columns, row, strict=True)
    }
    return json_line({"table": shape.name, "row": fields})


def row_of(shape: Shape, fields: Any) -> tuple[Any, ...]:
    """The row of a line's fields. Raises `WrongRow`."""
    if not isinstance(fields, dict) or fields.keys() != set(shape.columns):
        raise WrongRow(f"{shape.name} has the columns {', '.join(shape.columns)}")
    return tuple(
        _bytes(fields[name]) if name in shape.binary else _plain(fields[name])
        for name in shape.columns
    )


def json_line(value: object) -> bytes:
    """A value as a line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _text(value: bytes) -> object:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    return text if "\0" not in text else {"base64": base64.b64encode(value).decode()}


def _bytes(value: Any) -> bytes | None:
    match value:
        case None:
            return None
        case str():
            return value.encode()
        case {"base64": str(text)}:
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error:
                pass
    raise WrongRow("bytes are text or base64")


def _plain(value: Any) -> int | float | str | None:
    if value is None or isinstance(value, int | float | str):
        return value
    raise WrongRow("a value is text, a number or null")
