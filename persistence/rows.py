"""A statement over many rows of values, run in one step.

`executemany` gives up the GIL for every row, and with a busy main thread each time may cost the wait to get it back: at
256 rows a group it was measured thirty times slower than this. So the rows are bound to one statement, which is prepared
once for each of a few sizes; rows of zeros fill it up, and the statement leaves them out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from .connection import Session

if TYPE_CHECKING:
    from .connection import Connection

VALUES = 32_766  # that SQLite binds to one statement
# Four sizes to an octave, so that at most a fifth is filler.
SIZES: tuple[int, ...] = (
    *range(1, 8),
    *(quarter << n for n in range(1, 10) for quarter in (4, 5, 6, 7)),
)
LARGEST = SIZES[-1]


class Rows:
    """One statement, `{values}` standing for its rows, whose columns are column1, column2, ...; column1 is above zero.

    `types` has a letter for each column: integer, text or bytes.
    """

    def __init__(self, statement: str, types: str) -> None:
        self.statement, self.types = statement, types
        width = len(types)
        self._before, self._after = statement.split("{values}")
        self._row = f"({','.join('?' * width)})"
        self._texts: dict[int, str] = {}
        self.width = width
        self._largest = SIZES[bisect_right(SIZES, VALUES // width) - 1]

    def one_step(self, parameters: list[Any]) -> bool:
        """Whether this many rows fit into one statement."""
        return len(parameters) <= self._largest * self.width

    def execute(self, connection: Connection, parameters: list[Any]) -> list[Any]:
        """Run the statement over the rows, given one after the other in one flat list; return the rows that it selects."""
        if isinstance(connection, Session):
            return connection.execute_rows(self.statement, self.types, parameters)
        if not self.one_step(parameters):
            step = self._largest * self.width
            parts = [parameters[at : at + step] for at in range(0, len(parameters), step)]
            return [row for part in parts for row in self.execute(connection, part)]
        count = len(parameters) // self.width
        size = SIZES[bisect_left(SIZES, count)]
        filler = (0,) * ((size - count) * self.width)
        return connection.execute(self._text(size), [*parameters, *filler]).fetchall()

    def _text(self, size: int) -> str:
        text = self._texts.get(size)
        if text is None:
            values = f"(VALUES {','.join([self._row] * size)})"
            text = self._texts[size] = self._before + values + self._after
        return text
