"""The threads that ask the database, each on a connection of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..reader import Readers
from .fault import Lost

if TYPE_CHECKING:
    from collections.abc import Callable


class PostgresReaders(Readers):
    """Answer reads; one whose connection is lost is asked once more, on another one."""

    def _answer(
        self, connection: Any, question: Callable[..., Any], args: tuple[Any, ...]
    ) -> object:
        try:
            return question(connection, *args)
        except Lost:
            return question(connection, *args)
