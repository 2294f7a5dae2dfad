"""Columns of values as PostgreSQL's binary arrays, in the form that its array_recv reads.

Packed here in one step for each column, which takes a third of the time of psycopg's own, made for lists of any kind and depth.
"""

from __future__ import annotations

import struct
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# The letter of a column -> the types of the array and of its elements.
OIDS = {"i": (1016, 20), "t": (1009, 25), "b": (1001, 17)}
# No character. PostgreSQL has no NUL in texts: this and 0 stand for one, and this and 1 for itself.
ESCAPE = "\U0010ffff"

_HEAD = struct.Struct("!iiiii")  # dimensions, whether there are nulls, type, length, first index
_LENGTH = struct.Struct("!i")
_NULL = _LENGTH.pack(-1)


def storable(text: str) -> str:
    """A text as PostgreSQL can store it."""
    if "\0" in text or ESCAPE in text:
        return text.replace(ESCAPE, f"{ESCAPE}1").replace("\0", f"{ESCAPE}0")
    return text


def as_it_was(text: str) -> str:
    """A text as it was before `storable`."""
    if ESCAPE in text:
        return text.replace(f"{ESCAPE}0", "\0").replace(f"{ESCAPE}1", ESCAPE)
    return text


def pack(kind: str, values: Sequence[Any]) -> bytes:
    """The values of a column, some of which may be None."""
    if not values:
        return struct.pack("!iii", 0, 0, OIDS[kind][1])
    nulls = None in values
    head = _HEAD.pack(1, nulls, OIDS[kind][1], len(values), 1)
    if kind == "i" and not nulls:
        pairs = chain.from_iterable(zip(repeat(8), values))
        return head + struct.pack(f"!{'iq' * len(values)}", *pairs)
    return head + b"".join([_NULL if each is None else _element(kind, each) for each in values])


def _element(kind: str, value: Any) -> bytes:
    if kind == "i":
        return struct.pack("!iq", 8, value)
    data = storable(value).encode() if kind == "t" else value
    return _LENGTH.pack(len(data)) + data
