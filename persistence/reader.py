"""The threads that answer reads, each on a connection of its own."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from salon.actors.future import Future
from salon.actors.store import StoreError

from .connection import Connection
from .loop import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from .loop import Loop

T = TypeVar("T")

# Their waits for the disk overlap; more threads would only wait for the GIL.
THREADS = 4


class ReadableConnection(Connection, Protocol):
    """A connection that its reader closes."""

    def close(self) -> None:
        """Close it."""


class Readable(Protocol):
    """The database that is read. `name` is what operators call it."""

    @property
    def name(self) -> str: ...

    def connect_reader(self) -> ReadableConnection:
        """A connection that only reads."""

    def explain(self, error: Exception) -> StoreError:
        """The error for operators."""


class Readers:
    """Answer reads in the order of their arrival. The queue is bounded by its callers: each has one read at a time."""

    def __init__(self, database: Readable, loop: Loop, threads: int = THREADS) -> None:
        self._database = database
        self._loop = loop
        self._queue: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], Future[Any]] | None]
        self._queue = SimpleQueue()
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(database.connect_reader(),),
                name=f"salon-reader-{n}",
                daemon=True,
            )
            for n in range(threads)
        ]
        self._closed = False
        for thread in self._threads:
            thread.start()

    def ask(self, question: Callable[..., T], *args: Any) -> Future[T]:
        """The result of the function, called with a connection and the arguments. It sees everything committed so far."""
        future: Future[T] = Future()
        if self._closed:
            future.set_exception(StoreError(f"{self._database.name}: the store is closed"))
        else:
            self._loop.enter()
            self._queue.put((question, args, future))
        return future

    def close(self) -> None:
        """Answer the waiting reads, then end the threads."""
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _answer(
        self, connection: Any, question: Callable[..., Any], args: tuple[Any, ...]
    ) -> object:
        """The answer to a question."""
        return question(connection, *args)

    def _run(self, connection: ReadableConnection) -> None:
        while (asked := self._queue.get()) is not None:
            question, args, future = asked
            try:
                outcome = self._answer(connection, question, args)
            except Exception as error:
                outcome = self._database.explain(error)
            self._loop.call(settle, future, outcome)
        connection.close()
